// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Paths that the server opens (rnbd-srv-name.c), from three texts: search path, session, device.
 */
#include "fuzz.h"

#include "rnbd-srv.h"

/* where the search path is the administrator's: what a peer added must not lead out of it */
static void inside(const char *path, const char *search, const char *dev)
{
	size_t len = strlen(path);

	MUST(len >= 1 && len < PATH_MAX);
	MUST(!strstr(path, "//"));
	if (!strstr(search, ".."))
		MUST(!strstr(path, "/../") && strncmp(path, "../", 3));
	while (*dev == '/')
		dev++;
	if (!strstr(dev, "//"))
		MUST(!*dev || (len >= strlen(dev) && !strcmp(path + len - strlen(dev), dev)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	struct input in = { data, len };
	char *val = text(&in), *sess = text(&in), *dev = text(&in);
	char *search = calloc(1, PATH_MAX), *buf = malloc(PATH_MAX);
	int err;

	MUST(search && buf);
	err = rnbd_srv_search_path_set(search, val);
	MUST(err == 0 || err == -EINVAL);
	MUST(strlen(search) < PATH_MAX && (!err || !*search));
	/* the check of OPEN lets no empty device name through */
	if (*dev) {
		err = rnbd_srv_path_build(buf, search, sess, dev);
		MUST(err == 0 || err == -EINVAL);
		/* "" and "." would be the directory of all sessions */
		MUST(err || (*sess && strcmp(sess, ".")));
		if (!err)
			inside(buf, search, dev);
	}
	free(buf);
	free(search);
	free(dev);
	free(sess);
	free(val);
	return 0;
}

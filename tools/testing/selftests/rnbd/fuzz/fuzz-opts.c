// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The line of map_device (rnbd-clt-opts.c).  Whatever is accepted has all that is mandatory, and
 * nothing that a session or a device could not have.
 */
#include "fuzz.h"

#include "rnbd-clt.h"

static void bounds(const struct rnbd_clt_map_opts *opts)
{
	size_t name = strnlen(opts->sessname, sizeof(opts->sessname));
	size_t dev = strnlen(opts->device_path, sizeof(opts->device_path));

	MUST(name >= 1 && name <= 254 && dev >= 1 && dev <= 254);
	MUST(!strchr(opts->sessname, '/') && !strstr(opts->sessname, ".."));
	MUST(strcmp(opts->sessname, "."));
	MUST(!strchr(opts->sessname, ' ') && !strchr(opts->device_path, ' '));
	MUST(opts->access_mode < RNBD_ACCESS_NR);
	MUST(opts->nr_poll_queues <= nr_cpu_ids);
	MUST(opts->nr_paths <= RNBD_CLT_MAX_PATHS);
	for (unsigned int i = 0; i < opts->nr_paths; i++)
		MUST(port_of(&opts->paths[i].dst) == opts->dest_port);
	MUST(!opts->error);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	struct rnbd_clt_map_opts *opts = malloc(sizeof(*opts));
	struct input in = { data, len };
	char *line = text(&in);
	size_t size = strlen(line);
	int err;

	MUST(opts);
	memset(opts, 0xa5, sizeof(*opts));
	err = rnbd_clt_opts_parse(line, opts);
	MUST(err == 0 || err == -EINVAL);
	if (!err) {
		bounds(opts);
	} else {
		MUST(opts->error);
		if (opts->culprit)
			MUST(opts->culprit >= line && opts->culprit <= line + size &&
			     strnlen(opts->culprit, size + 1) <= size);
	}
	free(line);
	free(opts);
	return 0;
}

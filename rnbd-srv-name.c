// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Search path and device path: pure text, tested by KUnit.
 *
 * Purpose: from the administrator's search path, the name of the session and the
 * name that the client sent, make the path that is opened.
 * Operation: every %SESSNAME% of the search path is replaced in place, the device
 * name is appended behind a slash, runs of slashes become one.
 * Failure: -EINVAL for what is too long or could lead out of the search path.  The
 * session name is the client's own choice: %SESSNAME% sorts clients, it does not
 * keep one from the devices of another.
 */
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "rnbd-srv.h"

#define SESSNAME_TOKEN	"%SESSNAME%"

/* a path under construction, never longer than PATH_MAX with its NUL */
struct path_buf {
	char	*buf;
	size_t	len;
	bool	full;
};

static void add_char(struct path_buf *path, char c)
{
	if (c == '/' && path->len && path->buf[path->len - 1] == '/')
		return;
	if (path->len + 1 >= PATH_MAX) {
		path->full = true;
		return;
	}
	path->buf[path->len++] = c;
}

static void add_str(struct path_buf *path, const char *str)
{
	while (*str)
		add_char(path, *str++);
}

static void add_search(struct path_buf *path, const char *search, const char *sessname)
{
	const size_t token_len = strlen(SESSNAME_TOKEN);

	while (*search) {
		if (strncmp(search, SESSNAME_TOKEN, token_len)) {
			add_char(path, *search++);
			continue;
		}
		add_str(path, sessname);
		search += token_len;
	}
}

/* May this text of a peer be part of a path? */
static bool leads_out(const char *name)
{
	return strstr(name, "..");
}

/*
 * One component of a path, and not the directory itself: the directories of all
 * sessions may be side by side in it.  The transport looks, too.
 */
static bool sessname_ok(const char *name)
{
	return *name && strcmp(name, ".") && !strchr(name, '/') && !leads_out(name);
}

/**
 * rnbd_srv_path_build() - path of a device that a client wants to open (5.2)
 * @buf: result, %PATH_MAX bytes
 * @search: search path, shorter than %PATH_MAX
 * @sessname: name of the session
 * @dev_name: name in the OPEN message, terminated, not empty
 *
 * Context: any.
 * Return: 0, or -EINVAL when the path would be too long or a name is not allowed;
 * then @buf is undefined.
 */
int rnbd_srv_path_build(char *buf, const char *search, const char *sessname,
			const char *dev_name)
{
	struct path_buf path = { .buf = buf };

	if (strlen(search) + strlen(dev_name) >= PATH_MAX)
		return -EINVAL;
	if (leads_out(dev_name) || !sessname_ok(sessname))
		return -EINVAL;

	add_search(&path, search, sessname);
	add_char(&path, '/');
	add_str(&path, dev_name);
	buf[path.len] = '\0';
	return path.full ? -EINVAL : 0;
}

/**
 * rnbd_srv_search_path_set() - take over a new search path
 * @search: search path, %PATH_MAX bytes; unchanged on failure
 * @val: text of the administrator; everything from its last newline on is cut
 *
 * Context: any; the caller keeps readers of @search away.
 * Return: 0, or -EINVAL when more than 4095 bytes are left.
 */
int rnbd_srv_search_path_set(char *search, const char *val)
{
	const char *newline = strrchr(val, '\n');
	size_t len = newline ? newline - val : strlen(val);

	if (len >= PATH_MAX)
		return -EINVAL;
	memcpy(search, val, len);
	search[len] = '\0';
	return 0;
}

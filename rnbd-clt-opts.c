// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Options of map_device.
 *
 * Purpose: from a line of text to a checked struct rnbd_clt_map_opts (ABI 1.2).  Pure
 * code: it allocates nothing, takes no lock and prints nothing.
 * Operation: the line is cut at blanks; each option has one setter, found in a table.
 * What depends on several options (mandatory ones, the port of the paths) is done when
 * all have been read, so that their order does not matter.
 * Failure: -EINVAL for everything; the struct tells what was wrong with which option.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "rnbd-clt.h"

static int refuse(struct rnbd_clt_map_opts *opts, const char *error)
{
	opts->error = error;
	return -EINVAL;
}

/*
 * The session name becomes a directory name here and on the server, and is put into
 * the server's search path.
 */
static int set_sessname(struct rnbd_clt_map_opts *opts, const char *val)
{
	if (strscpy(opts->sessname, val, sizeof(opts->sessname)) < 0)
		return refuse(opts, "session name is longer than 254 characters");
	if (strchr(val, '/') || strstr(val, "..") || !strcmp(val, "."))
		return refuse(opts, "session name contains '/' or '..', or is '.'");
	return 0;
}

static int set_path(struct rnbd_clt_map_opts *opts, const char *val)
{
	if (opts->nr_paths == RNBD_CLT_MAX_PATHS)
		return refuse(opts, "too many paths");
	if (rtrs_addr_parse_pair(val, strlen(val), RNBD_DEFAULT_PORT,
				 &opts->paths[opts->nr_paths]))
		return refuse(opts, "bad address");
	opts->nr_paths++;
	return 0;
}

static int set_device_path(struct rnbd_clt_map_opts *opts, const char *val)
{
	if (strscpy(opts->device_path, val, sizeof(opts->device_path)) < 0)
		return refuse(opts, "device path is longer than 254 characters");
	return 0;
}

static int set_access_mode(struct rnbd_clt_map_opts *opts, const char *val)
{
	int mode = rnbd_access_mode_parse(val);

	if (mode < 0)
		return refuse(opts, "access mode is none of ro, rw, migration");
	opts->access_mode = mode;
	return 0;
}

/* The kernel's parser also takes a leading plus and a trailing newline; we do not. */
static int parse_int(const char *val, int *num)
{
	return strpbrk(val, "+\n") ? -EINVAL : kstrtoint(val, 0, num);
}

static int set_dest_port(struct rnbd_clt_map_opts *opts, const char *val)
{
	int port;

	if (parse_int(val, &port) || port < 0 || port > U16_MAX)
		return refuse(opts, "port is not a number in 0..65535");
	opts->dest_port = port;
	return 0;
}

static int set_nr_poll_queues(struct rnbd_clt_map_opts *opts, const char *val)
{
	int nr;

	if (parse_int(val, &nr) || nr < -1 || nr > (int)nr_cpu_ids)
		return refuse(opts, "number of poll queues is not in -1..number of CPUs");
	opts->nr_poll_queues = nr < 0 ? nr_cpu_ids : nr;
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct rnbd_clt_map_opts *opts, const char *val);
} options[] = {
	{ "sessname=",		set_sessname },
	{ "path=",		set_path },
	{ "device_path=",	set_device_path },
	{ "access_mode=",	set_access_mode },
	{ "dest_port=",		set_dest_port },
	{ "nr_poll_queues=",	set_nr_poll_queues },
};

static int set_option(struct rnbd_clt_map_opts *opts, const char *option)
{
	size_t i, len;

	opts->culprit = option;
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		len = strlen(options[i].name);
		if (strncmp(option, options[i].name, len))
			continue;
		if (!option[len])
			return refuse(opts, "option without a value");
		return options[i].set(opts, option + len);
	}
	return refuse(opts, "unknown option");
}

static int check_complete(struct rnbd_clt_map_opts *opts)
{
	unsigned int i;

	opts->culprit = NULL;
	if (!opts->sessname[0])
		return refuse(opts, "sessname is missing");
	if (!opts->device_path[0])
		return refuse(opts, "device_path is missing");

	for (i = 0; i < opts->nr_paths; i++)
		rtrs_addr_set_port(&opts->paths[i].dst, opts->dest_port);
	return 0;
}

/**
 * rnbd_clt_opts_parse() - parse and check a line of map_device (ABI 1.2.1 to 1.2.4)
 * @line: text; blanks in it are overwritten
 * @opts: filled; need not be initialised
 *
 * The line is read from left to right and the first bad option decides; a mandatory
 * option that is missing is noticed last.
 *
 * Context: any.
 * Return: 0, or -EINVAL, then &rnbd_clt_map_opts.error tells why; @culprit points
 * into @line.
 */
int rnbd_clt_opts_parse(char *line, struct rnbd_clt_map_opts *opts)
{
	char *option;
	int err;

	memset(opts, 0, sizeof(*opts));
	opts->access_mode = RNBD_ACCESS_RW;
	opts->dest_port = RNBD_DEFAULT_PORT;

	line = strim(line);
	while ((option = strsep(&line, " "))) {
		if (!*option)
			continue;
		err = set_option(opts, option);
		if (err)
			return err;
	}
	return check_complete(opts);
}

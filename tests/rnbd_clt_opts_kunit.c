// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit tests of the options of map_device (ABI 1.2.1 to 1.2.5).
 *
 * Purpose: every option, every refusal, and the independence of their order.
 * Operation: tables of lines; the parser is pure, so nothing else is needed.
 * Failure: KUnit names the line.
 */
#include <kunit/test.h>
#include <linux/in.h>
#include <linux/module.h>
#include <linux/string.h>

#include "rnbd-clt.h"

#define BASE	"sessname=s device_path=/dev/ram0"
#define PATH	"path=ip:192.0.2.1"

static struct rnbd_clt_map_opts *parse(struct kunit *test, const char *text, int *err)
{
	struct rnbd_clt_map_opts *opts = kunit_kmalloc(test, sizeof(*opts), GFP_KERNEL);
	size_t size = strlen(text) + 1;
	char *line = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, opts);
	KUNIT_ASSERT_NOT_NULL(test, line);
	strscpy(line, text, size);
	*err = rnbd_clt_opts_parse(line, opts);
	return opts;
}

static struct rnbd_clt_map_opts *parse_ok(struct kunit *test, const char *text)
{
	int err;
	struct rnbd_clt_map_opts *opts = parse(test, text, &err);

	KUNIT_ASSERT_EQ_MSG(test, err, 0, "'%s': %s", text, opts->error);
	return opts;
}

static u16 dest_port(const struct rnbd_clt_map_opts *opts, int i)
{
	return ntohs(((const struct sockaddr_in *)&opts->paths[i].dst)->sin_port);
}

static void defaults(struct kunit *test)
{
	struct rnbd_clt_map_opts *opts = parse_ok(test, BASE " " PATH);

	KUNIT_EXPECT_STREQ(test, opts->sessname, "s");
	KUNIT_EXPECT_STREQ(test, opts->device_path, "/dev/ram0");
	KUNIT_EXPECT_EQ(test, opts->access_mode, RNBD_ACCESS_RW);
	KUNIT_EXPECT_EQ(test, opts->dest_port, RNBD_DEFAULT_PORT);
	KUNIT_EXPECT_EQ(test, opts->nr_poll_queues, 0U);
	KUNIT_EXPECT_EQ(test, opts->nr_paths, 1U);
	KUNIT_EXPECT_EQ(test, dest_port(opts, 0), RNBD_DEFAULT_PORT);
}

/* Swaps option a of a line with option b; all orders come from repeated swaps. */
static void swap_options(const char **options, int a, int b)
{
	const char *tmp = options[a];

	options[a] = options[b];
	options[b] = tmp;
}

static void check_order(struct kunit *test, const char **options)
{
	struct rnbd_clt_map_opts *opts;
	char line[128];

	snprintf(line, sizeof(line), "%s %s %s %s", options[0], options[1], options[2],
		 options[3]);
	opts = parse_ok(test, line);
	KUNIT_EXPECT_STREQ(test, opts->sessname, "s");
	KUNIT_EXPECT_STREQ(test, opts->device_path, "d");
	KUNIT_EXPECT_EQ(test, opts->access_mode, RNBD_ACCESS_RO);
	KUNIT_EXPECT_EQ(test, opts->nr_paths, 1U);
}

static void permute(struct kunit *test, const char **options, int from)
{
	int i;

	if (from == 4) {
		check_order(test, options);
		return;
	}
	for (i = from; i < 4; i++) {
		swap_options(options, from, i);
		permute(test, options, from + 1);
		swap_options(options, from, i);
	}
}

static void any_order(struct kunit *test)
{
	const char *options[4] = { "sessname=s", PATH, "device_path=d", "access_mode=ro" };

	permute(test, options, 0);
}

static void port_counts_for_all_paths(struct kunit *test)
{
	struct rnbd_clt_map_opts *opts;

	opts = parse_ok(test, BASE " " PATH " dest_port=0x4d3 path=ip:192.0.2.9,ip:192.0.2.2");
	KUNIT_ASSERT_EQ(test, opts->nr_paths, 2U);
	KUNIT_EXPECT_EQ(test, dest_port(opts, 0), 1235);
	KUNIT_EXPECT_EQ(test, dest_port(opts, 1), 1235);
}

static void last_one_wins(struct kunit *test)
{
	struct rnbd_clt_map_opts *opts;

	opts = parse_ok(test,
			"sessname=first sessname=b device_path=/x device_path=y access_mode=ro access_mode=migration dest_port=1 dest_port=65535");
	KUNIT_EXPECT_STREQ(test, opts->sessname, "b");
	KUNIT_EXPECT_STREQ(test, opts->device_path, "y");
	KUNIT_EXPECT_EQ(test, opts->access_mode, RNBD_ACCESS_MIGRATION);
	KUNIT_EXPECT_EQ(test, opts->dest_port, 65535);
}

static void white_space(struct kunit *test)
{
	struct rnbd_clt_map_opts *opts;

	opts = parse_ok(test, "\t\n  sessname=s    device_path=a\tb\t\n");
	KUNIT_EXPECT_STREQ(test, opts->sessname, "s");
	KUNIT_EXPECT_STREQ(test, opts->device_path, "a\tb");
}

static void odd_values(struct kunit *test)
{
	struct rnbd_clt_map_opts *opts;

	opts = parse_ok(test, "sessname=host.a@srv=1 device_path=a=b,c@d!e");
	KUNIT_EXPECT_STREQ(test, opts->sessname, "host.a@srv=1");
	KUNIT_EXPECT_STREQ(test, opts->device_path, "a=b,c@d!e");
	KUNIT_EXPECT_EQ(test, opts->nr_paths, 0U);
}

static void poll_queues(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, parse_ok(test, BASE " nr_poll_queues=-1")->nr_poll_queues,
			nr_cpu_ids);
	KUNIT_EXPECT_EQ(test, parse_ok(test, BASE " nr_poll_queues=1")->nr_poll_queues, 1U);
}

static void refused(struct kunit *test)
{
	static const char * const lines[] = {
		"", "\n", "\t", "sessname=s", "device_path=d", PATH,
		BASE " foo=1", BASE " foo", BASE " path=", BASE " access_mode=", "sessname=",
		BASE " device_path=", BASE " SESSNAME=x", BASE " sessname", "=",
		BASE " access_mode=RW", BASE " access_mode=x", BASE " access_mode=rw,",
		BASE " dest_port=65536", BASE " dest_port=-1", BASE " dest_port=12x",
		BASE " dest_port=x", BASE " dest_port=+1", BASE " dest_port=1\n " PATH,
		BASE " dest_port=99999999999", BASE " nr_poll_queues=-2",
		BASE " nr_poll_queues=100000", BASE " nr_poll_queues=x",
		BASE " nr_poll_queues=+1", BASE " path=192.0.2.1", BASE " path=foo:1",
		BASE " path=ip:", BASE " path=ip:1.2.3", BASE " path=gid:zz",
		BASE " path=ip:1.2.3.4,", BASE " path=,ip:1.2.3.4",
		"sessname=a/b device_path=d", "sessname=.. device_path=d",
		"sessname=. device_path=d", "sessname=a..b device_path=d",
		BASE " device_path=d sessname=a/b sessname=c",
	};
	struct rnbd_clt_map_opts *opts;
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		opts = parse(test, lines[i], &err);
		KUNIT_EXPECT_EQ_MSG(test, err, -EINVAL, "'%s'", lines[i]);
		KUNIT_EXPECT_NOT_NULL_MSG(test, opts->error, "'%s'", lines[i]);
	}
}

static int parse_with_name(struct kunit *test, const char *option, const char *rest, int len)
{
	char *line = kunit_kzalloc(test, 512, GFP_KERNEL);
	size_t pos;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, line);
	pos = scnprintf(line, 512, "%s %s", rest, option);
	memset(line + pos, 'n', len);
	parse(test, line, &err);
	return err;
}

static void name_lengths(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, parse_with_name(test, "sessname=", "device_path=d", 254), 0);
	KUNIT_EXPECT_EQ(test, parse_with_name(test, "sessname=", "device_path=d", 255), -EINVAL);
	KUNIT_EXPECT_EQ(test, parse_with_name(test, "device_path=", "sessname=s", 254), 0);
	KUNIT_EXPECT_EQ(test, parse_with_name(test, "device_path=", "sessname=s", 255), -EINVAL);
}

static int parse_with_paths(struct kunit *test, int nr)
{
	static const char path[] = " " PATH;
	size_t size = sizeof(BASE) + nr * strlen(path);
	char *line = kunit_kzalloc(test, size, GFP_KERNEL);
	size_t pos;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, line);
	pos = scnprintf(line, size, "%s", BASE);
	while (nr--)
		pos += scnprintf(line + pos, size - pos, "%s", path);
	parse(test, line, &err);
	return err;
}

static void many_paths(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, parse_with_paths(test, 32), 0);
	KUNIT_EXPECT_EQ(test, parse_with_paths(test, RNBD_CLT_MAX_PATHS), 0);
	KUNIT_EXPECT_EQ(test, parse_with_paths(test, RNBD_CLT_MAX_PATHS + 1), -EINVAL);
}

/* The first bad option decides, and one that is missing is noticed last. */
static void first_error_decides(struct kunit *test)
{
	struct rnbd_clt_map_opts *opts;
	int err;

	opts = parse(test, "dest_port=x access_mode=x", &err);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	KUNIT_EXPECT_STREQ(test, opts->culprit, "dest_port=x");
	opts = parse(test, "sessname=s", &err);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	KUNIT_EXPECT_NULL(test, opts->culprit);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(defaults),
	KUNIT_CASE(any_order),
	KUNIT_CASE(port_counts_for_all_paths),
	KUNIT_CASE(last_one_wins),
	KUNIT_CASE(white_space),
	KUNIT_CASE(odd_values),
	KUNIT_CASE(poll_queues),
	KUNIT_CASE(refused),
	KUNIT_CASE(name_lengths),
	KUNIT_CASE(many_paths),
	KUNIT_CASE(first_error_decides),
	{}
};

static struct kunit_suite suite = {
	.name = "rnbd_clt_opts",
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_DESCRIPTION("Unit tests of the options of map_device");
MODULE_LICENSE("GPL");

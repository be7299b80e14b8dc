// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit tests of rnbd-srv-name.c: building the path of a device that a client names,
 * and taking over the search path.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/string.h>

#include "rnbd-srv.h"

struct path_case {
	const char *name;
	const char *search;
	const char *sessname;
	const char *dev_name;
	const char *want;	/* NULL: -EINVAL */
};

static const struct path_case path_cases[] = {
	{ "root",		"/", "s", "dev/sda", "/dev/sda" },
	{ "root, absolute",	"/", "s", "/dev/sda", "/dev/sda" },
	{ "directory",		"/srv/disks", "s", "vol1", "/srv/disks/vol1" },
	{ "trailing slash",	"/srv/disks/", "s", "vol1", "/srv/disks/vol1" },
	{ "slashes collapse",	"//srv///disks//", "s", "//a///b", "/srv/disks/a/b" },
	{ "empty search",	"", "s", "dev/sda", "/dev/sda" },
	{ "relative search",	"dev", "s", "sda", "dev/sda" },
	{ "token at end",	"/run/x/%SESSNAME%", "blya", "sda", "/run/x/blya/sda" },
	{ "text after token",	"/srv/%SESSNAME%/x", "hostA", "vol1", "/srv/hostA/x/vol1" },
	{ "inside a component",	"/srv/a%SESSNAME%b", "host", "v", "/srv/ahostb/v" },
	{ "two tokens",		"/%SESSNAME%/%SESSNAME%", "h", "v", "/h/h/v" },
	{ "adjacent tokens",	"/%SESSNAME%%SESSNAME%", "h", "v", "/hh/v" },
	{ "token alone",	"%SESSNAME%", "h", "v", "h/v" },
	{ "half a token",	"/x/%SESSNAME", "h", "v", "/x/%SESSNAME/v" },
	{ "lower case",		"/x/%sessname%", "h", "v", "/x/%sessname%/v" },
	{ "token twice begun",	"/%SESS%SESSNAME%", "h", "v", "/%SESSh/v" },
	{ "not replaced again",	"/%SESSNAME%", "%SESSNAME%", "v", "/%SESSNAME%/v" },
	{ "token in the device", "/x", "h", "%SESSNAME%", "/x/%SESSNAME%" },
	{ "dot in session",	"/x/%SESSNAME%", "host.example", "v", "/x/host.example/v" },
	{ "dot component",	"/x", "s", "./a/./b", "/x/./a/./b" },
	{ "odd characters",	"/x", "s", "a b!%\n\xff", "/x/a b!%\n\xff" },
	{ "dots in search path", "/x/../y", "s", "v", "/x/../y/v" },
	{ "parent",		"/x", "s", "..", NULL },
	{ "parent in front",	"/x", "s", "../v", NULL },
	{ "parent inside",	"/x", "s", "a/../../v", NULL },
	{ "parent at end",	"/x", "s", "a/..", NULL },
	{ "dots in a name",	"/x", "s", "a..b", NULL },
	{ "three dots",		"/x", "s", "...", NULL },
	{ "session leads out",	"/x/%SESSNAME%", "..", "v", NULL },
	{ "session with slash",	"/x/%SESSNAME%", "a/b", "v", NULL },
	{ "session of a dot",	"/x/%SESSNAME%", ".", "v", NULL },
	{ "session of nothing",	"/x/%SESSNAME%", "", "v", NULL },
};

static void path_desc(const struct path_case *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(path, path_cases, path_desc);

static void path_build(struct kunit *test)
{
	const struct path_case *param = test->param_value;
	char *buf = kunit_kzalloc(test, PATH_MAX, GFP_KERNEL);
	int err;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, buf);
	memset(buf, 0x5a, PATH_MAX);
	err = rnbd_srv_path_build(buf, param->search, param->sessname, param->dev_name);
	KUNIT_ASSERT_EQ(test, err, param->want ? 0 : -EINVAL);
	if (param->want)
		KUNIT_EXPECT_STREQ(test, (const char *)buf, param->want);
}

/* 5.1 step 2: search path and name together stay below 4096, before any slash is merged */
static void path_lengths(struct kunit *test)
{
	char *search = kunit_kzalloc(test, PATH_MAX, GFP_KERNEL);
	char *buf = kunit_kzalloc(test, PATH_MAX, GFP_KERNEL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, search);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, buf);
	memset(search, 'x', PATH_MAX - 1);

	KUNIT_EXPECT_EQ(test, rnbd_srv_path_build(buf, search, "s", "v"), -EINVAL);
	/* 4094 + 1 is allowed, but the slash between them makes 4096 */
	search[PATH_MAX - 2] = '\0';
	KUNIT_EXPECT_EQ(test, rnbd_srv_path_build(buf, search, "s", "v"), -EINVAL);
	search[PATH_MAX - 3] = '\0';
	KUNIT_EXPECT_EQ(test, rnbd_srv_path_build(buf, search, "s", "v"), 0);
	KUNIT_EXPECT_EQ(test, strlen(buf), (size_t)PATH_MAX - 1);
	KUNIT_EXPECT_EQ(test, rnbd_srv_path_build(buf, search, "s", "vv"), -EINVAL);
}

/* many tokens and a long session name must not run past the buffer */
static void path_expands_too_far(struct kunit *test)
{
	char *search = kunit_kzalloc(test, PATH_MAX, GFP_KERNEL);
	char *buf = kunit_kzalloc(test, PATH_MAX + 64, GFP_KERNEL);
	char sessname[255];
	int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, search);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, buf);
	memset(sessname, 'n', sizeof(sessname) - 1);
	sessname[sizeof(sessname) - 1] = '\0';
	for (i = 0; i < 100; i++)
		strcat(search, "%SESSNAME%");
	memset(buf + PATH_MAX, 0x5a, 64);
	KUNIT_EXPECT_EQ(test, rnbd_srv_path_build(buf, search, sessname, "v"), -EINVAL);
	for (i = 0; i < 64; i++)
		KUNIT_EXPECT_EQ(test, buf[PATH_MAX + i], 0x5a);
}

static void search_path_set(struct kunit *test)
{
	char *search = kunit_kzalloc(test, PATH_MAX, GFP_KERNEL);
	char *val = kunit_kzalloc(test, PATH_MAX + 2, GFP_KERNEL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, search);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, val);

	KUNIT_EXPECT_EQ(test, rnbd_srv_search_path_set(search, "/a"), 0);
	KUNIT_EXPECT_STREQ(test, (const char *)search, "/a");
	KUNIT_EXPECT_EQ(test, rnbd_srv_search_path_set(search, "/b\n"), 0);
	KUNIT_EXPECT_STREQ(test, (const char *)search, "/b");
	KUNIT_EXPECT_EQ(test, rnbd_srv_search_path_set(search, "/c\nx\ny"), 0);
	KUNIT_EXPECT_STREQ(test, (const char *)search, "/c\nx");

	memset(val, 'x', PATH_MAX);
	KUNIT_EXPECT_EQ(test, rnbd_srv_search_path_set(search, val), -EINVAL);
	KUNIT_EXPECT_STREQ(test, (const char *)search, "/c\nx");
	val[PATH_MAX - 1] = '\n';
	KUNIT_EXPECT_EQ(test, rnbd_srv_search_path_set(search, val), 0);
	KUNIT_EXPECT_EQ(test, strlen(search), (size_t)PATH_MAX - 1);
}

static struct kunit_case rnbd_srv_name_cases[] = {
	KUNIT_CASE_PARAM(path_build, path_gen_params),
	KUNIT_CASE(path_lengths),
	KUNIT_CASE(path_expands_too_far),
	KUNIT_CASE(search_path_set),
	{}
};

static struct kunit_suite rnbd_srv_name_suite = {
	.name = "rnbd-srv-name",
	.test_cases = rnbd_srv_name_cases,
};

kunit_test_suite(rnbd_srv_name_suite);

MODULE_DESCRIPTION("KUnit tests of the device paths of the RNBD server");
MODULE_LICENSE("GPL");

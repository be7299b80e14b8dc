// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rnbd-peer - a client of RTRS and RNBD in user space that knows only the wire specification.
 *
 *	rnbd-peer addr=A addr2=B dev=PATH slow=PATH stable=PATH late_ms=N big=PATH GROUP...
 *	rnbd-peer server ...	the other side, see server.c
 *
 * A and B are addresses of the server on this machine, on two RDMA devices; the paths are disks
 * it exports: dev ordinary, slow with answers that are N ms late, stable like slow but in want of
 * stable writes, big with blocks of 4 KiB.
 * Prints "ok NAME" or "not ok NAME # reason" for each case, and "done" at the end; other lines
 * are comments.
 * After each case a second client, connected all the time, must find its data as it should.
 */
#include <stdio.h>
#include <stdlib.h>

#include "server.h"

struct env env;

struct group {
	const char *name;
	const struct test *tests;
};

static const struct group groups[] = {
	{ "interop", interop_tests },
	{ "answers", answer_tests },
	{ "refuse", refuse_tests },
	{ "limits", limit_tests },
	{ "half-open", half_open_tests },
	{ "info", info_tests },
	{ "hostile", hostile_tests },
	{ "rnbd", rnbd_tests },
	{ "fence", fence_tests },
	{ "slow", slow_tests },
	{ "stable", stable_tests },
	{ "stuck", stuck_tests },
	{ NULL, NULL }
};

static void parameter(const char *name, char *text, size_t len)
{
	char file[128];
	FILE *f;

	snprintf(file, sizeof(file), "/sys/module/rtrs_server/parameters/%s", name);
	f = fopen(file, "r");
	if (!f || !fgets(text, len, f))
		die(file);
	text[strcspn(text, "\n")] = 0;
	fclose(f);
}

static void read_parameters(void)
{
	char text[64];

	parameter("sess_queue_depth", text, sizeof(text));
	env.depth = atoi(text);
	parameter("max_chunk_size", text, sizeof(text));
	env.chunk_size = atoi(text);
	parameter("always_invalidate", text, sizeof(text));
	env.ai = text[0] == 'Y';
	parameter("invalidate", text, sizeof(text));
	env.always_inval = env.ai && !strcmp(text, "always");
	parameter("extensions", text, sizeof(text));
	env.ext = text[0] == 'Y';	/* without effect when keys never change */
}

/* A path of a new session, not connected yet. */
struct path *fresh_path(void)
{
	char name[32];

	snprintf(name, sizeof(name), "peer-%u", ++env.serial);
	return path_new(env.addr, name);
}

const char *ready_path(struct path **path)
{
	*path = fresh_path();
	return path_open(*path);
}

const char *ready_dev(struct path **path, struct dev *dev)
{
	TRY(ready_path(path));
	TRY(rnbd_sess_info(*path, 2, NULL));
	return rnbd_open_again(*path, env.dev, dev);
}

static void free_all_but_good(void)
{
	struct path *path, *next;

	for (path = paths; path; path = next) {
		next = path->next;
		if (path != env.good)
			path_free(path);
	}
}

/* Not the disk that the cases write: a read-write mapping is exclusive. */
static const char *good_start(void)
{
	env.good = path_new(env.addr, "peer-good");
	TRY(path_open(env.good));
	TRY(rnbd_sess_info(env.good, 2, NULL));
	TRY(rnbd_open(env.good, env.big, RNBD_RW, &env.good_dev));
	EXPECT(!env.good_dev.err, "OPEN: errno %d", env.good_dev.err);
	return NULL;
}

static void run_group(const struct group *group)
{
	const struct test *test;
	const char *why;

	for (test = group->tests; test->name; test++) {
		char text[400];
		uint64_t start = now_ms();

		env.arg = test->arg;
		why = test->run();
		snprintf(text, sizeof(text), "%s", why ? why : "");
		free_all_but_good();
		if (why && !strncmp(text, SKIP, strlen(SKIP)))
			printf("skip %s-%s # %s\n", group->name, test->name, text + strlen(SKIP));
		else if (why)
			printf("not ok %s-%s # %s\n", group->name, test->name, text);
		else
			printf("ok %s-%s\n", group->name, test->name);
		if (now_ms() - start > 2000)
			printf("# %s: %llu ms\n", test->name,
			       (unsigned long long)(now_ms() - start));
		why = rnbd_verify(env.good, env.good_dev.id, 8 * (env.serial % 64), env.serial | 1);
		if (!why)
			continue;
		printf("not ok %s-%s-others # the second client: %s\n", group->name, test->name, why);
		exit(1);
	}
}

static void argument(const char *arg)
{
	const struct group *group;
	const struct {
		const char *key, **value;
	} keys[] = {
		{ "addr=", &env.addr }, { "addr2=", &env.addr2 }, { "dev=", &env.dev },
		{ "slow=", &env.slow }, { "stable=", &env.stable }, { "big=", &env.big },
	};
	unsigned int i;

	if (sscanf(arg, "late_ms=%u", &env.late_ms) == 1)
		return;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!strncmp(arg, keys[i].key, strlen(keys[i].key))) {
			*keys[i].value = arg + strlen(keys[i].key);
			return;
		}
	}
	for (group = groups; group->name; group++)
		if (!strcmp(arg, group->name))
			return;
	printf("# unknown argument %s\n", arg);
	exit(2);
}

int main(int argc, char **argv)
{
	const struct group *group;
	const char *why;
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "server"))
		return server_main(argc - 2, argv + 2);
	for (i = 1; i < argc; i++)
		argument(argv[i]);
	if (!env.addr || !env.addr2 || !env.dev || !env.slow || !env.stable || !env.big ||
	    !env.late_ms) {
		printf("# an argument is missing\n");
		return 2;
	}
	read_parameters();
	why = good_start();
	if (why) {
		printf("not ok start # %s\n", why);
		return 1;
	}
	for (i = 1; i < argc; i++)
		for (group = groups; group->name; group++)
			if (!strcmp(argv[i], group->name))
				run_group(group);
	why = path_disconnect(env.good);
	printf(why ? "not ok end # %s\n" : "ok end\n", why);
	path_free(env.good);
	printf("done\n");
	return 0;
}

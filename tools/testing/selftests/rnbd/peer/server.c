// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rnbd-peer server - a server of RTRS and RNBD in user space, hostile when told.
 *
 * Reads orders, a line each, and answers each with one line (list: with several and "."):
 *
 *	mode ai|short|plain	how answers look for the paths that connect from now on: with
 *				keys, with keys and short answers, without keys and extensions
 *	list GROUP [own]	names and expectations of the faults of a group in
 *				server-faults.c that make sense in the present mode; own: and
 *				not in the mode "ai"
 *	arm NAME		misbehave; "honest" ends it
 *	fired MS		wait until it was done, at most so long: "fired N left M", M
 *				paths to which it was done have ended
 *	left MS			wait until such a path has ended as well
 *	fuzz SEED PERCENT	so many messages of a hundred are damaged at random; "honest"
 *				ends it
 *	fuzzed			how many were since the start
 *	paths			how many there are
 *	closes			how many CLOSE messages were answered since the start
 *	shift			give each disk an id that another one has had
 *	quit
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server.h"

unsigned int server_mode = MODE_AI;

static void run_until(uint64_t end, const unsigned int *counter)
{
	while (!*counter && now_ms() < end) {
		pump();
		server_reap();
	}
}

static void set_mode(const char *word)
{
	static const struct {
		const char *word;
		unsigned int mode;
	} modes[] = { { "ai", MODE_AI }, { "short", MODE_SHORT }, { "plain", MODE_PLAIN } };
	unsigned int i;

	for (i = 0; i < 3; i++)
		if (!strcmp(word, modes[i].word))
			server_mode = modes[i].mode;
}

static unsigned int count_paths(void)
{
	unsigned int nr = 0;
	struct path *path;

	for (path = paths; path; path = path->next)
		nr++;
	return nr;
}

static void obey(const char *word, const char *arg, const char *arg2)
{
	if (!strcmp(word, "quit"))
		exit(0);
	if (!strcmp(word, "list")) {
		fault_list(arg, !strcmp(arg2, "own"));
		printf(".\n");
		return;
	}
	if (!strcmp(word, "mode"))
		set_mode(arg);
	if (!strcmp(word, "honest")) {
		fault_armed = NULL;
		fuzz_percent = 0;
		server_forget_unanswered();
	}
	if (!strcmp(word, "fuzz")) {
		fuzz_seed(strtoull(arg, NULL, 0));
		fuzz_percent = atoi(arg2);
	}
	if (!strcmp(word, "shift"))
		server_shift_ids();
	if (!strcmp(word, "fired"))
		run_until(now_ms() + atoi(arg), &fault_fired);
	if (!strcmp(word, "left"))
		run_until(now_ms() + atoi(arg), &fault_left);
	if (!strcmp(word, "arm") && !fault_arm(arg))
		printf("unknown\n");
	else if (!strcmp(word, "fuzzed"))
		printf("%u\n", fuzz_count);
	else if (!strcmp(word, "closes"))
		printf("%u\n", closes_answered);
	else if (!strcmp(word, "paths"))
		printf("%u\n", count_paths());
	else if (!strcmp(word, "fired") || !strcmp(word, "left"))
		printf("fired %u left %u\n", fault_fired, fault_left);
	else
		printf("ok\n");
}

/* One byte after the other: orders are few. Ends the program with its input. */
static void take_orders(void)
{
	static char line[256];
	static unsigned int len;
	char word[32], arg[64], arg2[32];
	ssize_t got;
	char c;

	while ((got = read(0, &c, 1)) == 1) {
		if (c != '\n') {
			if (len < sizeof(line) - 1)
				line[len++] = c;
			continue;
		}
		line[len] = 0;
		len = 0;
		*word = 0;
		*arg = 0;
		*arg2 = 0;
		if (sscanf(line, "%31s %63s %31s", word, arg, arg2) > 0)
			obey(word, arg, arg2);
	}
	if (!got)
		exit(0);
}

int server_main(int argc, char **argv)
{
	const char *why;

	if (argc || !argv) {
		printf("# no arguments are known\n");
		return 2;
	}
	con_asked = server_asked;
	why = con_listen();
	if (why) {
		printf("# %s\n", why);
		return 1;
	}
	pump_idle_us = 1000;	/* this machine is the client as well */
	printf("ready\n");
	fcntl(0, F_SETFL, O_NONBLOCK);
	for (;;) {
		pump();
		server_reap();
		take_orders();
	}
}

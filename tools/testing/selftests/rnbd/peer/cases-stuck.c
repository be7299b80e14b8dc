// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk that does not answer: the slow one, which the scenario has suspended.
 */
#include <stdio.h>

#include "peer.h"

#define CROWD	300	/* more than a workqueue of the kernel runs at a time (256) */

static const char *open_both(struct path *path, struct dev *stuck, struct dev *other)
{
	TRY(path_open(path));
	TRY(rnbd_sess_info(path, 2, NULL));
	TRY(rnbd_open(path, env.slow, RNBD_RO, stuck));
	TRY(rnbd_open(path, env.dev, RNBD_RO, other));
	EXPECT(!stuck->err && !other->err, "OPEN: errno %d, %d", stuck->err, other->err);
	return NULL;
}

/* The answer of the other disk, over the same connection, shows that the read was handed up. */
static const char *leave_read(void)
{
	struct io io = { .bytes = 4096, .data_len = 4096, .rw = OP_READ };
	struct path *path = fresh_path();
	struct dev stuck, other;
	struct req *read;

	TRY(open_both(path, &stuck, &other));
	io.id = stuck.id;
	read = rnbd_io(path, &io);
	req_post(read);
	io.id = other.id;
	TRY(rnbd_io_expect(path, &io, 0));
	EXPECT(!read->done, "case is wrong: the disk answers, errno %d", read->err);
	path_free(path);
	return NULL;
}

static const char *crowd(void)
{
	unsigned int i;

	for (i = 0; i < CROWD; i++)
		TRY(leave_read());
	printf("# %u paths have a read in the disk\n", i);
	return NULL;
}

/* The server must answer the disconnect, which is the first that its close work does. */
static const char *others_close(void)
{
	struct path *path;

	TRY(ready_path(&path));
	return path_disconnect(path);
}

const struct test stuck_tests[] = {
	{ "crowd", crowd },
	{ "others-close", others_close },
	{ NULL }
};

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A path that another one puts out of service (specification of the extensions, section 3, and
 * Documentation/rtrs.rst, "Path fence"), and one that its own next attempt replaces.
 */
#include <stdio.h>

#include "peer.h"

#define ALL_EXT		(RTRS_EXT_FENCE | RTRS_EXT_DRAIN)

/* A path of a session of its own, or of that of @first, with these extensions. */
static const char *open_path(struct path **result, struct path *first, uint32_t ext)
{
	struct path *path = first ? path_new(env.addr2, first->name) : fresh_path();

	*result = path;
	if (first)
		memcpy(path->id.paths_uuid, first->id.paths_uuid, UUID_LEN);
	path->id.ext_magic = ext ? RTRS_EXT_MAGIC : 0;
	path->id.ext_offer = ext;
	TRY(path_open(path));
	EXPECT(path->accept.ext_use == ext, "ext_use %x of %x", path->accept.ext_use, ext);
	path->next_id = first ? path->depth / 2 : 0;
	return NULL;
}

static const char *open_pair(struct path **one, struct path **two)
{
	TRY(open_path(one, NULL, ALL_EXT));
	TRY(open_path(two, *one, ALL_EXT));
	return rnbd_sess_info(*two, 2, NULL);
}

static void put_fence(struct path *path, uint16_t type, const uint8_t uuid[UUID_LEN])
{
	memset(path->fence, 0, FENCE_LEN);
	put16(path->fence, type);
	put32(path->fence + 4, ++path->fence_seq);
	memcpy(path->fence + 8, uuid, UUID_LEN);
	path->fence_acked = false;
}

static void send_fence(struct path *path, uint16_t type, const uint8_t uuid[UUID_LEN])
{
	put_fence(path, type, uuid);
	con_send_bytes(&path->con[0], IBV_WR_SEND, path->fence, FENCE_LEN);
}

static const char *await_ack(struct path *path, int err)
{
	uint64_t end = now_ms() + WAIT_MS;
	const uint8_t *ack = path->fence_ack;

	while (!path->fence_acked && !path_is_lost(path) && now_ms() < end)
		pump();
	EXPECT(path->fence_acked, "no answer: %s", path_is_lost(path) ? "path lost" : "silence");
	EXPECT(get16(ack) == MSG_FENCE_ACK, "type %x", get16(ack));
	EXPECT(get16(ack + 2) == err, "errno %u instead of %d", get16(ack + 2), err);
	EXPECT(get32(ack + 4) == path->fence_seq, "number %u instead of %u", get32(ack + 4),
	       path->fence_seq);
	EXPECT(!memcmp(ack + 8, path->fence + 8, UUID_LEN), "another path");
	return NULL;
}

/* What is not there cannot start anything. */
static const char *unknown_path(void)
{
	struct path *one, *two;
	uint8_t uuid[UUID_LEN];
	unsigned int i;

	TRY(open_pair(&one, &two));
	for (i = 0; i < 20; i++) {
		new_uuid(uuid);
		send_fence(two, i % 2 ? MSG_FENCE : MSG_FENCE_DRAIN, uuid);
		TRY(await_ack(two, 0));
	}
	TRY(rnbd_sess_info(one, 2, NULL));
	return rnbd_sess_info(two, 2, NULL);
}

static const char *itself(void)
{
	struct path *path;

	TRY(open_path(&path, NULL, ALL_EXT));
	send_fence(path, MSG_FENCE, path->id.sess_uuid);
	TRY(await_ack(path, 22));
	return rnbd_sess_info(path, 2, NULL);
}

/* A path of another client is none of its business, even if it knew the identity. */
static const char *of_another_session(void)
{
	struct path *path;

	TRY(open_path(&path, NULL, ALL_EXT));
	send_fence(path, MSG_FENCE, env.good->id.sess_uuid);
	TRY(await_ack(path, 0));
	EXPECT(!path_is_lost(env.good), "the other client has lost its path");
	return rnbd_sess_info(path, 2, NULL);
}

static const char *the_other_one(void)
{
	struct path *one, *two;

	TRY(open_pair(&one, &two));
	send_fence(two, MSG_FENCE, one->id.sess_uuid);
	TRY(await_ack(two, 0));
	TRY(path_wait_lost(one, WAIT_MS));
	EXPECT(!path_is_lost(two), "the path that carried the fence is lost");
	return rnbd_sess_info(two, 2, NULL);
}

/* A plain fence does not wait for the slow disk, the other one does. */
static const char *with_request_running(uint16_t type, bool waits)
{
	struct io io = { .rw = OP_WRITE, .bytes = 4096, .data_len = 4096 };
	struct path *one, *two;
	uint64_t start, took;
	struct dev dev;

	TRY(open_pair(&one, &two));
	TRY(rnbd_open_slow(one, &dev));
	io.id = dev.id;
	start = now_ms();
	req_post(rnbd_io(one, &io));
	TRY(rnbd_sess_info(one, 2, NULL));	/* so that the write has begun, too */
	send_fence(two, type, one->id.sess_uuid);
	TRY(await_ack(two, 0));
	took = now_ms() - start;
	printf("# acknowledged %llu ms after the write was sent\n", (unsigned long long)took);
	took += 100;	/* the disk's clock is a coarse one */
	EXPECT(waits == (took >= env.late_ms), "the disk takes %u ms", env.late_ms);
	return rnbd_sess_info(two, 2, NULL);
}

static const char *does_not_wait(void)
{
	return with_request_running(MSG_FENCE, false);
}

static const char *drain_waits(void)
{
	return with_request_running(MSG_FENCE_DRAIN, true);
}

/* A request in a slot of this number. */
static struct req *io_in(struct path *path, uint32_t slot, const struct io *io)
{
	path->next_id = slot;
	return rnbd_io(path, io);
}

/*
 * A client without fences sends a request again, and the first copy is the one that comes late: it
 * meets the second in the slot. The client waits for the answer to the second.
 */
static const char *late_first_copy(void)
{
	struct io io = { .rw = OP_WRITE, .bytes = 4096, .data_len = 4096 };
	struct path *one, *two;
	struct req *first, *again;
	struct dev dev;

	TRY(open_path(&one, NULL, 0));
	TRY(open_path(&two, one, 0));
	TRY(rnbd_open_slow(two, &dev));
	io.id = dev.id;
	again = io_in(two, two->depth - 1, &io);
	first = io_in(one, one->depth - 1, &io);
	req_post(again);
	two->next_id = 0;
	TRY(rnbd_sess_info(two, 2, NULL));	/* so that the write has begun, too */
	req_post(first);
	TRY(rnbd_io_wait(again, &io));
	TRY(rnbd_io_wait(first, &io));
	return NULL;
}

/* Messages that cost the path. */
struct bad_fence {
	uint32_t ext;
	unsigned int len;
	uint16_t type, err;
	bool twice;
};

static const char *bad_message(void)
{
	const struct bad_fence *bad = env.arg;
	struct io io = { .rw = OP_WRITE, .bytes = 4096, .data_len = 4096 };
	struct path *one, *two;
	struct dev dev;

	TRY(open_path(&one, NULL, bad->ext));
	TRY(open_path(&two, one, bad->ext));
	if (bad->twice) {	/* the first one waits for this request */
		TRY(rnbd_open_slow(one, &dev));
		io.id = dev.id;
		req_post(rnbd_io(one, &io));
		TRY(rnbd_sess_info(one, 2, NULL));
	}
	put_fence(two, bad->type, one->id.sess_uuid);
	put16(two->fence + 2, bad->err);
	con_send_bytes(&two->con[0], IBV_WR_SEND, two->fence, bad->len);
	if (bad->twice)
		con_send_bytes(&two->con[0], IBV_WR_SEND, two->fence, bad->len);
	TRY(path_wait_lost(two, WAIT_MS));
	return bad->twice ? NULL : rnbd_sess_info(one, 2, NULL);
}

static const struct bad_fence short_message = { ALL_EXT, FENCE_LEN - 1, MSG_FENCE };
static const struct bad_fence empty_message = { ALL_EXT, 0, MSG_FENCE };
static const struct bad_fence long_message = { ALL_EXT, FENCE_LEN + 1, MSG_FENCE };
static const struct bad_fence an_answer = { ALL_EXT, FENCE_LEN, MSG_FENCE_ACK };
static const struct bad_fence type_0 = { ALL_EXT, FENCE_LEN, 0 };
static const struct bad_fence with_errno = { ALL_EXT, FENCE_LEN, MSG_FENCE, 5 };
static const struct bad_fence not_agreed = { 0, FENCE_LEN, MSG_FENCE };
static const struct bad_fence drain_not_agreed = { RTRS_EXT_FENCE, FENCE_LEN, MSG_FENCE_DRAIN };
static const struct bad_fence two_at_once = { ALL_EXT, FENCE_LEN, MSG_FENCE_DRAIN, 0, true };

/* The client begins a path anew that the server still has: it makes room for the next try. */
static const char *replaced(void)
{
	uint64_t end = now_ms() + WAIT_MS;
	struct path *old, *new;
	const char *why;

	TRY(ready_path(&old));
	new = path_new(env.addr, old->name);
	memcpy(new->id.paths_uuid, old->id.paths_uuid, UUID_LEN);
	memcpy(new->id.sess_uuid, old->id.sess_uuid, UUID_LEN);
	new->id.recon_cnt = old->id.recon_cnt + 1;
	why = path_cons(new);
	EXPECT(why && !strcmp(why, "cid 0 rejected: errno -104"), "%s", why ?: "accepted");
	TRY(path_wait_lost(old, WAIT_MS));
	do {
		con_close(&new->con[0]);
		why = path_cons(new);
	} while (why && now_ms() < end);
	TRY(why);
	TRY(path_info(new));
	return rnbd_sess_info(new, 2, NULL);
}

/* An old or repeated connect request changes nothing. */
static const char *not_replaced(void)
{
	static const uint16_t counts[] = { 7, 6, 1, 7 - 0x7fff };
	struct path *old, *new;
	const char *why;
	unsigned int i;

	old = fresh_path();
	old->id.recon_cnt = 7;
	TRY(path_open(old));
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		new = path_new(env.addr, old->name);
		memcpy(new->id.paths_uuid, old->id.paths_uuid, UUID_LEN);
		memcpy(new->id.sess_uuid, old->id.sess_uuid, UUID_LEN);
		new->id.recon_cnt = counts[i];
		why = path_cons(new);
		EXPECT(why && !strcmp(why, "cid 0 rejected: errno -104"), "%u: %s", counts[i],
		       why ?: "accepted");
		TRY(rnbd_sess_info(old, 2, NULL));
	}
	return path_disconnect(old);
}

/*
 * A path that joins a session whose only other path ends before it is up: the client would go on with
 * devices that the server has closed.
 */
static const char *joins_what_has_ended(void)
{
	struct path *one, *two;

	TRY(open_path(&one, NULL, 0));
	two = path_new(env.addr2, one->name);
	memcpy(two->id.paths_uuid, one->id.paths_uuid, UUID_LEN);
	two->id.flags = 0;
	TRY(path_cons(two));
	TRY(path_disconnect(one));
	EXPECT(path_info(two), "is connected");
	return path_wait_lost(two, WAIT_MS);
}

const struct test fence_tests[] = {
	{ "unknown-path", unknown_path },
	{ "itself", itself },
	{ "of-another-session", of_another_session },
	{ "the-other-one", the_other_one },
	{ "does-not-wait-for-requests", does_not_wait },
	{ "drain-waits-for-requests", drain_waits },
	{ "late-first-copy", late_first_copy },
	{ "too-short", bad_message, &short_message },
	{ "empty", bad_message, &empty_message },
	{ "too-long", bad_message, &long_message },
	{ "an-answer", bad_message, &an_answer },
	{ "type-0", bad_message, &type_0 },
	{ "with-errno", bad_message, &with_errno },
	{ "not-agreed-on", bad_message, &not_agreed },
	{ "drain-not-agreed-on", bad_message, &drain_not_agreed },
	{ "two-at-once", bad_message, &two_at_once },
	{ "path-joins-what-has-ended", joins_what_has_ended },
	{ "path-replaced-by-newer-attempt", replaced },
	{ "path-not-replaced-by-older-attempt", not_replaced },
	{ NULL, NULL }
};

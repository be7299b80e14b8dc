// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the server must refuse: connect requests (2.5), with the errno in the reject, and
 * INFO_REQ (4.4), by disconnecting without an answer. Not covered: fewer than 56 bytes (the CM
 * pads), 128 paths (needs as many addresses), lack of memory.
 */
#include <errno.h>
#include <stdio.h>

#include "peer.h"

/* The connection must be rejected with these 56 bytes. */
static const char *is_reject(const struct con *con, int err)
{
	uint8_t want[PRIV_LEN] = { 0 };

	EXPECT(con->state == CON_REJECTED, "accepted, not rejected with %d", err);
	put16(want, RTRS_MAGIC);
	put16(want + 2, RTRS_VERSION);
	put16(want + 4, err);
	EXPECT(con->priv_len >= PRIV_LEN, "reject of %u bytes", con->priv_len);
	EXPECT((int16_t)get16(con->priv + 4) == err, "errno %d instead of %d",
	       (int16_t)get16(con->priv + 4), err);
	EXPECT(!memcmp(con->priv, want, PRIV_LEN), "reject has other bytes that are wrong");
	return NULL;
}

static const char *rejected(struct path *path, unsigned int cid, int err)
{
	TRY(path_con(path, cid));
	return is_reject(&path->con[cid], err);
}

/* One request that is wrong in itself. */
struct refusal {
	unsigned int cid;
	struct conn_req id;
	int err;
};

static const char *refused(void)
{
	const struct refusal *row = env.arg;
	struct path *path = fresh_path();

	path->con_num = MAX_CONS;
	path->id.magic = row->id.magic;
	path->id.version = row->id.version;
	path->id.cid_num = row->id.cid_num;
	path->id.flags = row->id.flags;
	return rejected(path, row->cid, row->err);
}

#define ROW(c, m, v, num, f, e) (&(const struct refusal){ .cid = (c), .err = (e), \
	.id = { .magic = (m), .version = (v), .cid_num = (num), .flags = (f) } })
#define GOOD(c, num, f, e) ROW(c, RTRS_MAGIC, RTRS_VERSION, num, f, e)

/* The CM pads, so that everything behind the magic is zero. */
static const char *short_data(void)
{
	struct path *path = fresh_path();
	uint8_t priv[PRIV_LEN];

	put_conn_req(priv, &path->id);
	TRY(con_connect(&path->con[0], path->addr, priv, 8));
	return is_reject(&path->con[0], -ECONNRESET);
}

static struct path *twin(const struct path *path)
{
	struct path *other = fresh_path();

	other->id = path->id;
	return other;
}

static const char *path_is_connected(void)
{
	struct path *path;

	TRY(ready_path(&path));
	TRY(rejected(twin(path), 0, -ECONNRESET));
	TRY(rejected(twin(path), 1, -ECONNRESET));
	return rnbd_sess_info(path, 2, NULL);
}

/* Connection 0 is there; three requests that do not fit it, then those that do. */
static const char *path_is_connecting(void)
{
	struct path *path = fresh_path(), *other;

	TRY(path_con(path, 0));
	EXPECT(path->con[0].state == CON_UP, "rejected");
	other = twin(path);
	other->id.cid_num++;
	TRY(rejected(other, 1, -ECONNRESET));
	TRY(rejected(twin(path), 0, -ECONNRESET));
	TRY(path_open(path));
	return rnbd_sess_info(path, 2, NULL);
}

static const char *same_addresses(void)
{
	struct path *path, *other;

	TRY(ready_path(&path));
	other = twin(path);
	new_uuid(other->id.sess_uuid);
	TRY(rejected(other, 0, -EEXIST));
	return rnbd_sess_info(path, 2, NULL);
}

/* Check 9: the whole path goes. */
static const char *other_device(void)
{
	struct path *path = fresh_path();

	TRY(path_con(path, 0));
	EXPECT(path->con[0].state == CON_UP, "rejected");
	path->addr = env.addr2;
	TRY(rejected(path, 1, -EINVAL));
	path->con_num = 1;
	return path_wait_lost(path, WAIT_MS);
}

const struct test refuse_tests[] = {
	{ "magic", refused, ROW(0, 0x1bbe, RTRS_VERSION, 3, 1, -104) },
	{ "version-3", refused, ROW(0, RTRS_MAGIC, 0x0300, 3, 1, -104) },
	{ "version-1", refused, ROW(0, RTRS_MAGIC, 0x01ff, 3, 1, -104) },
	{ "cid_num-4097", refused, GOOD(0, 4097, 1, -104) },
	{ "cid_num-65535", refused, GOOD(0, 65535, 1, -104) },
	{ "cid_num-0", refused, GOOD(0, 0, 1, -104) },
	{ "cid-is-cid_num", refused, GOOD(3, 3, 1, -104) },
	{ "cid-above-cid_num", refused, GOOD(7, 3, 1, -104) },
	{ "unknown-session", refused, GOOD(0, 3, 0, -6) },
	{ "unknown-session-reserved-flags", refused, GOOD(0, 3, 0xfe, -6) },
	{ "cid-1-first", refused, GOOD(1, 3, 1, -104) },
	{ "short-data", short_data },
	{ "path-is-connected", path_is_connected },
	{ "path-is-connecting", path_is_connecting },
	{ "same-addresses", same_addresses },
	{ "other-device", other_device },
	{ NULL }
};

/* --- limits: with max_sessions=3, one of them the second client, and max_half_open=1 --- */

/* Connection 0, as soon as the server has done with what other cases left. */
static const char *first_con(struct path *path)
{
	uint64_t end = now_ms() + WAIT_MS;
	struct con *con = &path->con[0];

	for (;;) {
		TRY(path_con(path, 0));
		if (con->state == CON_UP)
			return NULL;
		EXPECT(now_ms() < end, "rejected with %d for long", (int16_t)get16(con->priv + 4));
		con_close(con);
	}
}

/* Two from one address, which is more than half, and one from another. */
static const char *sessions(void)
{
	struct path *path = fresh_path(), *other;

	TRY(first_con(path));
	TRY(path_open(path));
	TRY(rejected(fresh_path(), 0, -ENOMEM));
	other = fresh_path();
	other->addr = env.addr2;
	TRY(path_open(other));
	other = fresh_path();
	other->addr = env.addr2;
	TRY(rejected(other, 0, -ENOMEM));
	return rnbd_sess_info(path, 2, NULL);
}

/* Two paths of one session, so that the limit of sessions does not count. */
static const char *half_open_paths(void)
{
	struct path *path = fresh_path(), *other;

	TRY(first_con(path));
	other = path_new(env.addr2, path->name);
	memcpy(other->id.paths_uuid, path->id.paths_uuid, UUID_LEN);
	TRY(rejected(other, 0, -EBUSY));
	con_close(&other->con[0]);
	TRY(path_open(path));
	TRY(path_open(other));
	return rnbd_sess_info(other, 2, NULL);
}

/* Connections take memory, too; the most that the protocol allows take more than there is. */
static const char *connections(void)
{
	struct path *path = fresh_path();

	path->id.cid_num = 4096;
	TRY(rejected(path, 0, -ENOMEM));
	con_close(&path->con[0]);
	path->id.cid_num = path->con_num;
	TRY(first_con(path));
	TRY(path_open(path));
	return rnbd_sess_info(path, 2, NULL);
}

const struct test limit_tests[] = {
	{ "connections", connections },
	{ "sessions", sessions },
	{ "half-open-paths", half_open_paths },
	{ NULL }
};

/* --- half-open paths: with max_half_open=2, half of it for one address --- */

static const char *one_address(void)
{
	struct path *path = fresh_path(), *other;

	TRY(first_con(path));
	TRY(rejected(fresh_path(), 0, -EBUSY));
	other = fresh_path();
	other->addr = env.addr2;
	TRY(path_open(other));
	TRY(path_open(path));
	TRY(rnbd_sess_info(other, 2, NULL));
	return rnbd_sess_info(path, 2, NULL);
}

/*
 * A client that does not go on keeps its place for 30 s (17.2).  The time counts anew from
 * each of its connections.
 */
static const char *timeout(void)
{
	struct path *half = fresh_path(), *other;
	uint64_t start;

	TRY(first_con(half));
	for (start = now_ms(); now_ms() < start + 5000;)
		pump();
	start = now_ms();
	TRY(path_con(half, 1));
	EXPECT(half->con[1].state == CON_UP, "second connection rejected");
	while (now_ms() < start + 20000)
		pump();
	TRY(rejected(fresh_path(), 0, -EBUSY));
	TRY(path_wait_lost(half, 60000));
	EXPECT(now_ms() > start + 27000, "gone after less than 27 s");
	other = fresh_path();
	TRY(first_con(other));
	TRY(path_open(other));
	return rnbd_sess_info(other, 2, NULL);
}

/* A session that goes as soon as the slow disk has answered. */
static const char *leave_session(struct path **path)
{
	struct io io = { .bytes = 4096, .data_len = 4096, .rw = OP_READ };
	struct dev dev, other;

	TRY(ready_dev(path, &other));
	TRY(rnbd_open_slow(*path, &dev));
	io.id = dev.id;
	req_post(rnbd_io(*path, &io));
	TRY(rnbd_verify(*path, other.id, 0, 31));
	return path_disconnect(*path);
}

/* A client that has done its part does not count, although its path is not connected yet. */
static const char *waits_for_name(void)
{
	struct path *left, *path, *other;

	TRY(leave_session(&left));
	path = path_new(env.addr, left->name);
	TRY(first_con(path));
	TRY(path_cons(path));
	put_info_req(path->slots, path->name);
	path_info_post(path, INFO_REQ_LEN);
	other = fresh_path();
	TRY(first_con(other));
	EXPECT(!path->info_len, "only when the other one was connected");
	TRY(path_info_wait(path));
	TRY(path_open(other));
	return rnbd_sess_info(other, 2, NULL);
}

const struct test half_open_tests[] = {
	{ "one-address", one_address },
	{ "waits-for-name", waits_for_name },
	{ "timeout", timeout },
	{ NULL }
};

/* --- INFO_REQ --- */

struct info {
	const char *name;
	unsigned int len, type;
	bool no_nul;
};

/* All connections must be disconnected, and nothing may have come on con 0. */
static const char *info_refused(struct path *path)
{
	TRY(path_wait_lost(path, WAIT_MS));
	EXPECT(!path->info_len, "answered with %u bytes", path->info_len);
	return NULL;
}

static const char *bad_info(void)
{
	const struct info *info = env.arg;
	struct path *path = fresh_path();

	TRY(path_cons(path));
	put_info_req(path->slots, info->name);
	put16(path->slots, info->type);
	if (info->no_nul)
		memset(path->slots + 2, 'a', 255);
	path_info_send(path, info->len);
	return info_refused(path);
}

static const char *missing_cid(void)
{
	struct path *path = fresh_path();

	path->con_num = 2;
	TRY(path_cons(path));
	put_info_req(path->slots, path->name);
	path_info_send(path, INFO_REQ_LEN);
	return info_refused(path);
}

/* Once refused, the name of another client is still usable by that client. */
static const char *duplicate_name(void)
{
	struct path *first, *second = fresh_path();

	TRY(ready_path(&first));
	snprintf(second->name, sizeof(second->name), "%s", first->name);
	TRY(path_cons(second));
	put_info_req(second->slots, second->name);
	path_info_send(second, INFO_REQ_LEN);
	TRY(info_refused(second));
	return rnbd_sess_info(first, 2, NULL);
}

static const char *longest_name(void)
{
	struct path *path = fresh_path();

	memset(path->name, 'n', 254);
	path->name[254] = 0;
	TRY(path_open(path));
	TRY(rnbd_sess_info(path, 2, NULL));
	return path_disconnect(path);
}

/* Mainline refuses a single dot, this server does not. */
static const char *name_with_dot(void)
{
	struct path *path = fresh_path();

	snprintf(path->name, sizeof(path->name), "peer.example");
	TRY(path_open(path));
	return path_disconnect(path);
}

#define INFO(n, l, t, nn) (&(const struct info){ (n), (l), (t), (nn) })

const struct test info_tests[] = {
	{ "empty-name", bad_info, INFO("", INFO_REQ_LEN, 0, false) },
	{ "name-with-slash", bad_info, INFO("pe/er", INFO_REQ_LEN, 0, false) },
	{ "name-dot", bad_info, INFO(".", INFO_REQ_LEN, 0, false) },
	{ "name-with-dots", bad_info, INFO("pe..er", INFO_REQ_LEN, 0, false) },
	{ "name-dots", bad_info, INFO("..", INFO_REQ_LEN, 0, false) },
	{ "name-with-newline", bad_info, INFO("pe\ner", INFO_REQ_LEN, 0, false) },
	{ "name-without-nul", bad_info, INFO("x", INFO_REQ_LEN, 0, true) },
	{ "one-byte-short", bad_info, INFO("peer-x", INFO_REQ_LEN - 1, 0, false) },
	{ "type-only", bad_info, INFO("peer-x", 2, 0, false) },
	{ "one-byte-long", bad_info, INFO("peer-x", INFO_REQ_LEN + 1, 0, false) },
	{ "type-1", bad_info, INFO("peer-x", INFO_REQ_LEN, 1, false) },
	{ "type-2", bad_info, INFO("peer-x", INFO_REQ_LEN, 2, false) },
	{ "type-65535", bad_info, INFO("peer-x", INFO_REQ_LEN, 65535, false) },
	{ "missing-cid", missing_cid },
	{ "duplicate-name", duplicate_name },
	{ "longest-name", longest_name },
	{ "name-with-dot", name_with_dot },
	{ NULL }
};

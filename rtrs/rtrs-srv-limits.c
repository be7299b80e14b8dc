// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Limits of the service against greedy clients.
 *
 * Normal operation: a connect request that would create a path is held against the limits
 * before any buffer is allocated.  What counts is on the lists of the service under its
 * lock: paths of sessions, and those that have left theirs and are not freed yet.
 *
 * Memory is known beforehand: for every path that of its chunks, slots times chunk size, and an
 * estimate of that of its connections, of which a client decides how many there are.  The rest
 * (memory regions, slots of sessions) is a small part of it with any sensible sizes.
 *
 * One address may have half of the sessions and half of the half-open paths, so that one client
 * cannot keep the others out.  A session is one of every address that it has a path from.  A
 * path is half-open as long as its client has something to do: not when it waits for requests of
 * other paths, or for its name.
 *
 * Failure: the request is rejected and the log names the limit; nothing else changes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>

#include "rtrs-srv.h"

#define LEAST_CONS	2	/* of a path that carries requests */

static uint max_sessions = 1024;
module_param(max_sessions, uint, 0444);
MODULE_PARM_DESC(max_sessions, "Sessions at a time, half of them from one address (default: 1024)");

static uint max_half_open = 128;
module_param(max_half_open, uint, 0444);
MODULE_PARM_DESC(max_half_open,
		 "Paths at a time whose client has not finished connecting, half of them from one address (default: 128)");

static uint max_connections = RTRS_MAX_CON_NUM;
module_param(max_connections, uint, 0444);
MODULE_PARM_DESC(max_connections, "Connections of a path, 1..4096 (default: 4096)");

static uint max_paths = RTRS_MAX_PATHS_NUM;
module_param(max_paths, uint, 0444);
MODULE_PARM_DESC(max_paths, "Paths of a session, 1..128 (default: 128)");

static uint max_memory;
module_param(max_memory, uint, 0444);
MODULE_PARM_DESC(max_memory,
		 "MiB of all paths: buffers and connections (default: 0, half of the memory of the machine)");

static uint max_peer_memory;
module_param(max_peer_memory, uint, 0444);
MODULE_PARM_DESC(max_peer_memory,
		 "MiB of all paths from one address (default: 0, half of max_memory)");

enum limit {
	MAX_SESSIONS,
	MAX_HALF_OPEN,
	MAX_CONNECTIONS,
	MAX_PATHS,
	MAX_MEMORY,
	MAX_PEER_MEMORY,
};

/* The errnos of check 4, 6b, 8 and 8c; what the protocol does not know is -EBUSY. */
static const struct rtrs_srv_limit limits[] = {
	[MAX_SESSIONS]		= { "max_sessions",	-ENOMEM },
	[MAX_HALF_OPEN]		= { "max_half_open",	-EBUSY },
	[MAX_CONNECTIONS]	= { "max_connections",	-ECONNRESET },
	[MAX_PATHS]		= { "max_paths",	-ECONNRESET },
	[MAX_MEMORY]		= { "max_memory",	-ENOMEM },
	[MAX_PEER_MEMORY]	= { "max_peer_memory",	-ENOMEM },
};

/* What one address may have of what all may have: half, but not less than one. */
static unsigned int share(unsigned int all)
{
	return all - all / 2;
}

static u64 path_memory(unsigned int nr_cons, u32 ext)
{
	return (u64)rtrs_srv_conf.queue_depth * rtrs_srv_conf.chunk_size +
	       rtrs_srv_cons_memory(nr_cons, ext);
}

/* ---- load ---- */

static int check_numbers(void)
{
	if (!max_sessions || !max_half_open) {
		pr_err("max_sessions and max_half_open must not be 0\n");
		return -EINVAL;
	}
	if (!max_connections || max_connections > RTRS_MAX_CON_NUM) {
		pr_err("max_connections %u: must be 1..%u\n", max_connections, RTRS_MAX_CON_NUM);
		return -EINVAL;
	}
	if (!max_paths || max_paths > RTRS_MAX_PATHS_NUM) {
		pr_err("max_paths %u: must be 1..%u\n", max_paths, RTRS_MAX_PATHS_NUM);
		return -EINVAL;
	}
	return 0;
}

/* A default is large enough for one path; what was asked for must be. */
static int set_memory(uint *limit, const char *name, u64 otherwise)
{
	uint one = DIV_ROUND_UP(path_memory(LEAST_CONS, rtrs_srv_conf.ext), SZ_1M);

	if (!*limit)
		*limit = clamp_t(u64, otherwise, one, UINT_MAX);
	if (*limit >= one)
		return 0;

	pr_err("%s %u MiB: one path takes %u MiB\n", name, *limit, one);
	return -EINVAL;
}

/**
 * rtrs_srv_limits_init - check the limits, and work out those that were not given
 *
 * Context: module initialisation; sizes are in &rtrs_srv_conf.
 *
 * Return: 0 or -EINVAL.
 */
int rtrs_srv_limits_init(void)
{
	u64 half = (u64)totalram_pages() * PAGE_SIZE / SZ_1M / 2;
	int err;

	err = check_numbers();
	if (!err)
		err = set_memory(&max_memory, "max_memory", half);
	if (!err)
		err = set_memory(&max_peer_memory, "max_peer_memory", max_memory / 2);
	return err;
}

/* ---- connect requests ---- */

/**
 * struct usage - what some paths take
 * @memory: bytes
 * @half_open: number of those whose client has not finished connecting
 */
struct usage {
	u64		memory;
	unsigned int	half_open;
};

static void add_path(struct usage *usage, const struct rtrs_srv_path *path)
{
	usage->memory += path_memory(path->nr_cons, path->ext);
	usage->half_open += rtrs_srv_path_state(path) == RTRS_SRV_CONNECTING &&
			    delayed_work_pending(&path->half_open);
}

static void add_paths(struct usage *all, struct usage *peer, const struct list_head *paths,
		      const struct sockaddr *client)
{
	const struct rtrs_srv_path *path;

	list_for_each_entry(path, paths, entry) {
		add_path(all, path);
		if (rtrs_addr_equal(client, (const struct sockaddr *)&path->src))
			add_path(peer, path);
	}
}

static bool fits(const struct usage *usage, u64 more, uint mib)
{
	return usage->memory + more <= (u64)mib * SZ_1M;
}

/**
 * rtrs_srv_limit_path - may there be one more path
 * @srv: service
 * @client: address of the client
 * @req: its request, for connection 0 of the path
 *
 * Context: process; &rtrs_srv.lock is held.
 *
 * Return: the limit that stands against it, or NULL.
 */
const struct rtrs_srv_limit *rtrs_srv_limit_path(const struct rtrs_srv *srv,
						 const struct sockaddr *client,
						 const struct rtrs_conn_req *req)
{
	u64 more = path_memory(req->cid_num, req->ext_offer & rtrs_srv_conf.ext);
	struct usage all = {}, peer = {};
	const struct rtrs_srv_sess *sess;

	lockdep_assert_held(&srv->lock);

	list_for_each_entry(sess, &srv->sessions, entry)
		add_paths(&all, &peer, &sess->paths, client);
	add_paths(&all, &peer, &srv->leaving, client);

	if (all.half_open >= max_half_open || peer.half_open >= share(max_half_open))
		return &limits[MAX_HALF_OPEN];
	if (!fits(&all, more, max_memory))
		return &limits[MAX_MEMORY];
	if (!fits(&peer, more, max_peer_memory))
		return &limits[MAX_PEER_MEMORY];
	return NULL;
}

static bool is_of(const struct rtrs_srv_sess *sess, const struct sockaddr *client)
{
	const struct rtrs_srv_path *path;

	lockdep_assert_held(&sess->srv->lock);

	list_for_each_entry(path, &sess->paths, entry) {
		if (rtrs_addr_equal(client, (const struct sockaddr *)&path->src))
			return true;
	}
	return false;
}

/**
 * rtrs_srv_limit_sess - may there be one more session
 * @srv: service
 * @client: address of the client
 *
 * Context: process; &rtrs_srv.lock is held.
 *
 * Return: the limit that stands against it, or NULL.
 */
const struct rtrs_srv_limit *rtrs_srv_limit_sess(const struct rtrs_srv *srv,
						 const struct sockaddr *client)
{
	const struct rtrs_srv_sess *sess;
	unsigned int peer = 0;

	lockdep_assert_held(&srv->lock);

	list_for_each_entry(sess, &srv->sessions, entry)
		peer += is_of(sess, client);

	if (srv->nr_sessions >= max_sessions || peer >= share(max_sessions))
		return &limits[MAX_SESSIONS];
	return NULL;
}

/**
 * rtrs_srv_limit_sess_paths - may a session have one more path
 * @sess: session
 *
 * Context: process; &rtrs_srv.lock is held.
 *
 * Return: the limit that stands against it, or NULL.
 */
const struct rtrs_srv_limit *rtrs_srv_limit_sess_paths(const struct rtrs_srv_sess *sess)
{
	lockdep_assert_held(&sess->srv->lock);

	return sess->nr_paths < max_paths ? NULL : &limits[MAX_PATHS];
}

/**
 * rtrs_srv_limit_cons - may a path have so many connections
 * @nr: number of them
 *
 * Context: any.
 *
 * Return: the limit that stands against it, or NULL.
 */
const struct rtrs_srv_limit *rtrs_srv_limit_cons(unsigned int nr)
{
	return nr <= max_connections ? NULL : &limits[MAX_CONNECTIONS];
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The paths of a session: the list, and which of them carries a request.
 *
 * Operation: the list is read under RCU by each request and changed under
 * rtrs_clt.paths_mutex.  A policy looks at connected paths only.  Failure: with no
 * connected path there is nothing to pick, and the request fails at its caller.
 */
#include <linux/percpu.h>
#include <linux/string.h>

#include "rtrs-clt.h"

static unsigned int count_connected(struct rtrs_clt *clt)
{
	struct rtrs_clt_path *path;
	unsigned int nr = 0;

	list_for_each_entry_rcu(path, &clt->paths, entry)
		nr += rtrs_clt_path_connected(path);
	return nr;
}

/* Each CPU goes round on its own. */
static struct rtrs_clt_path *pick_round_robin(struct rtrs_clt *clt, u16 cid)
{
	struct rtrs_clt_path *path, *first = NULL;
	unsigned int nr = count_connected(clt);
	u32 pos;

	pos = nr > 1 ? this_cpu_inc_return(*clt->rr_pos) % nr : 0;
	list_for_each_entry_rcu(path, &clt->paths, entry) {
		if (!rtrs_clt_path_connected(path))
			continue;
		if (!pos--)
			return path;
		if (!first)
			first = path;
	}
	return first;	/* a path was lost meanwhile */
}

/*
 * Counted on the connection that would carry the request: it belongs to the CPUs of one
 * queue, so nothing is written that all CPUs share.
 */
static struct rtrs_clt_path *pick_min_inflight(struct rtrs_clt *clt, u16 cid)
{
	struct rtrs_clt_path *path, *best = NULL;
	int nr, least = INT_MAX;

	list_for_each_entry_rcu(path, &clt->paths, entry) {
		if (!rtrs_clt_path_connected(path))
			continue;
		nr = atomic_read(&path->cons[cid].inflight);
		if (nr < least) {
			least = nr;
			best = path;
		}
	}
	return best;
}

static struct rtrs_clt_path *pick_min_latency(struct rtrs_clt *clt, u16 cid)
{
	struct rtrs_clt_path *path, *best = NULL;
	s64 ns, least = S64_MAX;

	list_for_each_entry_rcu(path, &clt->paths, entry) {
		if (!rtrs_clt_path_connected(path))
			continue;
		ns = READ_ONCE(path->hb.latency_ns);
		if (ns < least) {
			least = ns;
			best = path;
		}
	}
	return best;
}

const struct rtrs_clt_policy rtrs_clt_policies[RTRS_CLT_POLICY_NUM] = {
	{ "round-robin",  "RR", pick_round_robin },
	{ "min-inflight", "MI", pick_min_inflight },
	{ "min-latency",  "ML", pick_min_latency },
};

/**
 * rtrs_clt_policy_parse - which policy does the administrator mean
 * @text: number, abbreviation, or a text that starts with the name; one newline at
 *	the end is ignored (sysfs-abi 3.2)
 *
 * Pure.
 * Return: index into rtrs_clt_policies, or -EINVAL.
 */
int rtrs_clt_policy_parse(const char *text)
{
	size_t len = strcspn(text, "\n");
	const struct rtrs_clt_policy *policy;
	int i, nr;

	for (i = 0; i < RTRS_CLT_POLICY_NUM; i++) {
		policy = &rtrs_clt_policies[i];
		if (!strncasecmp(text, policy->name, strlen(policy->name)))
			return i;
		if (len == 2 && !text[len + !!text[len]] &&
		    !strncasecmp(text, policy->abbrev, len))
			return i;
	}
	if (kstrtoint(text, 10, &nr) || nr < 0 || nr >= RTRS_CLT_POLICY_NUM)
		return -EINVAL;
	return nr;
}

static bool same_addr(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	return rtrs_addr_equal((const struct sockaddr *)a, (const struct sockaddr *)b);
}

/* An unspecified source can only be compared once it is resolved. */
static bool same_pair(const struct rtrs_addr_pair *a, const struct rtrs_addr_pair *b)
{
	return a->src.ss_family != AF_UNSPEC && same_addr(&a->src, &b->src) &&
	       same_addr(&a->dst, &b->dst);
}

static int check_insert(struct rtrs_clt *clt, const struct rtrs_clt_path *new)
{
	struct rtrs_clt_path *path;
	unsigned int nr = 0;

	if (clt->closing)
		return -ENODEV;
	list_for_each_entry(path, &clt->paths, entry) {
		if (same_pair(&path->addrs, &new->addrs))
			return -EEXIST;
		nr++;
	}
	/* as a server answers that has so many of ours */
	return nr < RTRS_MAX_PATHS_NUM ? 0 : -ECONNRESET;
}

/**
 * rtrs_clt_paths_insert - put a new path on the list of its session
 * @clt: session
 * @path: path, not connected
 *
 * May sleep.  The list takes over the reference of the caller.
 * Return: 0, -ENODEV (session is being closed), -EEXIST (same addresses),
 * -ECONNRESET (too many paths).
 */
int rtrs_clt_paths_insert(struct rtrs_clt *clt, struct rtrs_clt_path *path)
{
	int err;

	mutex_lock(&clt->paths_mutex);
	err = check_insert(clt, path);
	if (!err)
		list_add_tail_rcu(&path->entry, &clt->paths);
	mutex_unlock(&clt->paths_mutex);
	return err;
}

/**
 * rtrs_clt_paths_check_name - may the path have a directory of its name
 * @path: path on the list, not published
 *
 * Caller holds rtrs_clt.paths_mutex.
 * Return: 0 or -EEXIST.
 */
int rtrs_clt_paths_check_name(struct rtrs_clt_path *path)
{
	struct rtrs_clt_path *other;

	lockdep_assert_held(&path->clt->paths_mutex);

	list_for_each_entry(other, &path->clt->paths, entry)
		if (other->published && !strcmp(other->name, path->name))
			return -EEXIST;
	return 0;
}

/**
 * rtrs_clt_paths_remove - take a DEAD path off the list
 * @path: path
 *
 * May sleep; on return no request looks at the path any more.  The reference of the
 * list passes to the caller.
 */
void rtrs_clt_paths_remove(struct rtrs_clt_path *path)
{
	mutex_lock(&path->clt->paths_mutex);
	list_del_rcu(&path->entry);
	mutex_unlock(&path->clt->paths_mutex);
	synchronize_rcu();
}

/**
 * rtrs_clt_paths_first_get - some path of a session that is being closed
 * @clt: session
 *
 * May sleep.
 * Return: a path with a reference for the caller, or NULL.
 */
struct rtrs_clt_path *rtrs_clt_paths_first_get(struct rtrs_clt *clt)
{
	struct rtrs_clt_path *path;

	mutex_lock(&clt->paths_mutex);
	path = list_first_entry_or_null(&clt->paths, struct rtrs_clt_path, entry);
	if (path)
		kobject_get(&path->kobj);
	mutex_unlock(&clt->paths_mutex);
	return path;
}

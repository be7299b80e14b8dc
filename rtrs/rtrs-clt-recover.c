// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The work of a path: up, down, and the pauses between attempts.
 *
 * Operation: one work for each path does it all, one thing after the other; the state
 * tells it what to do next.  Administrators and errors change the state through the
 * doors of rtrs-clt-state.c, which queue it.
 *
 * Failure: a lost path is taken down (its requests move or end), and then tried again
 * at growing intervals until it is connected, closed, or out of attempts.  A path that
 * was never connected is not tried again.
 *
 * The work may be needed to write back dirty memory, so it allocates without I/O.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/sysfs.h>

#include "rtrs-clt.h"
#include "rtrs-clt-trace.h"
#include "rtrs-fault.h"

#define RETRY_FIRST_MS		1000	/* shortest pause between attempts, doubled each time */
#define RETRY_DOUBLINGS		16
#define SETTLE_MS		1000	/* until a server has forgotten the last attempt */
#define LONE_WAIT_MS		200	/* another path of the session connects first */
#define CONNECT_WIDTH		16U	/* connections that are established side by side */

/* ---- down ---- */

static void put_dev(struct rtrs_clt_path *path)
{
	if (!path->dev)
		return;
	rtrs_dev_put(path->dev, &path->dev_user);
	path->dev = NULL;
}

/*
 * Not sysfs_notify(): that looks the file up under the lock of all directories, and whoever
 * holds that one may be waiting for memory, which may be waiting for this path.
 */
static void tell_state(struct rtrs_clt_path *path)
{
	if (path->state_file)
		sysfs_notify_dirent(path->state_file);
}

/*
 * Take down what an attempt has built, in stages: no more heartbeats, no reader that
 * still takes the path for connected, no completions; then the requests go elsewhere,
 * and only then does anybody have to wait for the peer.
 */
static void path_down(struct rtrs_clt_path *path)
{
	if (!path->live)
		return;
	path->live = false;
	tell_state(path);

	rtrs_hb_stop(&path->hb);
	synchronize_rcu();
	rtrs_clt_cons_stop(path);
	if (path->counted)
		rtrs_clt_link_release(path);
	rtrs_fault_delay(RTRS_FAULT_FAIL_OVER);
	rtrs_clt_fail_over(path);
	rtrs_clt_cons_destroy(path);
	rtrs_clt_slots_destroy(path);
	put_dev(path);
	path->settled_at = jiffies + msecs_to_jiffies(SETTLE_MS);
}

/* ---- up ---- */

/* The directory appears with the first connection and stays (sysfs-abi 3.4). */
static int publish(struct rtrs_clt_path *path)
{
	struct rtrs_clt *clt = path->clt;
	int err;

	if (path->published)
		return 0;
	mutex_lock(&clt->paths_mutex);
	err = rtrs_clt_paths_check_name(path);
	if (!err)
		err = kobject_add(&path->kobj, clt->paths_dir, "%s", path->name);
	path->published = !err;
	if (!err)
		path->state_file = sysfs_get_dirent(path->kobj.sd, "state");
	mutex_unlock(&clt->paths_mutex);
	return err;
}

/*
 * A server that knows our extensions takes connections as they come.  Others are only
 * known to work when one is established before the next begins (checklist, line 3).
 */
static unsigned int connect_width(const struct rtrs_clt_path *path)
{
	return path->conn.ext_use ? CONNECT_WIDTH : 1;
}

static int connect_all(struct rtrs_clt_path *path)
{
	unsigned int cid, nr, con_num = path->clt->con_num;
	int err;

	err = rtrs_clt_cons_connect(path, 0, 1);
	if (!err)
		err = rtrs_clt_lone_check(path);
	if (!err)
		err = rtrs_clt_adopt(path);
	if (!err)
		err = rtrs_clt_slots_create(path);
	for (cid = 1; !err && cid < con_num; cid += nr) {
		nr = min(connect_width(path), con_num - cid);
		err = rtrs_clt_cons_connect(path, cid, nr);
	}
	return err;
}

static int receive_all(struct rtrs_clt_path *path)
{
	unsigned int cid;
	int err = 0;

	for (cid = 0; !err && cid < path->clt->con_num; cid++)
		err = rtrs_clt_recv_start(&path->cons[cid]);
	return err;
}

static int path_up(struct rtrs_clt_path *path)
{
	int err;

	err = connect_all(path);
	if (!err)
		err = rtrs_clt_info_exchange(path);
	if (!err)
		err = receive_all(path);
	if (!err)
		err = rtrs_clt_fence_create(path);
	if (!err)
		err = publish(path);
	if (err)
		return err;

	rtrs_clt_link_reserve(path);
	rtrs_fault_delay(RTRS_FAULT_ENTER);
	/* Something else may have failed, or the path is to be closed. */
	err = rtrs_clt_fence_enter(path);
	if (!err)
		rtrs_clt_link_up(path);
	return err;
}

static void begin_attempt(struct rtrs_clt_path *path)
{
	unsigned long flags;

	path->live = true;
	spin_lock_irqsave(&path->state_lock, flags);
	path->gen++;
	if (path->state == RTRS_CLT_CONNECTING)
		path->err = 0;
	spin_unlock_irqrestore(&path->state_lock, flags);
}

/* Those who wait for the outcome may look at it now. */
static void end_attempt(struct rtrs_clt_path *path)
{
	rtrs_clt_lone_put(path);
	/* Pairs with attempt_ended(). */
	smp_store_release(&path->done_gen, path->gen);
	wake_up_all(&path->wait);
}

static void attempt_succeeded(struct rtrs_clt_path *path)
{
	if (path->established)
		path->success_cnt++;
	path->established = true;
	path->attempts = 0;
	rtrs_hb_start(&path->hb);
	tell_state(path);
	rtrs_clt_path_log(pr_info, path, "connected [%s:%u], %u connections, queue depth %u\n",
			  path->hca_name, path->hca_port, path->clt->con_num,
			  path->conn.queue_depth);
	end_attempt(path);
}

static void set_errno(struct rtrs_clt_path *path, int err)
{
	unsigned long flags;

	spin_lock_irqsave(&path->state_lock, flags);
	path->err = err;
	path->last_err = err;
	spin_unlock_irqrestore(&path->state_lock, flags);
}

static unsigned int pause_ms(const struct rtrs_clt_path *path)
{
	unsigned int longest = READ_ONCE(path->clt->times[RTRS_CLT_RECONNECT_DELAY_MS]);
	unsigned int base = min_t(u64, longest, (u64)RETRY_FIRST_MS <<
				  min(path->attempts, RETRY_DOUBLINGS));

	/* Clients that lost the same server must not come back as one. */
	return base / 2 + get_random_u32() % base;
}

static void run_again(struct rtrs_clt_path *path, unsigned long delay_jiffies)
{
	/* Does not put off a run that somebody has asked for meanwhile. */
	queue_delayed_work(rtrs_clt_wq, &path->work, delay_jiffies);
}

static void plan_retry(struct rtrs_clt_path *path)
{
	path->retry_at = jiffies + msecs_to_jiffies(pause_ms(path));
}

/* A server may be away for days: the log gets a line when something has changed. */
static void log_failure(struct rtrs_clt_path *path, int err)
{
	if (path->attempts > 1 && err == path->logged_err)
		return;
	path->logged_err = err;
	rtrs_clt_path_log(pr_err, path, "connecting failed: %pe%s\n", ERR_PTR(err),
			  path->established ? ", keeps trying" : "");
}

/* After a first attempt, or when another one makes no sense, the path ends here. */
static void attempt_failed(struct rtrs_clt_path *path, int err)
{
	bool again = path->established && !path->give_up;

	if (rtrs_clt_path_state(path) != RTRS_CLT_CLOSING) {
		set_errno(path, err);
		log_failure(path, err);
	}
	rtrs_clt_path_set_state(path, RTRS_CLT_CONNECTING_ERR);
	path_down(path);
	if (path->established)
		path->fail_cnt++;
	plan_retry(path);
	/* A path that never was up may lead to another server. */
	if (err == -ENXIO && path->established && !path->first_conn)
		rtrs_clt_link_forgotten(path->clt);
	end_attempt(path);

	if (!again)
		rtrs_clt_path_shut(path, err);
	else if (rtrs_clt_path_set_state(path, RTRS_CLT_RECONNECTING))
		run_again(path, 0);
}

static void attempt(struct rtrs_clt_path *path)
{
	int err;

	begin_attempt(path);
	err = path_up(path);
	if (err)
		attempt_failed(path, err);
	else
		attempt_succeeded(path);
}

/* ---- the work ---- */

static void connect_alone(struct rtrs_clt_path *path)
{
	if (rtrs_clt_lone_get(path))
		attempt(path);
	else
		run_again(path, msecs_to_jiffies(LONE_WAIT_MS));
}

static bool attempts_used_up(const struct rtrs_clt_path *path)
{
	int max = READ_ONCE(path->clt->max_reconnect_attempts);

	return max >= 0 && path->attempts >= max;
}

static void retry(struct rtrs_clt_path *path)
{
	bool hurry = READ_ONCE(path->hurry);
	unsigned long due = hurry ? path->settled_at : path->retry_at;

	if (!hurry && attempts_used_up(path)) {
		rtrs_clt_path_log(pr_err, path, "no attempts left after %u, closing\n",
				  path->attempts);
		rtrs_clt_path_shut(path, -ENOTCONN);
		return;
	}
	if (time_before(jiffies, due)) {
		run_again(path, due - jiffies);
		return;
	}
	if (hurry) {
		WRITE_ONCE(path->hurry, false);
		path->attempts = 0;
		path->give_up = false;
	}

	path->attempts++;
	trace_rtrs_clt_reconnect_work(path);
	/* Fails if the path is to be closed; that has queued another run. */
	if (rtrs_clt_path_set_state(path, RTRS_CLT_CONNECTING))
		connect_alone(path);
}

static void path_lost(struct rtrs_clt_path *path)
{
	if (READ_ONCE(path->hurry))
		rtrs_clt_path_log(pr_info, path, "reconnect requested\n");
	else
		rtrs_clt_path_log(pr_err, path, "lost: %pe\n", ERR_PTR(READ_ONCE(path->err)));
	path_down(path);
	plan_retry(path);
}

/* Somebody may open it again at once, so who waits for the end looks at the count. */
static void path_closed(struct rtrs_clt_path *path)
{
	rtrs_clt_path_set_state(path, RTRS_CLT_CLOSED);
	WRITE_ONCE(path->closed_cnt, path->closed_cnt + 1);
	wake_up_all(&path->wait);
}

static void path_run(struct rtrs_clt_path *path)
{
	switch (rtrs_clt_path_state(path)) {
	case RTRS_CLT_CONNECTING:
		connect_alone(path);
		break;
	case RTRS_CLT_RECONNECTING:
		if (path->live)
			path_lost(path);
		retry(path);
		break;
	case RTRS_CLT_CONNECTING_ERR:
		/* failed while it waited for its turn */
		attempt_failed(path, READ_ONCE(path->err));
		break;
	case RTRS_CLT_CLOSING:
		path_down(path);
		path_closed(path);
		break;
	default:
		break;	/* woken for something that is already done */
	}
}

/**
 * rtrs_clt_path_work - do what the state of the path asks for
 * @work: &rtrs_clt_path.work
 *
 * On rtrs_clt_wq; sleeps, for an attempt up to minutes.
 */
void rtrs_clt_path_work(struct work_struct *work)
{
	struct rtrs_clt_path *path = container_of(to_delayed_work(work), struct rtrs_clt_path,
						  work);
	unsigned int noio = memalloc_noio_save();

	path_run(path);
	memalloc_noio_restore(noio);
}

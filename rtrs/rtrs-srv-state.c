// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * State of a path, and the door through which every failure goes.
 *
 * Normal operation: CONNECTING until the client has told its name, CONNECTED while
 * requests flow, CLOSING until its requests have ended, CLOSED then
 * (wire specification, 12.2).
 *
 * Failure: whoever notices something calls one of the functions below, from any
 * context and as often as it likes.  The first one moves the path to CLOSING and
 * queues the close work; all others return.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "rtrs-srv.h"
#include "rtrs-srv-trace.h"

/* Nobody need wait for a path that closes; others wait for its requests. */
static void account(struct rtrs_srv_path *path, int to)
{
	struct rtrs_srv_sess *sess = path->sess;

	if (to == RTRS_SRV_CLOSING) {
		atomic_inc(&sess->closing);
		wake_up_all(&sess->fence);
	}
}

/**
 * rtrs_srv_path_set_state - change the state of a path
 * @path: path
 * @to: new state
 *
 * Publishes with release; rtrs_srv_path_state() is the other side.
 *
 * Context: any.
 *
 * Return: true if this call made the change, false if the table does not allow it.
 */
bool rtrs_srv_path_set_state(struct rtrs_srv_path *path, enum rtrs_srv_path_state to)
{
	int from = READ_ONCE(path->state);

	do {
		if (!rtrs_srv_state_may_follow(from, to))
			return false;
	} while (!try_cmpxchg_release(&path->state, &from, to));

	trace_rtrs_srv_path_state(path, from, to);
	account(path, to);
	return true;
}

/**
 * rtrs_srv_path_close - close a path: the error door
 * @path: path, known to exist by the caller
 *
 * The path goes away by itself afterwards.
 *
 * Context: any; does not sleep.
 *
 * Return: true if it was this call.
 */
bool rtrs_srv_path_close(struct rtrs_srv_path *path)
{
	if (!rtrs_srv_path_set_state(path, RTRS_SRV_CLOSING))
		return false;

	queue_work(rtrs_srv_close_wq, &path->close_work);
	return true;
}

/**
 * rtrs_srv_path_fail - close a path and say why
 * @path: path, known to exist by the caller
 * @what: what has failed
 * @err: negative errno
 *
 * Context: any; does not sleep.
 */
void rtrs_srv_path_fail(struct rtrs_srv_path *path, const char *what, int err)
{
	if (rtrs_srv_path_close(path))
		rtrs_srv_path_err(path, "%s (%d), closing\n", what, err);
}

/**
 * rtrs_srv_path_fail_wc - close a path because of a bad completion
 * @path: path, known to exist by the caller
 * @what: which work request
 * @wc: its completion
 *
 * Context: any; does not sleep.
 */
void rtrs_srv_path_fail_wc(struct rtrs_srv_path *path, const char *what,
			   const struct ib_wc *wc)
{
	if (rtrs_srv_path_close(path))
		rtrs_srv_path_err(path, "%s: %s, closing\n", what, ib_wc_status_msg(wc->status));
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connection management on the server.
 *
 * Normal operation: a connect request is checked in the order of the wire specification
 * (2.5), finds or creates session and path, and is accepted, all inside the event handler
 * of the CM, which is where the CM wants it.
 *
 * Failure: a request that fails a check is rejected with a negative errno and leaves
 * everything else alone; once its path is known to be the right one a failure closes the
 * path.  Any event that ends a connection closes the path too.  Nothing here waits for
 * the end of anything: closing is the work of the path.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <rdma/ib_cm.h>

#include "rtrs-srv.h"

/**
 * struct conn_request - a connect request that is being checked
 * @id: CM id of the new connection
 * @msg: what the client says
 * @limit: the limit that it has met, for the log
 */
struct conn_request {
	struct rdma_cm_id	*id;
	struct rtrs_conn_req	msg;
	const char		*limit;
};

static const struct sockaddr *client(const struct conn_request *req)
{
	return (const struct sockaddr *)&req->id->route.addr.dst_addr;
}

static void reject(const struct conn_request *req, int err)
{
	struct rtrs_msg_conn_rsp msg;
	char addr[RTRS_ADDR_STRLEN];

	rtrs_addr_format(&req->id->route.addr.dst_addr, addr, sizeof(addr));
	pr_err_ratelimited("connect request of %s rejected: %d%s%s\n", addr, err,
			   req->limit ? ", limit " : "", req->limit ?: "");

	rtrs_wire_put_reject(&msg, err);
	rdma_reject(req->id, &msg, sizeof(msg), IB_CM_REJ_CONSUMER_DEFINED);
}

static int within(struct conn_request *req, const struct rtrs_srv_limit *limit)
{
	if (!limit)
		return 0;

	req->limit = limit->name;
	return limit->err;
}

static int accept(struct rdma_cm_id *id, const struct rtrs_srv_con *con)
{
	struct rtrs_conn_rsp rsp = {
		.queue_depth	= rtrs_srv_conf.queue_depth,
		.max_io_size	= rtrs_srv_conf.chunk_size - rtrs_srv_conf.max_hdr_size,
		.max_hdr_size	= rtrs_srv_conf.max_hdr_size,
		.new_rkey	= rtrs_srv_conf.new_rkey,
		.ext_use	= con->base.cid ? 0 : con->path->ext,
	};
	struct rtrs_msg_conn_rsp msg;
	struct rdma_conn_param param = {
		.rnr_retry_count	= RTRS_CM_RNR_RETRY,
		.private_data		= &msg,
		.private_data_len	= sizeof(msg),
	};

	rtrs_wire_put_accept(&msg, &rsp);
	return rdma_accept(id, &param);
}

/*
 * An event on an established connection, or on one that is becoming it.  The path exists:
 * it destroys the CM id, which waits for this handler.
 */
static int con_handler(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct rtrs_srv_con *con = id->context;

	switch (event->event) {
	case RDMA_CM_EVENT_ESTABLISHED:
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		if (rtrs_srv_path_close(con->path))
			rtrs_srv_path_info(con->path, "client has disconnected\n");
		break;
	default:
		rtrs_srv_path_fail(con->path, rdma_event_msg(event->event),
				   event->status < 0 ? event->status : -ECONNRESET);
	}
	return 0;
}

/* Checks 9 and 10: from here on a failure closes the path. */
static int accept_con(struct rtrs_srv_con *con, struct rdma_cm_id *id)
{
	struct rtrs_srv_path *path = con->path;
	int err;

	lockdep_assert_held(&path->con_lock);

	err = rtrs_srv_con_create(con, id);
	if (err)
		goto fail;

	id->context = con;
	id->event_handler = con_handler;
	err = accept(id, con);
	if (err) {
		rtrs_srv_con_cancel(con);
		goto fail;
	}

	rtrs_srv_path_await_client(path);
	return 0;

fail:
	rtrs_srv_path_fail(path, "connection could not be accepted", err);
	return err;
}

/* Check 7c, and the state once more, now safe against the disconnect of all. */
static int add_con(struct rtrs_srv_path *path, const struct conn_request *req)
{
	struct rtrs_srv_con *con = &path->cons[req->msg.cid];
	int err = -ECONNRESET;

	mutex_lock(&path->con_lock);
	if (rtrs_srv_path_state(path) == RTRS_SRV_CONNECTING && !con->base.cm_id)
		err = accept_con(con, req->id);
	mutex_unlock(&path->con_lock);
	return err;
}

/*
 * Checks 7 and 7b.  The client begins anew a path that we still take for alive: it knows
 * both identities, so it is the same client, and the old path is dead.  It goes now, and
 * the next attempt will find its place free.
 */
static int check_known(struct rtrs_srv_path *path, const struct rtrs_conn_req *req)
{
	if (!req->cid && (s16)(req->recon_cnt - path->recon_cnt) > 0)
		rtrs_srv_path_fail(path, "replaced by a newer attempt", -ECONNRESET);
	if (rtrs_srv_path_state(path) != RTRS_SRV_CONNECTING || req->cid_num != path->nr_cons)
		return -ECONNRESET;

	return 0;
}

/*
 * Check 8b.  Addresses are compared as text, without ports: that is the name of the
 * directory.
 */
static int check_name(const struct rtrs_srv_sess *sess, const struct rdma_addr *addr)
{
	struct rtrs_srv_path *path;
	char name[RTRS_PATH_STRLEN];

	lockdep_assert_held(&sess->srv->lock);

	rtrs_addr_format_path(&addr->dst_addr, &addr->src_addr, name, sizeof(name));
	list_for_each_entry(path, &sess->paths, entry) {
		if (!strcmp(path->name, name))
			return -EEXIST;
	}
	return 0;
}

/* Checks 8 to 8c, before anything is allocated, and that connection 0 comes first (17.17). */
static int check_new(const struct rtrs_srv_sess *sess, struct conn_request *req)
{
	int err;

	if (req->msg.cid)
		return -ECONNRESET;

	err = within(req, rtrs_srv_limit_sess_paths(sess));
	if (!err)
		err = check_name(sess, &req->id->route.addr);
	if (!err)
		err = within(req, rtrs_srv_limit_path(sess->srv, client(req), &req->msg));
	return err;
}

static struct rtrs_srv_path *find_or_create_path(struct rtrs_srv_sess *sess,
						 struct conn_request *req)
{
	struct rtrs_srv_path *path = rtrs_srv_path_find(sess, &req->msg.sess_uuid);
	int err;

	err = path ? check_known(path, &req->msg) : check_new(sess, req);
	if (err)
		return ERR_PTR(err);

	return path ?: rtrs_srv_path_create(sess, req->id, &req->msg);
}

/* Check 6; the limit stands in for the lack of memory that it prevents (17.1). */
static struct rtrs_srv_sess *find_or_create_sess(struct rtrs_srv *srv,
						 struct conn_request *req)
{
	struct rtrs_srv_sess *sess = rtrs_srv_sess_find(srv, &req->msg.paths_uuid);
	int err;

	if (sess)
		return sess;
	if (!req->msg.first_conn)
		return ERR_PTR(-ENXIO);

	err = within(req, rtrs_srv_limit_sess(srv, client(req)));
	return err ? ERR_PTR(err) : rtrs_srv_sess_create(srv, &req->msg.paths_uuid);
}

/*
 * Session and path of a request, both new if need be, in one step under the lock.
 * Returns the path with a reference.
 */
static struct rtrs_srv_path *get_path(struct rtrs_srv *srv, struct conn_request *req)
{
	struct rtrs_srv_sess *sess;
	struct rtrs_srv_path *path;

	lockdep_assert_held(&srv->lock);

	sess = find_or_create_sess(srv, req);
	if (IS_ERR(sess))
		return ERR_CAST(sess);

	path = find_or_create_path(sess, req);
	if (!IS_ERR(path))
		rtrs_srv_path_get(path);
	else if (!sess->nr_paths)
		rtrs_srv_sess_remove(sess);
	return path;
}

static int admit(struct rtrs_srv *srv, struct conn_request *req)
{
	struct rtrs_srv_path *path;
	int err;

	mutex_lock(&srv->lock);
	path = get_path(srv, req);
	mutex_unlock(&srv->lock);
	if (IS_ERR(path))
		return PTR_ERR(path);

	err = add_con(path, req);
	rtrs_srv_path_put(path);
	return err;
}

static int connect_request(struct rtrs_srv *srv, struct rdma_cm_id *id,
			   const struct rdma_conn_param *param)
{
	struct conn_request req = { .id = id };
	int err;

	/* Checks 1 to 5 */
	err = rtrs_wire_get_conn_req(&req.msg, param->private_data, param->private_data_len);
	if (!err)
		err = within(&req, rtrs_srv_limit_cons(req.msg.cid_num));
	if (!err)
		err = admit(srv, &req);
	if (err)
		reject(&req, err);
	return err;
}

/**
 * rtrs_srv_cm_handler - event handler of the listeners
 * @id: CM id of a new connection
 * @event: event
 *
 * Context: process, may sleep.
 *
 * Return: 0; a negative errno lets the CM destroy @id.
 */
int rtrs_srv_cm_handler(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST)
		return connect_request(id->context, id, &event->param.conn);

	pr_info_ratelimited("listener: %s (%d)\n", rdma_event_msg(event->event), event->status);
	return 0;
}

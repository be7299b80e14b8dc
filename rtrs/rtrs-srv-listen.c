// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Listeners of the service.
 *
 * Normal operation: one wildcard listener for IP addresses and one for native IB
 * addresses, in the initial network namespace.  The CM spreads them over all RDMA devices,
 * those that come later included, and takes them off devices that leave.
 *
 * Failure: a listener that cannot be created is a log line, and is tried again when an
 * RDMA device appears; soon, if only memory was short.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/in.h>
#include <linux/in6.h>
#include <net/net_namespace.h>
#include <rdma/ib.h>

#include "rtrs-srv.h"

#define BACKLOG		64
#define RETRY_MS	1000
#define IB_PKEY_FULL	0xffff

static int listen_on(struct rtrs_srv *srv, struct rdma_cm_id **idp,
		     enum rdma_ucm_port_space ps, struct sockaddr *addr)
{
	struct rdma_cm_id *id;
	int err;

	id = rdma_create_id(&init_net, rtrs_srv_cm_handler, srv, ps, IB_QPT_RC);
	if (IS_ERR(id))
		return PTR_ERR(id);

	/* One listener for both families, whatever net.ipv6.bindv6only says. */
	err = addr->sa_family == AF_INET6 ? rdma_set_afonly(id, 0) : 0;
	if (!err)
		err = rdma_bind_addr(id, addr);
	if (!err)
		err = rdma_listen(id, BACKLOG);
	if (err) {
		rdma_destroy_id(id);
		return err;
	}

	*idp = id;
	return 0;
}

static int listen_ip(struct rtrs_srv *srv)
{
	struct sockaddr_in6 any6 = {
		.sin6_family	= AF_INET6,
		.sin6_port	= htons(srv->port),
		.sin6_addr	= IN6ADDR_ANY_INIT,
	};
	struct sockaddr_in any4 = {
		.sin_family	= AF_INET,
		.sin_port	= htons(srv->port),
		.sin_addr.s_addr = htonl(INADDR_ANY),
	};
	int err;

	/* Without IPv6 there is IPv4; a lack of memory is no lack of IPv6. */
	err = listen_on(srv, &srv->ip_id, RDMA_PS_TCP, (struct sockaddr *)&any6);
	if (err && err != -ENOMEM)
		err = listen_on(srv, &srv->ip_id, RDMA_PS_TCP, (struct sockaddr *)&any4);
	return err;
}

static int listen_ib(struct rtrs_srv *srv)
{
	struct sockaddr_ib any = {
		.sib_family	= AF_IB,
		.sib_pkey	= cpu_to_be16(IB_PKEY_FULL),
		.sib_sid	= cpu_to_be64(RDMA_IB_IP_PS_IB | srv->port),
		.sib_sid_mask	= cpu_to_be64(U64_MAX),
	};

	return listen_on(srv, &srv->ib_id, RDMA_PS_IB, (struct sockaddr *)&any);
}

static void listen_failed(struct rtrs_srv *srv, const char *what, int err)
{
	pr_err_ratelimited("cannot listen on %s addresses, port %u: %d\n", what, srv->port, err);
	if (err == -ENOMEM)
		schedule_delayed_work(&srv->listen_work, msecs_to_jiffies(RETRY_MS));
}

/**
 * rtrs_srv_listen - listen, as far as it is not done yet
 * @srv: service
 *
 * Context: process, may sleep.
 */
void rtrs_srv_listen(struct rtrs_srv *srv)
{
	int err;

	mutex_lock(&srv->listen_lock);
	if (!srv->closing && !srv->ip_id) {
		err = listen_ip(srv);
		if (err)
			listen_failed(srv, "IP", err);
	}
	if (!srv->closing && !srv->ib_id) {
		err = listen_ib(srv);
		if (err)
			listen_failed(srv, "IB", err);
	}
	mutex_unlock(&srv->listen_lock);
}

static void listen_work(struct work_struct *work)
{
	rtrs_srv_listen(container_of(to_delayed_work(work), struct rtrs_srv, listen_work));
}

/**
 * rtrs_srv_listen_init - prepare a new service for listening
 * @srv: service
 *
 * Context: process.
 */
void rtrs_srv_listen_init(struct rtrs_srv *srv)
{
	mutex_init(&srv->listen_lock);
	INIT_DELAYED_WORK(&srv->listen_work, listen_work);
}

/**
 * rtrs_srv_unlisten - stop to listen for good
 * @srv: service; nobody queues its listen_work any more
 *
 * Afterwards no connect request is being handled.
 *
 * Context: process, may sleep.
 */
void rtrs_srv_unlisten(struct rtrs_srv *srv)
{
	mutex_lock(&srv->listen_lock);
	srv->closing = true;
	if (srv->ip_id)
		rdma_destroy_id(srv->ip_id);
	if (srv->ib_id)
		rdma_destroy_id(srv->ib_id);
	mutex_unlock(&srv->listen_lock);

	cancel_delayed_work_sync(&srv->listen_work);
}

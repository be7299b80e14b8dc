// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests, from the completion of a receive to the upper layer.
 *
 * Normal operation: the client writes data, user message and header into a chunk with
 * one RDMA WRITE WITH IMM.  The immediate names slot and header.  The slot is claimed,
 * header and message are copied out once and checked, and the upper layer gets the
 * request with the data where they are.
 *
 * Who owns the chunk's pages: the client until its immediate arrives, then the upper
 * layer until rtrs_srv_respond(), then the HCA until the data are read.  The client can
 * still write to them meanwhile, unless its key was revoked; that harms nobody but the
 * client, because nothing that was checked is read from there again.
 *
 * Failure: whatever the client must not do closes its path.  Requests of a closing path
 * are dropped if they have not been handed up; else they run to their end, and their
 * answer is dropped.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "rtrs-fault.h"
#include "rtrs-srv.h"
#include "rtrs-srv-debug.h"
#include "rtrs-srv-trace.h"

static void fill_req(struct rtrs_srv_slot *slot)
{
	const struct rtrs_wire_req *hdr = &slot->hdr;
	struct rtrs_srv_req *req = &slot->req;

	req->dir = hdr->dir;
	req->msg_len = hdr->usr_len;
	req->data_len = hdr->data_len;
	req->rsp_len = hdr->has_desc ? hdr->desc_len : 0;
	req->page = rtrs_srv_slot_chunk(slot)->page;
}

/* The only place that looks at header and user message in memory the client can write. */
static int copy_and_check(struct rtrs_srv_slot *slot)
{
	const struct rtrs_srv_chunk *chunk = rtrs_srv_slot_chunk(slot);
	u32 size = rtrs_srv_conf.chunk_size;
	const void *buf = page_address(chunk->page);
	int err;

	ib_dma_sync_single_for_cpu(slot->con->path->dev->ib_dev, chunk->dma,
				   min_t(u32, size, slot->req_off + RTRS_MAX_REQ_HDR),
				   DMA_BIDIRECTIONAL);

	err = rtrs_wire_get_req(&slot->hdr, buf, size, slot->req_off);
	if (err)
		return err;

	fill_req(slot);
	if (slot->hdr.usr_len > RTRS_USR_MSG_MAX)
		return -EMSGSIZE;

	memcpy(slot->msg, buf + slot->hdr.data_len, slot->hdr.usr_len);
	return 0;
}

static void hand_up(struct rtrs_srv_req *req)
{
	struct rtrs_srv_slot *slot = rtrs_srv_req_slot(req);
	struct rtrs_srv_path *path = slot->con->path;
	struct rtrs_srv_sess *sess = path->sess;
	int err;

	if (rtrs_srv_path_state(path) != RTRS_SRV_CONNECTED) {
		rtrs_srv_slot_drop(slot);
		return;
	}

	err = copy_and_check(slot);
	if (err && err != -EMSGSIZE) {
		rtrs_srv_path_fail(path, "malformed request", err);
		rtrs_srv_slot_drop(slot);
		return;
	}

	rtrs_srv_trace_stamp(&slot->handed_ns);
	trace_rtrs_srv_req_start(slot);
	if (err)
		rtrs_srv_respond(req, err);
	else
		sess->srv->ops->request(sess->upper, req);
}

static void start(struct rtrs_srv_slot *slot)
{
	if (!rtrs_srv_conf.revoke_always || rtrs_srv_revoke(&slot->req, hand_up))
		hand_up(&slot->req);
}

/**
 * rtrs_srv_io_resume_work - run a request that was parked
 * @work: &rtrs_srv_slot.resume
 *
 * Context: process.
 */
void rtrs_srv_io_resume_work(struct work_struct *work)
{
	start(container_of(work, struct rtrs_srv_slot, resume));
}

static void request(struct rtrs_srv_con *con, u32 imm)
{
	unsigned int off_bits = rtrs_imm_off_bits(rtrs_srv_conf.queue_depth);
	u32 nr = rtrs_imm_req_id(imm, off_bits);
	u32 req_off = rtrs_imm_req_off(imm, off_bits);
	struct rtrs_srv_path *path = con->path;
	struct rtrs_srv_slot *slot;
	int err;

	if (nr >= rtrs_srv_conf.queue_depth || req_off >= rtrs_srv_conf.chunk_size) {
		rtrs_srv_path_fail(path, "immediate out of range", -EPROTO);
		return;
	}
	if (!percpu_ref_tryget_live(&path->inflight))
		return;

	rtrs_fault_delay(RTRS_FAULT_DELAY);
	slot = rtrs_srv_debug_slot(&path->sess->slots[nr], path);
	err = rtrs_srv_slot_claim(slot, con, req_off);
	if (!err) {
		start(slot);
	} else if (err != -EINPROGRESS) {
		rtrs_srv_path_fail(path, "slot used twice", err);
		percpu_ref_put(&path->inflight);
	}
}

static void dispatch(struct rtrs_srv_con *con, u32 imm)
{
	struct rtrs_srv_path *path = con->path;

	switch (rtrs_imm_type(imm)) {
	case RTRS_IO_REQ_IMM:
		rtrs_hb_alive(&path->hb);
		request(con, imm);
		break;
	case RTRS_HB_MSG_IMM:
	case RTRS_HB_ACK_IMM:
		rtrs_hb_recv(&path->hb, rtrs_imm_type(imm));
		break;
	default:
		rtrs_srv_path_fail(path, "unknown immediate", -EPROTO);
	}
}

/* Nothing but RDMA WRITE WITH IMM is allowed, and that not before INFO_RSP (17.13, 17.17). */
static bool is_allowed(const struct rtrs_srv_con *con, const struct ib_wc *wc)
{
	return wc->opcode == IB_WC_RECV_RDMA_WITH_IMM && (wc->wc_flags & IB_WC_WITH_IMM) &&
	       rtrs_srv_path_state(con->path) == RTRS_SRV_CONNECTED;
}

/* The same on connection 0 with the extension PATH_FENCE, where a fence may come too. */
static bool is_fence(const struct rtrs_srv_con *con, const struct ib_wc *wc)
{
	return wc->opcode == IB_WC_RECV && !(wc->wc_flags & IB_WC_WITH_IMM) &&
	       rtrs_srv_path_state(con->path) == RTRS_SRV_CONNECTED;
}

/**
 * rtrs_srv_io_service_done - the client has sent something on connection 0
 * @cq: completion queue of the connection
 * @wc: completion of a receive of &rtrs_srv_path.ring
 *
 * Context: process (workqueue of the completion queue).
 */
void rtrs_srv_io_service_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_recv_slot *recv = container_of(wc->wr_cqe, struct rtrs_recv_slot, cqe);
	struct rtrs_srv_con *con = cq->cq_context;
	struct rtrs_srv_path *path = con->path;
	int err;

	if (unlikely(wc->status != IB_WC_SUCCESS)) {
		rtrs_srv_path_fail_wc(path, "receive", wc);
		return;
	}
	if (is_fence(con, wc)) {
		rtrs_srv_fence_recv(path, rtrs_recv_ring_data(recv->ring, recv), wc->byte_len);
	} else if (!is_allowed(con, wc)) {
		rtrs_srv_path_fail(path, "unexpected message", -EPROTO);
		return;
	}

	err = rtrs_recv_ring_repost(recv->ring, recv);
	if (unlikely(err))
		rtrs_srv_path_fail(path, "posting a receive failed", err);
	else if (wc->wc_flags & IB_WC_WITH_IMM)
		dispatch(con, be32_to_cpu(wc->ex.imm_data));
}

/**
 * rtrs_srv_io_recv_done - the client has sent something
 * @cq: completion queue of the connection
 * @wc: completion of an empty receive
 *
 * Context: process (workqueue of the completion queue).
 */
void rtrs_srv_io_recv_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_srv_con *con = container_of(wc->wr_cqe, struct rtrs_srv_con, recv_cqe);
	int err;

	if (unlikely(wc->status != IB_WC_SUCCESS)) {
		rtrs_srv_path_fail_wc(con->path, "receive", wc);
		return;
	}
	rtrs_srv_debug_stall(con);
	if (unlikely(!is_allowed(con, wc))) {
		rtrs_srv_path_fail(con->path, "unexpected message", -EPROTO);
		return;
	}

	err = rtrs_srv_con_replace_recv(con);
	if (unlikely(err)) {
		rtrs_srv_path_fail(con->path, "posting receives failed", err);
		return;
	}
	dispatch(con, be32_to_cpu(wc->ex.imm_data));
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Short answers: several successes in one message.
 *
 * An extension, in force when the client knows it (Documentation/rtrs.rst, "Short
 * answers").  In AI mode every answer is a message with the key of one chunk.  A success
 * without data and without a new key says nothing but that, so several of them fit in
 * one message: the first is named by the immediate, the others by their entries.
 *
 * Normal operation: a connection gathers answers while it is crowded, which shows when a
 * completion, asked for every so often anyway, finds that more answers have left since.
 * Then an answer leaves at once when no message of short answers is on its way; else it
 * is held, and leaves with the next message when the completion of that one arrives.
 * When a number of completions found nothing held the crowd is over.  So nobody waits, and
 * no completion is spent, while there is little to do; and messages get fuller the more
 * there is.
 *
 * Failure: as for every answer; what is held when the path closes is flushed with the
 * answers that wait for credits.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "rtrs-srv.h"
#include "rtrs-srv-trace.h"

/**
 * rtrs_srv_short_fits - can the answer of a slot be one of several
 * @slot: slot, owned by the caller, with its result
 *
 * Context: any.
 *
 * Return: true for a success without data, on a path with short answers, whose key
 * stays as it is.
 */
bool rtrs_srv_short_fits(const struct rtrs_srv_slot *slot)
{
	return rtrs_srv_conf.new_rkey && !slot->err && !slot->revoked && !slot->hdr.has_desc &&
	       (slot->con->path->ext & RTRS_EXT_SHORT_ANSWER);
}

static void post_message(struct rtrs_srv_con *con, struct ib_sge *sges, unsigned int nr, u16 first)
{
	struct ib_send_wr wr = {
		.wr_cqe		= &con->short_cqe,
		.sg_list	= sges,
		.num_sge	= nr,
		.opcode		= IB_WR_SEND_WITH_IMM,
		.send_flags	= IB_SEND_SIGNALED,
		.ex.imm_data	= cpu_to_be32(rtrs_imm_pack_rsp(RTRS_IO_RSP_IMM, first, 0)),
	};
	int err;

	con->short_out = true;
	con->credits--;
	err = rtrs_con_post_send(&con->base, &wr);
	if (err)
		rtrs_srv_path_fail(con->path, "posting an answer failed", err);
}

/**
 * rtrs_srv_short_post - send what is held, as far as one message takes it
 * @con: connection; its lock is held
 *
 * A slot is idle, or another's, before its answer leaves.
 *
 * Context: any.
 *
 * Return: number of requests that have ended.
 */
unsigned int rtrs_srv_short_post(struct rtrs_srv_con *con)
{
	struct rtrs_srv_path *path = con->path;
	struct ib_sge sges[RTRS_ANSWER_BATCH];
	unsigned int ended = 0, nr = 0;
	struct rtrs_srv_slot *slot;
	u16 id, first = 0;

	lockdep_assert_held(&con->lock);

	if (con->short_out || con->stopped || !con->credits)
		return 0;

	while (nr < con->short_max && !list_empty(&con->held)) {
		slot = list_first_entry(&con->held, struct rtrs_srv_slot, entry);
		list_del(&slot->entry);
		id = slot->req.slot;
		trace_send_io_resp_imm(slot, 1);
		ended++;
		rtrs_srv_slot_release(slot);
		if (!nr)
			first = id;
		rtrs_srv_bufs_rkey_sge(&path->bufs, id, &sges[nr]);
		sges[nr++].lkey = path->dev_user.pd->local_dma_lkey;
	}
	if (nr)
		post_message(con, sges, nr, first);
	return ended;
}

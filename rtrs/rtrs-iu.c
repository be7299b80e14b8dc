// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Message buffers of a connection: single ones for the INFO exchange, and rings of
 * small receives.
 *
 * Normal operation: memory is allocated and DMA-mapped once and lives as long as the
 * connection.  A posted buffer belongs to the HCA until its completion callback.
 *
 * Failure: a post that fails is reported to the caller, who gives the connection up;
 * buffers are freed after rtrs_con_drain(), when the HCA is certain not to use them.
 */
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/slab.h>

#include "rtrs-pri.h"

#define RING_CHAIN	16	/* receives of a ring posted at once */

/**
 * rtrs_iu_alloc - allocate and map a message buffer
 * @dev: device that will read or write it; must outlive the buffer
 * @size: bytes
 * @dir: DMA_TO_DEVICE for sends, DMA_FROM_DEVICE for receives
 * @done: completion callback
 *
 * The size may follow from what a peer says; a failure to allocate is silent.
 *
 * Context: process, may sleep.
 *
 * Return: the buffer, zeroed, owned by the caller, or NULL.
 */
struct rtrs_iu *rtrs_iu_alloc(struct rtrs_dev *dev, size_t size, enum dma_data_direction dir,
			      void (*done)(struct ib_cq *cq, struct ib_wc *wc))
{
	struct rtrs_iu *iu;

	iu = kzalloc(sizeof(*iu), GFP_KERNEL);
	if (!iu)
		return NULL;

	iu->buf = kzalloc(size, GFP_KERNEL | __GFP_NOWARN);
	if (!iu->buf)
		goto free_iu;

	iu->dma = ib_dma_map_single(dev->ib_dev, iu->buf, size, dir);
	if (ib_dma_mapping_error(dev->ib_dev, iu->dma))
		goto free_buf;

	iu->cqe.done = done;
	iu->size = size;
	iu->dir = dir;
	iu->dev = dev;
	return iu;

free_buf:
	kfree(iu->buf);
free_iu:
	kfree(iu);
	return NULL;
}
EXPORT_SYMBOL_GPL(rtrs_iu_alloc);

/**
 * rtrs_iu_free - unmap and free a message buffer
 * @iu: buffer that no work request uses, or NULL
 *
 * Context: any but hard interrupt.
 */
void rtrs_iu_free(struct rtrs_iu *iu)
{
	if (!iu)
		return;

	ib_dma_unmap_single(iu->dev->ib_dev, iu->dma, iu->size, iu->dir);
	kfree(iu->buf);
	kfree(iu);
}
EXPORT_SYMBOL_GPL(rtrs_iu_free);

/**
 * rtrs_iu_sync_cpu - make what the HCA wrote visible
 * @iu: buffer whose receive has completed
 *
 * Context: any.
 */
void rtrs_iu_sync_cpu(struct rtrs_iu *iu)
{
	ib_dma_sync_single_for_cpu(iu->dev->ib_dev, iu->dma, iu->size, iu->dir);
}
EXPORT_SYMBOL_GPL(rtrs_iu_sync_cpu);

/**
 * rtrs_iu_post_recv - receive one message into a buffer
 * @con: connection
 * @iu: buffer; belongs to the HCA until its callback
 *
 * Context: any.
 *
 * Return: 0 or a negative errno; then the buffer is still the caller's and there will
 * be no callback.
 */
int rtrs_iu_post_recv(struct rtrs_con *con, struct rtrs_iu *iu)
{
	struct ib_sge sge = {
		.addr	= iu->dma,
		.length	= iu->size,
		.lkey	= con->qp->pd->local_dma_lkey,
	};
	struct ib_recv_wr wr = {
		.wr_cqe		= &iu->cqe,
		.sg_list	= &sge,
		.num_sge	= 1,
	};

	ib_dma_sync_single_for_device(iu->dev->ib_dev, iu->dma, iu->size, iu->dir);
	return rtrs_con_post_recv(con, &wr);
}
EXPORT_SYMBOL_GPL(rtrs_iu_post_recv);

/**
 * rtrs_iu_post_send - send a buffer as one SEND, signalled
 * @con: connection
 * @iu: buffer; belongs to the HCA until its callback
 * @len: bytes to send, at most @iu->size
 *
 * Context: any.
 *
 * Return: as rtrs_iu_post_recv().
 */
int rtrs_iu_post_send(struct rtrs_con *con, struct rtrs_iu *iu, size_t len)
{
	struct ib_sge sge = {
		.addr	= iu->dma,
		.length	= len,
		.lkey	= con->qp->pd->local_dma_lkey,
	};
	struct ib_send_wr wr = {
		.wr_cqe		= &iu->cqe,
		.sg_list	= &sge,
		.num_sge	= 1,
		.opcode		= IB_WR_SEND,
		.send_flags	= IB_SEND_SIGNALED,
	};

	ib_dma_sync_single_for_device(iu->dev->ib_dev, iu->dma, iu->size, iu->dir);
	return rtrs_con_post_send(con, &wr);
}
EXPORT_SYMBOL_GPL(rtrs_iu_post_send);

/*
 * A ring is made of single pages: a path that is connected anew may be what memory is to
 * come from, and must not depend on large pieces of it.
 */
static unsigned int slots_per_page(const struct rtrs_recv_ring *ring)
{
	return PAGE_SIZE / ring->size;
}

/* Gives the slots from @from on their buffers, as far as a page goes. */
static int map_page(struct rtrs_recv_ring *ring, unsigned int from)
{
	unsigned int i, to = min(from + slots_per_page(ring), ring->nr);
	struct ib_device *ib_dev = ring->con->dev->ib_dev;
	void *buf = (void *)get_zeroed_page(GFP_KERNEL);
	dma_addr_t dma;

	if (!buf)
		return -ENOMEM;
	dma = ib_dma_map_single(ib_dev, buf, PAGE_SIZE, DMA_FROM_DEVICE);
	if (ib_dma_mapping_error(ib_dev, dma)) {
		free_page((unsigned long)buf);
		return -ENOMEM;
	}
	for (i = from; i < to; i++) {
		ring->slots[i].buf = buf + (i - from) * ring->size;
		ring->slots[i].dma = dma + (i - from) * ring->size;
	}
	return 0;
}

static int map_buffers(struct rtrs_recv_ring *ring)
{
	unsigned int from;
	int err = 0;

	for (from = 0; from < ring->nr && !err; from += slots_per_page(ring))
		err = map_page(ring, from);
	return err;
}

static void unmap_buffers(struct rtrs_recv_ring *ring)
{
	struct rtrs_recv_slot *slot;
	unsigned int from;

	for (from = 0; from < ring->nr; from += slots_per_page(ring)) {
		slot = &ring->slots[from];
		if (!slot->buf)
			break;
		ib_dma_unmap_single(ring->con->dev->ib_dev, slot->dma, PAGE_SIZE, DMA_FROM_DEVICE);
		free_page((unsigned long)slot->buf);
	}
}

/**
 * rtrs_recv_ring_create - allocate the receives of a connection
 * @ring: to be set up
 * @con: connection, created; its device must outlive the ring
 * @nr: number of receives, at least 1
 * @size: bytes of each, a multiple of 8, at most a page, or 0 for receives without memory
 * @done: completion callback of all of them
 *
 * Nothing is posted yet.
 *
 * Context: process, may sleep.
 *
 * Return: 0 or -ENOMEM; then there is nothing to destroy.
 */
int rtrs_recv_ring_create(struct rtrs_recv_ring *ring, struct rtrs_con *con, unsigned int nr,
			  unsigned int size, void (*done)(struct ib_cq *cq, struct ib_wc *wc))
{
	unsigned int i;

	*ring = (struct rtrs_recv_ring) { .con = con, .nr = nr, .size = size };

	ring->slots = kvcalloc(nr, sizeof(*ring->slots), GFP_KERNEL);
	if (!ring->slots)
		return -ENOMEM;

	if (size && map_buffers(ring)) {
		rtrs_recv_ring_destroy(ring);
		return -ENOMEM;
	}

	for (i = 0; i < nr; i++) {
		ring->slots[i].cqe.done = done;
		ring->slots[i].ring = ring;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(rtrs_recv_ring_create);

/**
 * rtrs_recv_ring_destroy - free the receives of a connection
 * @ring: created or zero-initialised; the connection is drained
 *
 * May be called twice.
 *
 * Context: process, may sleep.
 */
void rtrs_recv_ring_destroy(struct rtrs_recv_ring *ring)
{
	if (ring->slots && ring->size)
		unmap_buffers(ring);
	kvfree(ring->slots);
	ring->slots = NULL;
}
EXPORT_SYMBOL_GPL(rtrs_recv_ring_destroy);

static void fill_recv(struct rtrs_recv_ring *ring, struct rtrs_recv_slot *slot,
		      struct ib_recv_wr *wr, struct ib_sge *sge)
{
	wr->next = NULL;
	wr->wr_cqe = &slot->cqe;
	wr->sg_list = sge;
	wr->num_sge = ring->size ? 1 : 0;
	if (!ring->size)
		return;

	sge->addr = slot->dma;
	sge->length = ring->size;
	sge->lkey = ring->con->qp->pd->local_dma_lkey;
	ib_dma_sync_single_for_device(ring->con->dev->ib_dev, sge->addr, sge->length,
				      DMA_FROM_DEVICE);
}

/* Post the receives @from .. @from + @nr - 1; @nr is at most RING_CHAIN. */
static int post_some(struct rtrs_recv_ring *ring, unsigned int from, unsigned int nr)
{
	struct ib_recv_wr wrs[RING_CHAIN];
	struct ib_sge sges[RING_CHAIN];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		fill_recv(ring, &ring->slots[from + i], &wrs[i], &sges[i]);
		if (i)
			wrs[i - 1].next = &wrs[i];
	}
	return rtrs_con_post_recv(ring->con, wrs);
}

/**
 * rtrs_recv_ring_post_all - post every receive of a ring
 * @ring: ring, nothing of it posted
 *
 * Context: any.
 *
 * Return: 0 or a negative errno, after which some are posted and the connection must
 * be given up.
 */
int rtrs_recv_ring_post_all(struct rtrs_recv_ring *ring)
{
	unsigned int from;
	int err = 0;

	for (from = 0; from < ring->nr && !err; from += RING_CHAIN)
		err = post_some(ring, from, min_t(unsigned int, RING_CHAIN, ring->nr - from));
	return err;
}
EXPORT_SYMBOL_GPL(rtrs_recv_ring_post_all);

/**
 * rtrs_recv_ring_repost - post a receive again
 * @ring: ring of @slot
 * @slot: receive that has completed successfully and whose data are not needed any more
 *
 * Context: any.
 *
 * Return: 0 or a negative errno; then the connection must be given up.
 */
int rtrs_recv_ring_repost(struct rtrs_recv_ring *ring, struct rtrs_recv_slot *slot)
{
	struct ib_recv_wr wr;
	struct ib_sge sge;

	fill_recv(ring, slot, &wr, &sge);
	return rtrs_con_post_recv(ring->con, &wr);
}
EXPORT_SYMBOL_GPL(rtrs_recv_ring_repost);

/**
 * rtrs_recv_ring_data - what a receive has brought
 * @ring: ring of @slot, with a buffer size other than 0
 * @slot: receive that has completed successfully
 *
 * How much it has brought is in &ib_wc.byte_len.
 *
 * Context: any.
 *
 * Return: the buffer, valid until rtrs_recv_ring_repost().
 */
const void *rtrs_recv_ring_data(struct rtrs_recv_ring *ring, struct rtrs_recv_slot *slot)
{
	ib_dma_sync_single_for_cpu(ring->con->dev->ib_dev, slot->dma, ring->size, DMA_FROM_DEVICE);
	return slot->buf;
}
EXPORT_SYMBOL_GPL(rtrs_recv_ring_data);

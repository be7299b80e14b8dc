// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory of the slots of a path: header buffers and registrations, and the mapping of a
 * request's data.
 *
 * Operation: data that goes to the server is gathered straight from the request's
 * segments under the device's local key when the segments fit a work request; the
 * rest, and all data that the server writes, goes through the slot's registration
 * under a new key for each use.
 * Recovery: what an attempt registered is released with that attempt, so nothing that
 * a lost path has left behind on the device outlives it.
 */
#include <linux/mm.h>

#include "rtrs-clt.h"
#include "rtrs-fault.h"

static void slot_destroy(struct rtrs_clt_slot *slot)
{
	rtrs_clt_slot_dereg(slot);
	if (slot->hdr)
		rtrs_iu_free(slot->hdr);
	slot->hdr = NULL;
}

static int slot_create(struct rtrs_clt_path *path, struct rtrs_clt_slot *slot)
{
	struct ib_mr *mr;

	slot->hdr = rtrs_iu_alloc(path->dev, RTRS_CLT_HDR_SIZE, DMA_TO_DEVICE, NULL);
	if (!slot->hdr)
		return -ENOMEM;
	mr = ib_alloc_mr(path->dev_user.pd, IB_MR_TYPE_MEM_REG, path->mr_pages);
	if (IS_ERR(mr))
		return PTR_ERR(mr);
	slot->mr = mr;
	rtrs_clt_slot_init(slot);
	return 0;
}

/* Kept over reconnects: only the first attempt knows how many there are. */
static int alloc_tables(struct rtrs_clt_path *path)
{
	if (!path->slots)
		path->slots = kvcalloc(path->nr_slots, sizeof(*path->slots), GFP_KERNEL);
	if (!path->chunks)
		path->chunks = kvcalloc(path->conn.queue_depth, sizeof(*path->chunks),
					GFP_KERNEL);
	return path->slots && path->chunks ? 0 : -ENOMEM;
}

/**
 * rtrs_clt_slots_create - give every slot its header buffer and registration
 * @path: path with its device, the accept of connection 0, and sizes
 *
 * May sleep.
 * Return: 0 or -ENOMEM or the device's errno; rtrs_clt_slots_destroy()
 * undoes a partial success too.
 */
int rtrs_clt_slots_create(struct rtrs_clt_path *path)
{
	unsigned int i;
	int err;

	err = alloc_tables(path);
	for (i = 0; !err && i < path->nr_slots; i++)
		err = slot_create(path, &path->slots[i]);
	return err;
}

/**
 * rtrs_clt_slots_destroy - release what rtrs_clt_slots_create() took from the device
 * @path: path; its queue pairs are gone and its slots idle
 *
 * May sleep.  The tables themselves stay.
 */
void rtrs_clt_slots_destroy(struct rtrs_clt_path *path)
{
	unsigned int i;

	if (!path->slots)
		return;
	for (i = 0; i < path->nr_slots; i++)
		slot_destroy(&path->slots[i]);
}

/**
 * rtrs_clt_slot_dereg - take the registration of a slot away from everybody
 * @slot: slot of a path whose queue pairs are drained
 *
 * May sleep.  Afterwards no peer has a key to the data of the slot's request.
 */
void rtrs_clt_slot_dereg(struct rtrs_clt_slot *slot)
{
	if (slot->mr)
		ib_dereg_mr(slot->mr);
	slot->mr = NULL;
}

static void gather(struct rtrs_clt_path *path, struct rtrs_clt_slot *slot,
		   struct rtrs_clt_req *req)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(req->sgl, sg, req->sg_mapped, i) {
		slot->sge[i].addr = sg_dma_address(sg);
		slot->sge[i].length = sg_dma_len(sg);
		slot->sge[i].lkey = path->dev_user.pd->local_dma_lkey;
	}
}

static int fast_register(struct rtrs_clt_slot *slot, struct rtrs_clt_req *req)
{
	struct ib_mr *mr = slot->mr;
	int nr;

	if (rtrs_fault(RTRS_FAULT_MR))
		return -EIO;
	nr = ib_map_mr_sg(mr, req->sgl, req->sg_mapped, NULL, RTRS_CLT_MR_PAGE_SIZE);
	if (nr != req->sg_mapped || mr->length != req->data_len)
		return nr < 0 ? nr : -EINVAL;

	ib_update_fast_reg_key(mr, ib_inc_rkey(mr->rkey));
	slot->reg_wr.key = mr->rkey;
	slot->reg_wr.access = IB_ACCESS_LOCAL_WRITE;
	if (req->dir == DMA_FROM_DEVICE)
		slot->reg_wr.access |= IB_ACCESS_REMOTE_WRITE;
	slot->inv_wr.ex.invalidate_rkey = mr->rkey;

	slot->sge[0].addr = mr->iova;
	slot->sge[0].length = mr->length;
	slot->sge[0].lkey = mr->lkey;
	return 1;
}

/**
 * rtrs_clt_slot_map - make the data of a request reachable for the device
 * @path: path
 * @slot: slot of the request
 * @req: request
 *
 * Any context.  Fills the head of the gather list of @slot with the data that goes to
 * the server.
 * Return: 1 when the slot's registration must be posted and later be
 * invalidated, 0 when not, or a negative errno and nothing is mapped.
 */
int rtrs_clt_slot_map(struct rtrs_clt_path *path, struct rtrs_clt_slot *slot,
		      struct rtrs_clt_req *req)
{
	int ret;

	req->sg_mapped = 0;
	if (!req->nents)
		return 0;

	req->sg_mapped = ib_dma_map_sg(path->dev->ib_dev, req->sgl, req->nents, req->dir);
	if (!req->sg_mapped)
		return -ENOMEM;
	if (req->dir == DMA_TO_DEVICE && req->sg_mapped < path->max_sge) {
		gather(path, slot, req);
		return 0;
	}

	ret = fast_register(slot, req);
	if (ret < 0)
		rtrs_clt_slot_unmap(path, req);
	return ret;
}

/**
 * rtrs_clt_slot_unmap - the device has no more business with the data of a request
 * @path: path that mapped it
 * @req: request
 *
 * Any context.
 */
void rtrs_clt_slot_unmap(struct rtrs_clt_path *path, struct rtrs_clt_req *req)
{
	if (req->sg_mapped)
		ib_dma_unmap_sg(path->dev->ib_dev, req->sgl, req->nents, req->dir);
	req->sg_mapped = 0;
}

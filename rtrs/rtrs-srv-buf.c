// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Chunk memory of a path and its memory regions.
 *
 * Normal operation: every path has queue_depth chunks of its own, zeroed, each
 * physically contiguous and aligned to its size.  What a late RDMA write of a dead path
 * stores can therefore never hit what a live path has brought.  In AI mode every chunk
 * has a memory region, so that its key can be revoked alone; else there are as few
 * regions as the device allows, of a number that divides queue_depth (4.4, 5).
 *
 * The key of a chunk: made at creation, valid after the registration that precedes
 * INFO_RSP; a revoked region gets its next key with rtrs_srv_bufs_rekey() and becomes
 * valid again by a registration in front of the answer.
 *
 * Failure: creation undoes itself.  Registrations that fail close the path.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/random.h>
#include <linux/slab.h>

#include "rtrs-srv.h"

static int alloc_chunk(struct rtrs_srv_chunk *chunk, struct ib_device *ib_dev)
{
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_COMP | __GFP_NOWARN | __GFP_RETRY_MAYFAIL;
	u32 size = rtrs_srv_conf.chunk_size;

	chunk->page = alloc_pages_node(ibdev_to_node(ib_dev), gfp, get_order(size));
	if (!chunk->page)
		return -ENOMEM;

	chunk->dma = ib_dma_map_page(ib_dev, chunk->page, 0, size, DMA_BIDIRECTIONAL);
	if (!ib_dma_mapping_error(ib_dev, chunk->dma))
		return 0;

	__free_pages(chunk->page, get_order(size));
	chunk->page = NULL;
	return -ENOMEM;
}

static void free_chunks(struct rtrs_srv_bufs *bufs, struct ib_device *ib_dev)
{
	u32 size = rtrs_srv_conf.chunk_size;
	struct rtrs_srv_chunk *chunk;

	for (chunk = bufs->chunks; chunk < bufs->chunks + rtrs_srv_conf.queue_depth; chunk++) {
		if (!chunk->page)
			break;
		ib_dma_unmap_page(ib_dev, chunk->dma, size, DMA_BIDIRECTIONAL);
		__free_pages(chunk->page, get_order(size));
	}
	kvfree(bufs->chunks);
	bufs->chunks = NULL;
}

static int alloc_chunks(struct rtrs_srv_bufs *bufs, struct ib_device *ib_dev)
{
	unsigned int i;
	int err;

	bufs->chunks = kvcalloc(rtrs_srv_conf.queue_depth, sizeof(*bufs->chunks), GFP_KERNEL);
	if (!bufs->chunks)
		return -ENOMEM;

	for (i = 0; i < rtrs_srv_conf.queue_depth; i++) {
		err = alloc_chunk(&bufs->chunks[i], ib_dev);
		if (err) {
			free_chunks(bufs, ib_dev);
			return err;
		}
	}
	return 0;
}

/* One page-list entry for each chunk, if the device knows pages of that size. */
static u32 pick_page_size(const struct ib_device *ib_dev)
{
	if (ib_dev->attrs.page_size_cap & rtrs_srv_conf.chunk_size)
		return rtrs_srv_conf.chunk_size;

	return min_t(u32, PAGE_SIZE, rtrs_srv_conf.chunk_size);
}

/* The fewest regions that the device allows and that divide the queue depth; 0: none. */
static unsigned int pick_nr_mrs(u32 max_entries, u32 entries_per_chunk)
{
	unsigned int depth = rtrs_srv_conf.queue_depth;
	u32 max_chunks = max_entries / entries_per_chunk;
	unsigned int nr;

	if (!max_chunks)
		return 0;
	if (rtrs_srv_conf.new_rkey)
		return depth;

	for (nr = DIV_ROUND_UP(depth, max_chunks); depth % nr; nr++)
		;
	return nr;
}

static int map_mr(struct rtrs_srv_bufs *bufs, struct ib_mr *mr, struct scatterlist *sgl,
		  const struct rtrs_srv_chunk *chunks)
{
	unsigned int nr = rtrs_srv_conf.queue_depth / bufs->nr_mrs;
	struct scatterlist *sg;
	unsigned int i;
	int mapped;

	sg_init_table(sgl, nr);
	for_each_sg(sgl, sg, nr, i) {
		sg_set_page(sg, chunks[i].page, rtrs_srv_conf.chunk_size, 0);
		sg_dma_address(sg) = chunks[i].dma;
		sg_dma_len(sg) = rtrs_srv_conf.chunk_size;
	}

	mapped = ib_map_mr_sg(mr, sgl, nr, NULL, bufs->page_size);
	if (mapped != nr)
		return mapped < 0 ? mapped : -EINVAL;

	/* The first key cannot be guessed from that of another path. */
	ib_update_fast_reg_key(mr, get_random_u8());
	return 0;
}

static int add_mrs(struct rtrs_srv_bufs *bufs, struct ib_pd *pd, struct scatterlist *sgl)
{
	unsigned int chunks = rtrs_srv_conf.queue_depth / bufs->nr_mrs;
	u32 entries = chunks * (rtrs_srv_conf.chunk_size / bufs->page_size);
	struct ib_mr *mr;
	unsigned int i;
	int err;

	for (i = 0; i < bufs->nr_mrs; i++) {
		mr = ib_alloc_mr(pd, IB_MR_TYPE_MEM_REG, entries);
		if (IS_ERR(mr))
			return PTR_ERR(mr);
		bufs->mrs[i] = mr;

		err = map_mr(bufs, mr, sgl, &bufs->chunks[i * chunks]);
		if (err)
			return err;
	}
	return 0;
}

static void free_mrs(struct rtrs_srv_bufs *bufs)
{
	unsigned int i;

	for (i = 0; i < bufs->nr_mrs && bufs->mrs[i]; i++)
		ib_dereg_mr(bufs->mrs[i]);
	kvfree(bufs->mrs);
	bufs->mrs = NULL;
}

static int alloc_mrs(struct rtrs_srv_bufs *bufs, struct rtrs_dev *dev, struct ib_pd *pd)
{
	struct scatterlist *sgl;
	int err;

	bufs->page_size = pick_page_size(dev->ib_dev);
	bufs->nr_mrs = pick_nr_mrs(dev->max_fr_pages,
				   rtrs_srv_conf.chunk_size / bufs->page_size);
	if (!bufs->nr_mrs)
		return -EINVAL;

	bufs->mrs = kvcalloc(bufs->nr_mrs, sizeof(*bufs->mrs), GFP_KERNEL);
	sgl = kvcalloc(rtrs_srv_conf.queue_depth / bufs->nr_mrs, sizeof(*sgl), GFP_KERNEL);
	if (bufs->mrs && sgl)
		err = add_mrs(bufs, pd, sgl);
	else
		err = -ENOMEM;

	kvfree(sgl);
	if (err && bufs->mrs)
		free_mrs(bufs);
	return err;
}

static struct rtrs_msg_rkey_rsp *rkey_msg(const struct rtrs_srv_bufs *bufs, u16 nr)
{
	return (struct rtrs_msg_rkey_rsp *)bufs->rkeys->buf + nr;
}

static void put_rkey(struct rtrs_srv_bufs *bufs, struct rtrs_dev *dev, u16 nr)
{
	rtrs_wire_put_rkey_rsp(rkey_msg(bufs, nr), nr, bufs->mrs[nr]->rkey);
	ib_dma_sync_single_for_device(dev->ib_dev,
				      bufs->rkeys->dma + nr * sizeof(struct rtrs_msg_rkey_rsp),
				      sizeof(struct rtrs_msg_rkey_rsp), DMA_TO_DEVICE);
}

/*
 * Each chunk has its message for good: while the key does not change there is nothing to
 * write before it is sent, and it is never changed while it may still be sent again.
 */
static int alloc_rkeys(struct rtrs_srv_bufs *bufs, struct rtrs_dev *dev)
{
	unsigned int i;

	if (!rtrs_srv_conf.new_rkey)
		return 0;

	bufs->rkeys = rtrs_iu_alloc(dev, array_size(rtrs_srv_conf.queue_depth,
						    sizeof(struct rtrs_msg_rkey_rsp)),
				    DMA_TO_DEVICE, NULL);
	if (!bufs->rkeys)
		return -ENOMEM;

	for (i = 0; i < rtrs_srv_conf.queue_depth; i++)
		put_rkey(bufs, dev, i);
	return 0;
}

/**
 * rtrs_srv_bufs_create - allocate the chunks and memory regions of a path
 * @bufs: zeroed
 * @dev: device of the path, held by the caller until rtrs_srv_bufs_destroy()
 * @pd: protection domain of the path
 *
 * Nothing is registered yet.
 *
 * Context: process, may sleep.
 *
 * Return: 0 or a negative errno; then there is nothing to destroy.
 */
int rtrs_srv_bufs_create(struct rtrs_srv_bufs *bufs, struct rtrs_dev *dev, struct ib_pd *pd)
{
	int err;

	err = alloc_chunks(bufs, dev->ib_dev);
	if (err)
		return err;

	err = alloc_mrs(bufs, dev, pd);
	if (err)
		goto free_chunks;

	err = alloc_rkeys(bufs, dev);
	if (err)
		goto free_mrs;
	return 0;

free_mrs:
	free_mrs(bufs);
free_chunks:
	free_chunks(bufs, dev->ib_dev);
	return err;
}

/**
 * rtrs_srv_bufs_destroy - free the chunks and memory regions of a path
 * @bufs: created; no queue pair of the path exists any more and no request runs
 * @dev: device of the path
 *
 * Context: process, may sleep.
 */
void rtrs_srv_bufs_destroy(struct rtrs_srv_bufs *bufs, struct rtrs_dev *dev)
{
	rtrs_iu_free(bufs->rkeys);
	bufs->rkeys = NULL;
	free_mrs(bufs);
	free_chunks(bufs, dev->ib_dev);
}

/**
 * rtrs_srv_bufs_describe - fill INFO_RSP
 * @bufs: memory of the path
 * @msg: zeroed, with room for @bufs->nr_mrs descriptors
 *
 * Context: any.
 */
void rtrs_srv_bufs_describe(const struct rtrs_srv_bufs *bufs, struct rtrs_msg_info_rsp *msg)
{
	u32 len = rtrs_srv_conf.queue_depth / bufs->nr_mrs * rtrs_srv_conf.chunk_size;
	unsigned int i;

	msg->type = cpu_to_le16(RTRS_MSG_INFO_RSP);
	msg->sg_cnt = cpu_to_le16(bufs->nr_mrs);
	for (i = 0; i < bufs->nr_mrs; i++) {
		msg->desc[i].addr = cpu_to_le64(bufs->mrs[i]->iova);
		msg->desc[i].key = cpu_to_le32(bufs->mrs[i]->rkey);
		msg->desc[i].len = cpu_to_le32(len);
	}
}

/**
 * rtrs_srv_mr_reg_wr - build the registration of a memory region under its present key
 * @mr: memory region, not registered
 * @wr: work request to fill
 *
 * Context: any.
 */
void rtrs_srv_mr_reg_wr(struct ib_mr *mr, struct ib_reg_wr *wr)
{
	*wr = (struct ib_reg_wr) {
		.wr.opcode	= IB_WR_REG_MR,
		.mr		= mr,
		.key		= mr->rkey,
		.access		= IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE,
	};
}

/**
 * rtrs_srv_bufs_rekey - give a chunk whose key was revoked the next one
 * @bufs: memory of the path; AI mode
 * @dev: device of the path
 * @nr: chunk number; its slot is owned by the caller
 *
 * Context: any.
 */
void rtrs_srv_bufs_rekey(struct rtrs_srv_bufs *bufs, struct rtrs_dev *dev, u16 nr)
{
	struct ib_mr *mr = bufs->mrs[nr];

	ib_update_fast_reg_key(mr, ib_inc_rkey(mr->rkey));
	put_rkey(bufs, dev, nr);
}

/**
 * rtrs_srv_bufs_rkey_sge - where the message with the present key of a chunk is
 * @bufs: memory of the path; AI mode
 * @nr: chunk number
 * @sge: to fill, except for the key
 *
 * Context: any.
 */
void rtrs_srv_bufs_rkey_sge(const struct rtrs_srv_bufs *bufs, u16 nr, struct ib_sge *sge)
{
	sge->addr = bufs->rkeys->dma + nr * sizeof(struct rtrs_msg_rkey_rsp);
	sge->length = sizeof(struct rtrs_msg_rkey_rsp);
}

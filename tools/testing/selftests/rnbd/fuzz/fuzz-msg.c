// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages of the block device (rnbd-common.c).  The first byte chooses the message.
 */
#include "fuzz.h"

#include "rnbd-common.h"

static bool power_of_2(u32 n)
{
	return n && !(n & (n - 1));
}

/* 13.19: what the block layer is going to be told */
static void geometry_bounds(const struct rnbd_geometry *geo)
{
	u32 block = geo->logical_block_size >> 9;

	MUST(geo->logical_block_size >= 512 && power_of_2(geo->logical_block_size));
	MUST(geo->physical_block_size >= geo->logical_block_size);
	MUST(power_of_2(geo->physical_block_size));
	MUST(geo->nsectors <= (u64)S64_MAX >> 9 && geo->nsectors % block == 0);
	MUST(geo->max_write_zeroes_sectors % block == 0);
	MUST(geo->max_discard_sectors % block == 0);
	MUST(!geo->fua || geo->writeback);
	if (!geo->max_discard_sectors) {
		MUST(!geo->secure_discard && !geo->discard_granularity);
		return;
	}
	MUST(geo->discard_granularity >= geo->logical_block_size);
	MUST(geo->discard_granularity % geo->logical_block_size == 0);
	MUST(geo->discard_alignment < geo->discard_granularity);
}

static void open_rsp(struct input *in)
{
	struct rnbd_msg_open_rsp msg;
	struct rnbd_geometry geo, again;
	u8 *mem = (u8 *)&msg;
	int err;

	for (size_t i = 0; i < sizeof(msg); i++)
		mem[i] = take(in, 1);
	err = rnbd_get_open_rsp(&geo, &msg);
	MUST(err == 0 || err == -EINVAL);
	if (err)
		return;
	geometry_bounds(&geo);
	rnbd_put_open_rsp(&msg, &geo, 0, 0);
	MUST(!rnbd_get_open_rsp(&again, &msg));
	MUST(again.device_id == geo.device_id && again.nsectors == geo.nsectors);
	MUST(again.logical_block_size == geo.logical_block_size);
	MUST(again.physical_block_size == geo.physical_block_size);
	MUST(again.max_discard_sectors == geo.max_discard_sectors);
	MUST(again.discard_granularity == geo.discard_granularity);
	MUST(again.discard_alignment == geo.discard_alignment);
	MUST(again.max_write_zeroes_sectors == geo.max_write_zeroes_sectors);
	MUST(again.secure_discard == geo.secure_discard);
	MUST(again.writeback == geo.writeback && again.fua == geo.fua);
}

static void open_msg(struct input *in)
{
	size_t len;
	u8 *data = rest(in, 512, &len);
	const struct rnbd_msg_open *msg = (void *)data;
	int err = rnbd_get_open(msg, len);

	MUST(err == 0 || err == -EINVAL);
	if (!err) {
		MUST(len >= 264 && msg->access_mode <= 2);
		MUST(strnlen(msg->dev_name, 255) >= 1 && strnlen(msg->dev_name, 255) <= 254);
	}
	free(data);
}

/* 13.4 to 13.7: what reaches the disk is inside the chunk and inside the disk */
static void io_bounds(const struct rnbd_io *io, struct input *par)
{
	enum dma_data_direction dir = take(par, 1) & 1 ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	u32 data_len = take(par, 4), rsp_len = take(par, 4);
	u32 block = 512 << take(par, 1) % 7;
	u64 nsectors = take(par, 8) / (block / 512) * (block / 512);

	if (!rnbd_check_io_data(io, dir, data_len, rsp_len)) {
		if ((io->opf & REQ_OP_MASK) == REQ_OP_READ)
			MUST(dir == DMA_FROM_DEVICE && rsp_len && rsp_len <= io->size &&
			     io->size == data_len);
		else if (rnbd_io_has_data(io))
			MUST(dir == DMA_TO_DEVICE && !rsp_len && io->size == data_len);
		else
			MUST(!data_len && !rsp_len);
	}
	if (!rnbd_check_range(io, nsectors, block) && !rnbd_io_is_flush(io)) {
		MUST(io->sector % (block / 512) == 0 && io->size % block == 0 && io->size);
		MUST(io->sector < nsectors && nsectors - io->sector >= io->size / 512);
	}
}

static void io(struct input *in)
{
	struct input par = *in;
	struct rnbd_io io, again;
	struct rnbd_msg_io msg;
	size_t len;
	u8 *data;
	u32 rw;
	int err;

	take(in, 8), take(in, 8), take(in, 2);
	data = rest(in, 64, &len);
	err = rnbd_get_io(&io, (void *)data, len);
	MUST(err == 0 || err == -EINVAL || err == -EOPNOTSUPP);
	if (!err) {
		MUST(len >= 24);
		MUST(rnbd_io_is_flush(&io) == !io.size);
		if (rnbd_io_is_flush(&io))
			MUST(io.sector == 0 && !(io.opf & REQ_FUA));
		if (io.opf & REQ_FUA)
			MUST((io.opf & REQ_OP_MASK) == REQ_OP_WRITE);
		io_bounds(&io, &par);
		/* a flush is an empty write at the server and an operation at the client */
		MUST(!rnbd_op_to_wire(rnbd_io_is_flush(&io) ? REQ_OP_FLUSH : io.opf, &rw));
		rnbd_put_io(&msg, &io, rw);
		MUST(!rnbd_get_io(&again, &msg, sizeof(msg)));
		MUST(again.device_id == io.device_id && again.sector == io.sector);
		MUST(again.size == io.size && again.prio == io.prio);
		MUST((again.opf & REQ_OP_MASK) == (io.opf & REQ_OP_MASK));
		/* in front of data it is a flush of its own at the client (7.1) */
		if (rnbd_io_is_flush(&io))
			MUST((again.opf & io.opf) & REQ_PREFLUSH);
	}
	free(data);
}

static void small(struct input *in)
{
	int mode, err = -(int)take(in, 2);
	blk_status_t status = rnbd_errno_to_status(err);
	unsigned int max_class = take(in, 1) % 4;
	u16 prio = rnbd_clamp_prio(take(in, 2), max_class);
	unsigned int class = IOPRIO_PRIO_CLASS(prio);
	char *name;

	/* 9: nothing that failed may look like success; an errno that is known comes back */
	MUST((status == BLK_STS_OK) == !err);
	if (status != BLK_STS_IOERR)
		MUST(rnbd_status_to_errno(status) == err);
	MUST(rnbd_status_to_errno(take(in, 1)) <= 0);
	/* 13.14 */
	MUST((prio & 0x1fff) < 8);
	MUST(class == IOPRIO_CLASS_NONE || (max_class && class >= max_class));

	name = text(in);
	mode = rnbd_access_mode_parse(name);
	MUST(mode == -EINVAL || !strcmp(rnbd_access_mode_str(mode), name));
	free(name);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	static void (*const targets[])(struct input *in) = { open_rsp, open_msg, io, small };
	struct input in = { data, len };

	targets[take(&in, 1) % ARRAY_SIZE(targets)](&in);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pure code of RNBD, linked into client and server.
 *
 * Purpose: the one place where a wire message becomes host values and back: names
 * of access modes, operations and flags, errno against block status, and the check
 * of every received structure.
 * Operation: a get function takes a private copy of a message (never memory that
 * the peer can still write), verifies it and converts it; a put function zeroes the
 * message before it fills it, so that no old memory travels.
 * Failure: a negative errno, which is what the peer is answered with.  Nothing is
 * logged here, nothing sleeps, nothing is allocated; any context will do.
 */
#include <linux/errno.h>
#include <linux/ioprio.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/string.h>

#include "rnbd-common.h"

static const char * const access_modes[RNBD_ACCESS_NR] = {
	[RNBD_ACCESS_RO]	= "ro",
	[RNBD_ACCESS_RW]	= "rw",
	[RNBD_ACCESS_MIGRATION]	= "migration",
};

/**
 * rnbd_access_mode_str() - name of an access mode
 * @mode: access mode
 *
 * Return: the name that the administrative interface uses, "unknown" when @mode is
 * out of range.
 */
const char *rnbd_access_mode_str(enum rnbd_access_mode mode)
{
	return (unsigned int)mode < RNBD_ACCESS_NR ? access_modes[mode] : "unknown";
}

/**
 * rnbd_access_mode_parse() - access mode of a name
 * @str: name; case matters
 *
 * Return: &enum rnbd_access_mode or -EINVAL.
 */
int rnbd_access_mode_parse(const char *str)
{
	int i;

	for (i = 0; i < RNBD_ACCESS_NR; i++)
		if (!strcmp(str, access_modes[i]))
			return i;
	return -EINVAL;
}

/**
 * rnbd_op_to_wire() - operation and flags of a request as sent (7.1)
 * @opf: operation and flags of the block layer
 * @rw: set to the value for &rnbd_msg_io.rw
 *
 * FUA is sent only where a server may act on it: with a write, and with a flush,
 * where it is customary.  A server that does not know "do not unmap" ignores it.  Preflush
 * is never sent: the block layer has made a flush of its own out of it.
 *
 * Return: 0, or -EOPNOTSUPP for an operation that has no message.
 */
int rnbd_op_to_wire(blk_opf_t opf, u32 *rw)
{
	u32 sync = op_is_sync(opf) ? RNBD_F_SYNC : 0;
	u32 fua = op_is_flush(opf) ? RNBD_F_FUA : 0;

	switch (opf & REQ_OP_MASK) {
	case REQ_OP_READ:
		*rw = RNBD_OP_READ | RNBD_F_SYNC;
		return 0;
	case REQ_OP_WRITE:
		*rw = RNBD_OP_WRITE | sync | fua;
		return 0;
	case REQ_OP_FLUSH:
		*rw = RNBD_OP_FLUSH | RNBD_F_SYNC | RNBD_F_FUA;
		return 0;
	case REQ_OP_DISCARD:
		*rw = RNBD_OP_DISCARD | sync;
		return 0;
	case REQ_OP_SECURE_ERASE:
		*rw = RNBD_OP_SECURE_ERASE | sync;
		return 0;
	case REQ_OP_WRITE_ZEROES:
		*rw = RNBD_OP_WRITE_ZEROES | sync;
		if (opf & REQ_NOUNMAP)
			*rw |= RNBD_F_NOUNMAP;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * rnbd_op_from_wire() - operation and flags for the bio of a message (7.2)
 * @rw: &rnbd_msg_io.rw, host byte order
 * @opf: set to operation and flags
 *
 * A flush becomes an empty write with preflush.  FUA is dropped there: it has no
 * data to force out and would cost a second flush on a device without FUA.
 * Elsewhere FUA and preflush count for writes only.  A synchronous write is marked like
 * direct I/O, since somebody waits for it on the client: it is not background writeback.
 * Flags that do not fit the operation, and unknown ones, are ignored (10.8).
 *
 * Return: 0, or -EOPNOTSUPP for an unknown operation.
 */
int rnbd_op_from_wire(u32 rw, blk_opf_t *opf)
{
	blk_opf_t sync = rw & RNBD_F_SYNC ? REQ_SYNC : 0;

	switch (rw & RNBD_OP_MASK) {
	case RNBD_OP_READ:
		*opf = REQ_OP_READ | sync;
		return 0;
	case RNBD_OP_WRITE:
		*opf = REQ_OP_WRITE | sync;
		if (sync)
			*opf |= REQ_IDLE;
		if (rw & RNBD_F_FUA)
			*opf |= REQ_FUA;
		if (rw & RNBD_F_PREFLUSH)
			*opf |= REQ_PREFLUSH;
		return 0;
	case RNBD_OP_FLUSH:
		*opf = REQ_OP_WRITE | REQ_PREFLUSH | sync;
		return 0;
	case RNBD_OP_DISCARD:
		*opf = REQ_OP_DISCARD | sync;
		return 0;
	case RNBD_OP_SECURE_ERASE:
		*opf = REQ_OP_SECURE_ERASE | sync;
		return 0;
	case RNBD_OP_WRITE_ZEROES:
		*opf = REQ_OP_WRITE_ZEROES | sync;
		if (rw & RNBD_F_NOUNMAP)
			*opf |= REQ_NOUNMAP;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/*
 * Status and errno (9).  EIO stands first: where a kernel lacks one of the last two
 * and has it defined as BLK_STS_IOERR, that status still travels as EIO.  The status
 * that device mapper uses among its own parts is not here, hence EIO both ways.
 */
static const struct {
	blk_status_t	status;
	int		err;
} status_table[] = {
	{ BLK_STS_OK,			0 },
	{ BLK_STS_IOERR,		-EIO },
	{ BLK_STS_NOTSUPP,		-EOPNOTSUPP },
	{ BLK_STS_TIMEOUT,		-ETIMEDOUT },
	{ BLK_STS_NOSPC,		-ENOSPC },
	{ BLK_STS_TRANSPORT,		-ENOLINK },
	{ BLK_STS_TARGET,		-EREMOTEIO },
	{ BLK_STS_RESV_CONFLICT,	-EBADE },
	{ BLK_STS_MEDIUM,		-ENODATA },
	{ BLK_STS_PROTECTION,		-EILSEQ },
	{ BLK_STS_RESOURCE,		-ENOMEM },
	{ BLK_STS_DEV_RESOURCE,		-EBUSY },
	{ BLK_STS_AGAIN,		-EAGAIN },
	{ BLK_STS_OFFLINE,		-ENODEV },
	{ BLK_STS_ZONE_OPEN_RESOURCE,	-ETOOMANYREFS },
	{ BLK_STS_ZONE_ACTIVE_RESOURCE,	-EOVERFLOW },
	{ BLK_STS_DURATION_LIMIT,	-ETIME },
	{ BLK_STS_INVAL,		-EINVAL },
};

/**
 * rnbd_status_to_errno() - server: status of a finished bio for the answer (9)
 * @status: block status
 *
 * Return: 0 or a negative errno; -EIO for a status without one.
 */
int rnbd_status_to_errno(blk_status_t status)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(status_table); i++)
		if (status_table[i].status == status)
			return status_table[i].err;
	return -EIO;
}

/**
 * rnbd_errno_to_status() - client: errno of an answer for the block layer (9)
 * @err: 0 or a negative errno
 *
 * Return: block status; BLK_STS_IOERR for an errno without one.
 */
blk_status_t rnbd_errno_to_status(int err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(status_table); i++)
		if (status_table[i].err == err)
			return status_table[i].status;
	return BLK_STS_IOERR;
}

/* Largest power of two that a 16-bit field of block sizes can carry. */
#define MAX_WIRE_BLOCK_SIZE	32768U

/**
 * rnbd_put_open_rsp() - server: fill an OPEN_RSP (3.4)
 * @msg: message, zeroed here
 * @geo: geometry; &rnbd_geometry.logical_block_size at most 32768, since a
 *	larger one cannot be told at all
 * @max_hw_sectors: 512-byte sectors, for information
 * @max_segments: for information
 */
void rnbd_put_open_rsp(struct rnbd_msg_open_rsp *msg, const struct rnbd_geometry *geo,
		       u32 max_hw_sectors, u16 max_segments)
{
	u32 physical = min(geo->physical_block_size, MAX_WIRE_BLOCK_SIZE);

	memset(msg, 0, sizeof(*msg));
	msg->hdr.type = cpu_to_le16(RNBD_MSG_OPEN_RSP);
	msg->device_id = cpu_to_le32(geo->device_id);
	msg->nsectors = cpu_to_le64(geo->nsectors);
	msg->max_hw_sectors = cpu_to_le32(max_hw_sectors);
	msg->max_write_zeroes_sectors = cpu_to_le32(geo->max_write_zeroes_sectors);
	msg->max_discard_sectors = cpu_to_le32(geo->max_discard_sectors);
	msg->discard_granularity = cpu_to_le32(geo->discard_granularity);
	msg->discard_alignment = cpu_to_le32(geo->discard_alignment);
	msg->physical_block_size = cpu_to_le16(physical);
	msg->logical_block_size = cpu_to_le16(min(geo->logical_block_size,
						  MAX_WIRE_BLOCK_SIZE));
	msg->max_segments = cpu_to_le16(max_segments);
	msg->secure_discard = cpu_to_le16(geo->secure_discard ? 1 : 0);
	if (geo->fua)
		msg->cache_policy |= RNBD_CACHE_FUA;
	if (geo->writeback)
		msg->cache_policy |= RNBD_CACHE_WRITEBACK;
}

/*
 * A discard that does not match the block size is switched off: the device is still
 * good for everything else.
 */
static void get_discard(struct rnbd_geometry *geo, const struct rnbd_msg_open_rsp *msg)
{
	u32 block_sectors = geo->logical_block_size >> SECTOR_SHIFT;
	u32 granularity = le32_to_cpu(msg->discard_granularity);
	u32 sectors = le32_to_cpu(msg->max_discard_sectors);

	if (!granularity)
		granularity = geo->logical_block_size;
	if (granularity % geo->logical_block_size)
		return;
	geo->max_discard_sectors = rounddown(sectors, block_sectors);
	if (!geo->max_discard_sectors)
		return;
	geo->discard_granularity = granularity;
	geo->discard_alignment = le32_to_cpu(msg->discard_alignment) % granularity;
	geo->secure_discard = msg->secure_discard != 0;
}

/**
 * rnbd_get_open_rsp() - client: check and convert an OPEN_RSP (13, items 19, 20)
 * @geo: filled on success
 * @msg: received message, private copy
 *
 * Return: 0, or -EINVAL: wrong type, no usable block size, or a capacity that
 * overflows or is not a whole number of blocks.
 */
int rnbd_get_open_rsp(struct rnbd_geometry *geo, const struct rnbd_msg_open_rsp *msg)
{
	u32 logical = le16_to_cpu(msg->logical_block_size);
	u32 physical = le16_to_cpu(msg->physical_block_size);
	u64 nsectors = le64_to_cpu(msg->nsectors);

	if (le16_to_cpu(msg->hdr.type) != RNBD_MSG_OPEN_RSP)
		return -EINVAL;
	if (logical < SECTOR_SIZE || !is_power_of_2(logical))
		return -EINVAL;
	if (physical < logical)
		physical = logical;
	if (!is_power_of_2(physical))
		return -EINVAL;
	if (nsectors > S64_MAX >> SECTOR_SHIFT || nsectors & ((logical >> SECTOR_SHIFT) - 1))
		return -EINVAL;

	memset(geo, 0, sizeof(*geo));
	geo->device_id = le32_to_cpu(msg->device_id);
	geo->nsectors = nsectors;
	geo->logical_block_size = logical;
	geo->physical_block_size = physical;
	geo->max_write_zeroes_sectors = rounddown(le32_to_cpu(msg->max_write_zeroes_sectors),
						  logical >> SECTOR_SHIFT);
	get_discard(geo, msg);
	geo->writeback = msg->cache_policy & RNBD_CACHE_WRITEBACK;
	geo->fua = geo->writeback && msg->cache_policy & RNBD_CACHE_FUA;
	return 0;
}

/**
 * rnbd_get_open() - server: check an OPEN message (13, items 1 and 3)
 * @msg: received message, private copy
 * @len: bytes of @msg
 *
 * Return: 0, then @msg has a known access mode and a non-empty, terminated name;
 * else -EINVAL.
 */
int rnbd_get_open(const struct rnbd_msg_open *msg, size_t len)
{
	if (len < sizeof(*msg))
		return -EINVAL;
	if (msg->access_mode >= RNBD_ACCESS_NR)
		return -EINVAL;
	if (!msg->dev_name[0] || !memchr(msg->dev_name, 0, sizeof(msg->dev_name)))
		return -EINVAL;
	return 0;
}

/**
 * rnbd_put_io() - client: fill an IO message (3.6)
 * @msg: message, zeroed here
 * @io: device, range and priority; for a flush sector all ones and size 0
 * @rw: from rnbd_op_to_wire()
 */
void rnbd_put_io(struct rnbd_msg_io *msg, const struct rnbd_io *io, u32 rw)
{
	*msg = (struct rnbd_msg_io) {
		.hdr.type	= cpu_to_le16(RNBD_MSG_IO),
		.device_id	= cpu_to_le32(io->device_id),
		.sector		= cpu_to_le64(io->sector),
		.rw		= cpu_to_le32(rw),
		.bi_size	= cpu_to_le32(io->size),
		.prio		= cpu_to_le16(io->prio),
	};
}

/**
 * rnbd_get_io() - server: check and convert an IO message (3.6, 7.2)
 * @io: filled on success
 * @msg: received message, private copy
 * @len: bytes of @msg; nothing behind them is read
 *
 * A write of nothing is read as a flush (13, item 4).  The sector of a flush is
 * ignored and becomes 0.
 *
 * Return: 0; -EINVAL for a message that is too short, a flush with a length, or
 * anything else without one; -EOPNOTSUPP for an unknown operation.
 */
int rnbd_get_io(struct rnbd_io *io, const struct rnbd_msg_io *msg, size_t len)
{
	u32 op;
	int err;

	if (len < RNBD_MSG_IO_MIN_LEN)
		return -EINVAL;
	op = le32_to_cpu(msg->rw) & RNBD_OP_MASK;
	err = rnbd_op_from_wire(le32_to_cpu(msg->rw), &io->opf);
	if (err)
		return err;

	io->device_id = le32_to_cpu(msg->device_id);
	io->sector = le64_to_cpu(msg->sector);
	io->size = le32_to_cpu(msg->bi_size);
	io->prio = len >= offsetofend(struct rnbd_msg_io, prio) ? le16_to_cpu(msg->prio) : 0;

	if (op == RNBD_OP_WRITE && !io->size)
		op = RNBD_OP_FLUSH;
	if (op != RNBD_OP_FLUSH)
		return io->size ? 0 : -EINVAL;
	io->opf = REQ_OP_WRITE | REQ_PREFLUSH | (io->opf & REQ_SYNC);
	io->sector = 0;
	return io->size ? -EINVAL : 0;
}

/**
 * rnbd_check_io_data() - server: does the transport's request fit the message? (13.4, 13.5)
 * @io: checked message
 * @dir: direction of the transport's request
 * @data_len: bytes of data brought, or of room for data, in the chunk
 * @rsp_len: bytes that the peer's descriptor takes
 *
 * Return: 0 or -EINVAL.  With 0 a read fills all bytes that will be sent back, and
 * a write has all bytes that it claims.
 */
int rnbd_check_io_data(const struct rnbd_io *io, enum dma_data_direction dir, u32 data_len,
		       u32 rsp_len)
{
	if (!rnbd_io_has_data(io))
		return data_len || rsp_len ? -EINVAL : 0;
	if (io->size != data_len)
		return -EINVAL;
	if (op_is_write(io->opf))
		return dir == DMA_TO_DEVICE && !rsp_len ? 0 : -EINVAL;
	return dir == DMA_FROM_DEVICE && rsp_len && rsp_len <= data_len ? 0 : -EINVAL;
}

/**
 * rnbd_check_range() - server: is the range on the device? (13.7)
 * @io: checked message
 * @nsectors: capacity, 512-byte sectors
 * @logical_block_size: bytes, power of two >= 512
 *
 * Return: 0; -EINVAL when start or length are not whole blocks; -EIO when the range
 * leaves the device.
 */
int rnbd_check_range(const struct rnbd_io *io, u64 nsectors, u32 logical_block_size)
{
	u32 sectors = io->size >> SECTOR_SHIFT;

	if (rnbd_io_is_flush(io))
		return 0;
	if (io->size & (logical_block_size - 1) ||
	    io->sector & ((logical_block_size >> SECTOR_SHIFT) - 1))
		return -EINVAL;
	if (sectors > nsectors || io->sector > nsectors - sectors)
		return -EIO;
	return 0;
}

/**
 * rnbd_clamp_prio() - server: priority that a peer may have (13.14)
 * @prio: as received, Linux ioprio encoding
 * @max_class: highest class allowed, IOPRIO_CLASS_RT, _BE or _IDLE; _NONE: the peer has no
 *	say at all
 *
 * What is above the allowed class becomes the top of that class, no or an unknown class
 * stays or becomes none where that is not more than what is allowed, and of the rest only
 * class and level count: hints stay with the administrator.
 *
 * Return: priority for a bio.
 */
u16 rnbd_clamp_prio(u16 prio, unsigned int max_class)
{
	unsigned int level = prio & (IOPRIO_NR_LEVELS - 1);
	unsigned int class = IOPRIO_PRIO_CLASS(prio);

	if (max_class == IOPRIO_CLASS_NONE)
		return 0;
	if (class == IOPRIO_CLASS_NONE || class > IOPRIO_CLASS_IDLE)
		return max_class == IOPRIO_CLASS_IDLE ?
		       IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0) : 0;
	/* a smaller number is a higher class, and a smaller level a higher priority */
	if (class < max_class)
		return IOPRIO_PRIO_VALUE(max_class, 0);
	if (class == IOPRIO_CLASS_IDLE)
		level = 0;
	return IOPRIO_PRIO_VALUE(class, level);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pure code that client and server of RNBD share (rnbd-common.c, linked into both
 * modules): names of access modes, conversion of operations and flags between block
 * layer and wire, errno on the wire, checks of received messages.  Nothing here
 * allocates, sleeps or logs.
 */
#ifndef RNBD_COMMON_H
#define RNBD_COMMON_H

#include <linux/blk_types.h>
#include <linux/dma-direction.h>

#include "rnbd-proto.h"

const char *rnbd_access_mode_str(enum rnbd_access_mode mode);
int rnbd_access_mode_parse(const char *str);

/* block layer to wire (7.1); -EOPNOTSUPP for an operation that has no message */
int rnbd_op_to_wire(blk_opf_t opf, u32 *rw);
/* wire to block layer (7.2, 13.6); -EOPNOTSUPP for an unknown operation */
int rnbd_op_from_wire(u32 rw, blk_opf_t *opf);

/* server: status of a bio as errno for the answer; client: errno as status (9) */
int rnbd_status_to_errno(blk_status_t status);
blk_status_t rnbd_errno_to_status(int err);

/**
 * struct rnbd_geometry - checked OPEN_RSP, host byte order
 * @device_id: handle
 * @nsectors: capacity, 512-byte sectors
 * @max_write_zeroes_sectors: 512-byte sectors
 * @max_discard_sectors: 512-byte sectors
 * @discard_granularity: bytes
 * @discard_alignment: bytes
 * @physical_block_size: bytes, never 0
 * @logical_block_size: bytes, power of two >= 512
 * @secure_discard: secure erase is supported
 * @fua: FUA is supported
 * @writeback: the device has a volatile cache
 */
struct rnbd_geometry {
	u32	device_id;
	u64	nsectors;
	u32	max_write_zeroes_sectors;
	u32	max_discard_sectors;
	u32	discard_granularity;
	u32	discard_alignment;
	u32	physical_block_size;
	u32	logical_block_size;
	bool	secure_discard;
	bool	fua;
	bool	writeback;
};

/**
 * struct rnbd_io - checked IO message, host byte order
 * @device_id: handle
 * @opf: operation and flags for the bio; a flush is an empty write with preflush
 * @sector: start, 512-byte sectors
 * @size: bytes
 * @prio: as sent; 0 where the message has none
 */
struct rnbd_io {
	u32		device_id;
	blk_opf_t	opf;
	u64		sector;
	u32		size;
	u16		prio;
};

static inline bool rnbd_io_is_flush(const struct rnbd_io *io)
{
	return (io->opf & REQ_PREFLUSH) && !io->size;
}

/* read and write, as opposed to flush, discard, secure erase and write zeroes */
static inline bool rnbd_io_has_data(const struct rnbd_io *io)
{
	blk_opf_t op = io->opf & REQ_OP_MASK;

	return (op == REQ_OP_READ || op == REQ_OP_WRITE) && !rnbd_io_is_flush(io);
}

void rnbd_put_open_rsp(struct rnbd_msg_open_rsp *msg, const struct rnbd_geometry *geo,
		       u32 max_hw_sectors, u16 max_segments);
int rnbd_get_open_rsp(struct rnbd_geometry *geo, const struct rnbd_msg_open_rsp *msg);
int rnbd_get_open(const struct rnbd_msg_open *msg, size_t len);
void rnbd_put_io(struct rnbd_msg_io *msg, const struct rnbd_io *io, u32 rw);
int rnbd_get_io(struct rnbd_io *io, const struct rnbd_msg_io *msg, size_t len);
int rnbd_check_io_data(const struct rnbd_io *io, enum dma_data_direction dir, u32 data_len,
		       u32 rsp_len);
int rnbd_check_range(const struct rnbd_io *io, u64 nsectors, u32 logical_block_size);
u16 rnbd_clamp_prio(u16 prio, unsigned int max_class);

#endif /* RNBD_COMMON_H */

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RNBD wire format: message layouts and protocol constants, and nothing else.
 * Every message is the user message of an RTRS request.  Section numbers in the
 * comments are those of the RNBD wire specification.
 *
 * A sector on the wire is 512 bytes.  Padding and reserved bytes are sent as zero
 * and ignored when received.
 */
#ifndef RNBD_PROTO_H
#define RNBD_PROTO_H

#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

#define RNBD_PROTO_VER_MAJOR	2
#define RNBD_DEFAULT_PORT	1234
#define RNBD_NAME_LEN		255	/* bytes, terminating NUL included */

enum rnbd_msg_type {
	RNBD_MSG_SESS_INFO	= 0,
	RNBD_MSG_SESS_INFO_RSP	= 1,
	RNBD_MSG_OPEN		= 2,
	RNBD_MSG_OPEN_RSP	= 3,
	RNBD_MSG_IO		= 4,
	RNBD_MSG_CLOSE		= 5,
};

enum rnbd_access_mode {
	RNBD_ACCESS_RO		= 0,
	RNBD_ACCESS_RW		= 1,
	RNBD_ACCESS_MIGRATION	= 2,
	RNBD_ACCESS_NR
};

enum rnbd_io_op {
	RNBD_OP_READ		= 0,
	RNBD_OP_WRITE		= 1,
	RNBD_OP_FLUSH		= 2,
	RNBD_OP_DISCARD		= 3,
	RNBD_OP_SECURE_ERASE	= 4,
	RNBD_OP_WRITE_ZEROES	= 5,
};

/* rnbd_msg_io.rw: operation in bits 0..7, flags above; unknown flags are ignored */
#define RNBD_OP_MASK		0xffU
#define RNBD_F_SYNC		BIT(8)
#define RNBD_F_FUA		BIT(9)
/* of later kernels (10.8); others ignore them */
#define RNBD_F_PREFLUSH		BIT(10)
#define RNBD_F_NOUNMAP		BIT(11)

/* rnbd_msg_open_rsp.cache_policy */
#define RNBD_CACHE_FUA		0x01
#define RNBD_CACHE_WRITEBACK	0x02

/**
 * struct rnbd_msg_hdr - starts every message (3.1)
 * @type: &enum rnbd_msg_type
 * @padding: zero
 */
struct rnbd_msg_hdr {
	__le16	type;
	__le16	padding;
};
static_assert(sizeof(struct rnbd_msg_hdr) == 4);

/**
 * struct rnbd_msg_sess_info - version offer and its answer (3.2)
 * @hdr: type SESS_INFO or SESS_INFO_RSP
 * @ver: major version; offered by the client, agreed in the answer
 * @reserved: zero
 */
struct rnbd_msg_sess_info {
	struct rnbd_msg_hdr hdr;
	u8	ver;
	u8	reserved[31];
};
static_assert(sizeof(struct rnbd_msg_sess_info) == 36);

/**
 * struct rnbd_msg_open - open a device (3.3)
 * @hdr: type OPEN
 * @access_mode: &enum rnbd_access_mode
 * @reserved: zero
 * @dev_name: path below the server's search path, NUL-terminated
 * @reserved2: zero
 */
struct rnbd_msg_open {
	struct rnbd_msg_hdr hdr;
	u8	access_mode;
	u8	reserved;
	char	dev_name[RNBD_NAME_LEN];
	u8	reserved2[3];
};
static_assert(sizeof(struct rnbd_msg_open) == 264);
static_assert(offsetof(struct rnbd_msg_open, dev_name) == 6);

/**
 * struct rnbd_msg_open_rsp - geometry of an opened device (3.4)
 * @hdr: type OPEN_RSP
 * @device_id: handle for IO and CLOSE
 * @nsectors: capacity, 512-byte sectors
 * @max_hw_sectors: 512-byte sectors
 * @max_write_zeroes_sectors: 512-byte sectors, 0: not supported
 * @max_discard_sectors: 512-byte sectors, 0: not supported
 * @discard_granularity: bytes
 * @discard_alignment: bytes
 * @physical_block_size: bytes
 * @logical_block_size: bytes
 * @max_segments: count
 * @secure_discard: nonzero when secure erase is supported
 * @obsolete_rotational: zero
 * @cache_policy: %RNBD_CACHE_FUA, %RNBD_CACHE_WRITEBACK
 * @reserved: zero
 */
struct rnbd_msg_open_rsp {
	struct rnbd_msg_hdr hdr;
	__le32	device_id;
	__le64	nsectors;
	__le32	max_hw_sectors;
	__le32	max_write_zeroes_sectors;
	__le32	max_discard_sectors;
	__le32	discard_granularity;
	__le32	discard_alignment;
	__le16	physical_block_size;
	__le16	logical_block_size;
	__le16	max_segments;
	__le16	secure_discard;
	u8	obsolete_rotational;
	u8	cache_policy;
	u8	reserved[10];
};
static_assert(sizeof(struct rnbd_msg_open_rsp) == 56);
static_assert(offsetof(struct rnbd_msg_open_rsp, cache_policy) == 45);

/**
 * struct rnbd_msg_close - close a device (3.5)
 * @hdr: type CLOSE
 * @device_id: from OPEN_RSP
 */
struct rnbd_msg_close {
	struct rnbd_msg_hdr hdr;
	__le32	device_id;
};
static_assert(sizeof(struct rnbd_msg_close) == 8);

/**
 * struct rnbd_msg_io - read, write, flush, discard, erase or zero (3.6)
 * @hdr: type IO
 * @device_id: from OPEN_RSP
 * @sector: start, 512-byte sectors; ignored for flush
 * @rw: operation and flags
 * @bi_size: length, bytes; 0 for flush
 * @prio: I/O priority, Linux ioprio encoding
 * @padding: zero
 */
struct rnbd_msg_io {
	struct rnbd_msg_hdr hdr;
	__le32	device_id;
	__le64	sector;
	__le32	rw;
	__le32	bi_size;
	__le16	prio;
	u8	padding[6];
};
static_assert(sizeof(struct rnbd_msg_io) == 32);
static_assert(offsetof(struct rnbd_msg_io, prio) == 24);

#define RNBD_MSG_IO_MIN_LEN	24	/* bytes; a message without prio */

#endif /* RNBD_PROTO_H */

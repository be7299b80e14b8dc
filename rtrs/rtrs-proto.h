/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RTRS wire format: message layouts, protocol constants and the packing of the
 * immediate value.  Nothing here knows of a driver structure, and nothing here
 * has a state; the encoders and the checks of received messages are in
 * rtrs-wire.c.
 *
 * All integers are little-endian at the offsets that the size and offset
 * assertions pin down; only the immediate travels in network byte order.
 * Section numbers in the comments are those of the RTRS wire specification.
 */
#ifndef RTRS_PROTO_H
#define RTRS_PROTO_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/stddef.h>
#include <linux/types.h>

#define RTRS_MAGIC			0x1BBD
#define RTRS_PROTO_VER_MAJOR		2
#define RTRS_PROTO_VER_MINOR		0
#define RTRS_PROTO_VER			((RTRS_PROTO_VER_MAJOR << 8) | RTRS_PROTO_VER_MINOR)

#define RTRS_MAX_CON_NUM		4096	/* connections of one path */
#define RTRS_MAX_PATHS_NUM		128	/* paths of one session */
#define RTRS_MAX_QUEUE_DEPTH		65535
#define RTRS_MIN_CHUNK_SIZE		8192	/* bytes */
#define RTRS_SERVICE_QUEUE_DEPTH	512	/* receives of connection 0 */
#define RTRS_NAME_LEN			255	/* bytes, terminating NUL included */
#define RTRS_UUID_LEN			16

/* ids of messages; the numbers of extensions start at 0x100 */
enum rtrs_msg_type {
	RTRS_MSG_INFO_REQ	= 0,
	RTRS_MSG_INFO_RSP	= 1,
	RTRS_MSG_WRITE		= 2,
	RTRS_MSG_READ		= 3,
	RTRS_MSG_RKEY_RSP	= 4,
	RTRS_MSG_FENCE		= 0x100,
	RTRS_MSG_FENCE_ACK	= 0x101,
	RTRS_MSG_FENCE_DRAIN	= 0x110,
};

/*
 * Extensions: offered in the connect request of connection 0, put in force by its accept.
 * Bits 0..15 are numbered by the specification of the extensions, 16 and up by us.
 */
#define RTRS_EXT_MAGIC			0x4658
#define RTRS_EXT_PATH_FENCE		BIT(0)	/* rtrs_msg_fence */
#define RTRS_EXT_SHORT_ANSWER		BIT(16)	/* Documentation/rtrs.rst, "Short answers" */
#define RTRS_EXT_FENCE_DRAIN		BIT(17)	/* Documentation/rtrs.rst, "Path fence" */
#define RTRS_ANSWER_BATCH		8	/* answers in one message, at most */

#define RTRS_CONN_FIRST_F		0x01	/* rtrs_msg_conn_req.flags */
#define RTRS_MSG_NEW_RKEY_F		0x02	/* rtrs_msg_conn_rsp.flags: AI mode */
#define RTRS_MSG_NEED_INVAL_F		0x01	/* rtrs_msg_rdma_read.flags */

/**
 * struct rtrs_msg_conn_req - private data of a connect request (2.3)
 * @cma_reserved: overlaid by the connection manager, zero
 * @magic: %RTRS_MAGIC
 * @version: %RTRS_PROTO_VER; only the major number is compared
 * @cid: number of this connection, below @cid_num
 * @cid_num: connections of the path, 1..%RTRS_MAX_CON_NUM
 * @recon_cnt: attempt counter of the path, 1 on the first attempt
 * @sess_uuid: identity of the path, kept over reconnects
 * @paths_uuid: identity of the session, the same for all its paths
 * @flags: %RTRS_CONN_FIRST_F: the server may create the session
 * @reserved1: zero
 * @ext_magic: %RTRS_EXT_MAGIC when @ext_offer is meant, else zero
 * @ext_offer: extensions that the client can use on this path
 * @reserved2: zero
 */
struct rtrs_msg_conn_req {
	u8	cma_reserved[2];
	__le16	magic;
	__le16	version;
	__le16	cid;
	__le16	cid_num;
	__le16	recon_cnt;
	u8	sess_uuid[RTRS_UUID_LEN];
	u8	paths_uuid[RTRS_UUID_LEN];
	u8	flags;
	u8	reserved1;
	__le16	ext_magic;
	__le32	ext_offer;
	u8	reserved2[4];
};
static_assert(sizeof(struct rtrs_msg_conn_req) == 56);
static_assert(offsetof(struct rtrs_msg_conn_req, sess_uuid) == 12);
static_assert(offsetof(struct rtrs_msg_conn_req, flags) == 44);
static_assert(offsetof(struct rtrs_msg_conn_req, ext_offer) == 48);

/**
 * struct rtrs_msg_conn_rsp - private data of an accept or a reject (2.4)
 * @magic: %RTRS_MAGIC
 * @version: %RTRS_PROTO_VER
 * @errno_le: 0 in an accept; a negative errno as 16-bit two's complement in a reject
 * @queue_depth: number of chunks; 0 in a reject
 * @max_io_size: bytes of data that fit a chunk
 * @max_hdr_size: bytes of a chunk kept for headers
 * @flags: %RTRS_MSG_NEW_RKEY_F in AI mode
 * @ext_magic: %RTRS_EXT_MAGIC when @ext_use is meant, else zero
 * @reserved1: zero
 * @ext_use: extensions that are in force on this path, a subset of the offer
 * @reserved2: zero
 */
struct rtrs_msg_conn_rsp {
	__le16	magic;
	__le16	version;
	__le16	errno_le;
	__le16	queue_depth;
	__le32	max_io_size;
	__le32	max_hdr_size;
	__le32	flags;
	__le16	ext_magic;
	u8	reserved1[2];
	__le32	ext_use;
	u8	reserved2[28];
};
static_assert(sizeof(struct rtrs_msg_conn_rsp) == 56);
static_assert(offsetof(struct rtrs_msg_conn_rsp, flags) == 16);
static_assert(offsetof(struct rtrs_msg_conn_rsp, ext_use) == 24);

/**
 * struct rtrs_msg_info_req - client announces the name of the session (4.1)
 * @type: %RTRS_MSG_INFO_REQ
 * @pathname: session name, NUL-terminated, zero-padded
 * @reserved: zero
 */
struct rtrs_msg_info_req {
	__le16	type;
	u8	pathname[RTRS_NAME_LEN];
	u8	reserved[15];
};
static_assert(sizeof(struct rtrs_msg_info_req) == 272);

/**
 * struct rtrs_sg_desc - remote memory (4.3)
 * @addr: remote virtual address for RDMA WRITE
 * @key: rkey
 * @len: bytes
 */
struct rtrs_sg_desc {
	__le64	addr;
	__le32	key;
	__le32	len;
};
static_assert(sizeof(struct rtrs_sg_desc) == 16);

/**
 * struct rtrs_msg_info_rsp - server announces the chunks of a path (4.2)
 * @type: %RTRS_MSG_INFO_RSP
 * @sg_cnt: number of descriptors; divides the queue depth
 * @reserved: zero
 * @desc: chunk memory in ascending chunk number
 */
struct rtrs_msg_info_rsp {
	__le16	type;
	__le16	sg_cnt;
	u8	reserved[4];
	struct rtrs_sg_desc desc[];
};
static_assert(sizeof(struct rtrs_msg_info_rsp) == 8);

/**
 * struct rtrs_msg_rdma_write - header of a request that brings data, or none (7.1)
 * @type: %RTRS_MSG_WRITE
 * @usr_len: bytes of the user message in front of this header
 */
struct rtrs_msg_rdma_write {
	__le16	type;
	__le16	usr_len;
};
static_assert(sizeof(struct rtrs_msg_rdma_write) == 4);

/**
 * struct rtrs_msg_rdma_read - header of a request that wants data (7.2)
 * @type: %RTRS_MSG_READ
 * @usr_len: bytes of the user message in front of this header
 * @flags: %RTRS_MSG_NEED_INVAL_F
 * @sg_cnt: 0 or 1
 * @desc: where the server writes the data
 */
struct rtrs_msg_rdma_read {
	__le16	type;
	__le16	usr_len;
	__le16	flags;
	__le16	sg_cnt;
	struct rtrs_sg_desc desc[];
};
static_assert(sizeof(struct rtrs_msg_rdma_read) == 8);

/**
 * struct rtrs_msg_rkey_rsp - payload of an answer in AI mode (9)
 * @type: %RTRS_MSG_RKEY_RSP
 * @buf_id: chunk number, equal to the msg_id of the immediate
 * @rkey: key for the next request in this chunk on this path
 */
struct rtrs_msg_rkey_rsp {
	__le16	type;
	__le16	buf_id;
	__le32	rkey;
};
static_assert(sizeof(struct rtrs_msg_rkey_rsp) == 8);

/**
 * struct rtrs_msg_fence - a path must not start any more requests, and the answer
 * @type: %RTRS_MSG_FENCE, %RTRS_MSG_FENCE_DRAIN or, in the answer, %RTRS_MSG_FENCE_ACK
 * @errno_le: 0; in the answer also a positive errno
 * @seq: chosen by the client; repeated in the answer
 * @sess_uuid: identity of the path to fence; repeated in the answer
 *
 * Plain SEND on connection 0 of another path of the session (extensions, section 3).
 */
struct rtrs_msg_fence {
	__le16	type;
	__le16	errno_le;
	__le32	seq;
	u8	sess_uuid[RTRS_UUID_LEN];
};
static_assert(sizeof(struct rtrs_msg_fence) == 24);
static_assert(offsetof(struct rtrs_msg_fence, sess_uuid) == 8);

/* Longest RTRS header behind a user message. */
#define RTRS_MAX_REQ_HDR	(sizeof(struct rtrs_msg_rdma_read) + sizeof(struct rtrs_sg_desc))

/*
 * Immediate value (6): type in bits 31..28, payload in bits 27..0.
 */
#define RTRS_IMM_PAYLOAD_BITS	28
#define RTRS_IMM_PAYLOAD_MASK	((1U << RTRS_IMM_PAYLOAD_BITS) - 1)
#define RTRS_IMM_RSP_ID_BITS	19
#define RTRS_IMM_RSP_ID_MASK	((1U << RTRS_IMM_RSP_ID_BITS) - 1)
#define RTRS_IMM_ERRNO_MAX	511

enum rtrs_imm_type {
	RTRS_IO_REQ_IMM		= 0,
	RTRS_IO_RSP_IMM		= 1,
	RTRS_IO_RSP_W_INV_IMM	= 2,
	RTRS_HB_MSG_IMM		= 8,
	RTRS_HB_ACK_IMM		= 9,
};

/* Bits needed to number @n things: the smallest b with 2^b >= n; 0 for n = 1. */
static inline unsigned int rtrs_ceil_log2(u32 n)
{
	return n <= 1 ? 0 : ilog2(n - 1) + 1;
}

/* Bits of a request immediate that hold the offset, given the queue depth. */
static inline unsigned int rtrs_imm_off_bits(u32 queue_depth)
{
	return RTRS_IMM_PAYLOAD_BITS - rtrs_ceil_log2(queue_depth);
}

/* May chunks of this number and size be addressed by one immediate? */
static inline bool rtrs_chunks_fit_imm(u32 queue_depth, u64 chunk_size)
{
	return queue_depth && chunk_size && chunk_size <= 1U << RTRS_IMM_PAYLOAD_BITS &&
	       rtrs_ceil_log2(queue_depth) + rtrs_ceil_log2(chunk_size) <= RTRS_IMM_PAYLOAD_BITS;
}

static inline u32 rtrs_imm_pack(enum rtrs_imm_type type, u32 payload)
{
	return ((u32)type << RTRS_IMM_PAYLOAD_BITS) | (payload & RTRS_IMM_PAYLOAD_MASK);
}

static inline unsigned int rtrs_imm_type(u32 imm)
{
	return imm >> RTRS_IMM_PAYLOAD_BITS;
}

static inline u32 rtrs_imm_payload(u32 imm)
{
	return imm & RTRS_IMM_PAYLOAD_MASK;
}

static inline u32 rtrs_imm_pack_req(u32 msg_id, u32 req_off, unsigned int off_bits)
{
	return rtrs_imm_pack(RTRS_IO_REQ_IMM, (msg_id << off_bits) | req_off);
}

static inline u32 rtrs_imm_req_id(u32 imm, unsigned int off_bits)
{
	return rtrs_imm_payload(imm) >> off_bits;
}

static inline u32 rtrs_imm_req_off(u32 imm, unsigned int off_bits)
{
	return rtrs_imm_payload(imm) & ((1U << off_bits) - 1);
}

/*
 * An errno crosses the wire in nine bits.  What does not fit becomes EIO, so
 * that no failure can be cut down to success (17.12).  @err is 0 or negative.
 */
static inline u32 rtrs_imm_pack_rsp(enum rtrs_imm_type type, u32 msg_id, int err)
{
	u32 code = EIO;

	if (err <= 0 && err >= -RTRS_IMM_ERRNO_MAX)
		code = -err;
	return rtrs_imm_pack(type, (code << RTRS_IMM_RSP_ID_BITS) |
				   (msg_id & RTRS_IMM_RSP_ID_MASK));
}

static inline u32 rtrs_imm_rsp_id(u32 imm)
{
	return imm & RTRS_IMM_RSP_ID_MASK;
}

/* 0 or a negative errno */
static inline int rtrs_imm_rsp_errno(u32 imm)
{
	return -(int)(rtrs_imm_payload(imm) >> RTRS_IMM_RSP_ID_BITS);
}

#endif /* RTRS_PROTO_H */

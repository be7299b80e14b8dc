// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages of the wire: one encoder and one check for each.
 *
 * Normal operation: put functions zero a message before they fill it, so that no
 * memory content leaks in reserved bytes.  Get functions check all that a received
 * message says before any of it is used, and hand the result up in host byte order;
 * what they accept needs no second look.  All functions are pure: no locks, no
 * memory, any context.
 *
 * Failure: an errno; what was decoded up to then is not to be used.
 *
 * Section numbers are those of the RTRS wire specification.
 */
#include <linux/ctype.h>
#include <linux/overflow.h>
#include <linux/string.h>

#include "rtrs-pri.h"

#define SECTOR_BYTES	512	/* smallest useful max_io_size */
#define VERSION_MAJOR(ver)	((ver) >> 8)

/*
 * A reject must carry a negative errno (2.4), and what comes from a peer must be one
 * that can be shown to a user: the numbers above are internal to a kernel.
 */
static int reject_errno(int err)
{
	return err < 0 && err >= -RTRS_IMM_ERRNO_MAX ? err : -ECONNRESET;
}

static bool is_our_protocol(__le16 magic, __le16 version)
{
	return le16_to_cpu(magic) == RTRS_MAGIC &&
	       VERSION_MAJOR(le16_to_cpu(version)) == RTRS_PROTO_VER_MAJOR;
}

static void put_ext(__le16 *magic, __le32 *bits, u32 ext)
{
	*magic = cpu_to_le16(ext ? RTRS_EXT_MAGIC : 0);
	*bits = cpu_to_le32(ext);
}

/* Without the magic the peer knows nothing of extensions, whatever the bytes say. */
static u32 get_ext(__le16 magic, __le32 bits)
{
	return le16_to_cpu(magic) == RTRS_EXT_MAGIC ? le32_to_cpu(bits) : 0;
}

/**
 * rtrs_wire_put_conn_req - private data of a connect request (2.3)
 * @msg: message
 * @req: values
 */
void rtrs_wire_put_conn_req(struct rtrs_msg_conn_req *msg, const struct rtrs_conn_req *req)
{
	memset(msg, 0, sizeof(*msg));
	msg->magic = cpu_to_le16(RTRS_MAGIC);
	msg->version = cpu_to_le16(RTRS_PROTO_VER);
	msg->cid = cpu_to_le16(req->cid);
	msg->cid_num = cpu_to_le16(req->cid_num);
	msg->recon_cnt = cpu_to_le16(req->recon_cnt);
	export_uuid(msg->sess_uuid, &req->sess_uuid);
	export_uuid(msg->paths_uuid, &req->paths_uuid);
	msg->flags = req->first_conn ? RTRS_CONN_FIRST_F : 0;
	put_ext(&msg->ext_magic, &msg->ext_offer, req->ext_offer);
}

/**
 * rtrs_wire_get_conn_req - check a connect request (2.5, checks 1 to 5)
 * @req: result
 * @data: private data, any alignment
 * @len: bytes of @data
 *
 * Return: 0, or -ECONNRESET, which is the errno to reject with.
 */
int rtrs_wire_get_conn_req(struct rtrs_conn_req *req, const void *data, size_t len)
{
	struct rtrs_msg_conn_req msg;

	if (len < sizeof(msg))
		return -ECONNRESET;
	memcpy(&msg, data, sizeof(msg));

	if (!is_our_protocol(msg.magic, msg.version))
		return -ECONNRESET;

	req->cid = le16_to_cpu(msg.cid);
	req->cid_num = le16_to_cpu(msg.cid_num);
	req->recon_cnt = le16_to_cpu(msg.recon_cnt);
	import_uuid(&req->sess_uuid, msg.sess_uuid);
	import_uuid(&req->paths_uuid, msg.paths_uuid);
	req->first_conn = msg.flags & RTRS_CONN_FIRST_F;
	req->ext_offer = get_ext(msg.ext_magic, msg.ext_offer);

	if (req->cid_num > RTRS_MAX_CON_NUM || req->cid >= req->cid_num)
		return -ECONNRESET;
	return 0;
}

static void put_conn_rsp(struct rtrs_msg_conn_rsp *msg, int err)
{
	memset(msg, 0, sizeof(*msg));
	msg->magic = cpu_to_le16(RTRS_MAGIC);
	msg->version = cpu_to_le16(RTRS_PROTO_VER);
	msg->errno_le = cpu_to_le16(err);
}

/**
 * rtrs_wire_put_accept - private data of an accept (2.4)
 * @msg: message
 * @rsp: values
 */
void rtrs_wire_put_accept(struct rtrs_msg_conn_rsp *msg, const struct rtrs_conn_rsp *rsp)
{
	put_conn_rsp(msg, 0);
	msg->queue_depth = cpu_to_le16(rsp->queue_depth);
	msg->max_io_size = cpu_to_le32(rsp->max_io_size);
	msg->max_hdr_size = cpu_to_le32(rsp->max_hdr_size);
	msg->flags = cpu_to_le32(rsp->new_rkey ? RTRS_MSG_NEW_RKEY_F : 0);
	put_ext(&msg->ext_magic, &msg->ext_use, rsp->ext_use);
}

/**
 * rtrs_wire_put_reject - private data of a reject (2.4)
 * @msg: message
 * @err: negative errno; anything that is not one the peer can use becomes -ECONNRESET
 */
void rtrs_wire_put_reject(struct rtrs_msg_conn_rsp *msg, int err)
{
	put_conn_rsp(msg, reject_errno(err));
}

/*
 * Copy out what both answers to a connect request begin with.  False if it is not
 * there or not ours.
 */
static bool get_conn_rsp(struct rtrs_msg_conn_rsp *msg, const void *data, size_t len)
{
	if (len < sizeof(*msg))
		return false;
	memcpy(msg, data, sizeof(*msg));

	return is_our_protocol(msg->magic, msg->version);
}

static u64 chunk_bytes(const struct rtrs_conn_rsp *rsp)
{
	return (u64)rsp->max_io_size + rsp->max_hdr_size;
}

/**
 * rtrs_wire_get_accept - check an accept (2.6 and 17.21)
 * @rsp: result: chunks of a size that immediates can address, with room for a
 *	sector and the longest message
 * @data: private data, any alignment
 * @len: bytes of @data
 *
 * Whether the values go with those of an earlier accept is for the caller to see.
 *
 * Return: 0; -ECONNRESET if it is not an accept of this protocol; -EPROTO if its
 * values cannot be used.
 */
int rtrs_wire_get_accept(struct rtrs_conn_rsp *rsp, const void *data, size_t len)
{
	struct rtrs_msg_conn_rsp msg;

	if (!get_conn_rsp(&msg, data, len) || msg.errno_le)
		return -ECONNRESET;

	rsp->queue_depth = le16_to_cpu(msg.queue_depth);
	rsp->max_io_size = le32_to_cpu(msg.max_io_size);
	rsp->max_hdr_size = le32_to_cpu(msg.max_hdr_size);
	rsp->new_rkey = le32_to_cpu(msg.flags) & RTRS_MSG_NEW_RKEY_F;
	rsp->ext_use = get_ext(msg.ext_magic, msg.ext_use);

	if (rsp->max_io_size < SECTOR_BYTES ||
	    rsp->max_hdr_size < RTRS_USR_MSG_MAX + RTRS_MAX_REQ_HDR ||
	    !rtrs_chunks_fit_imm(rsp->queue_depth, chunk_bytes(rsp)))
		return -EPROTO;
	return 0;
}

/**
 * rtrs_wire_get_reject - the errno of a reject (2.6)
 * @data: private data, any alignment; not read if @len is too small
 * @len: bytes of @data; 0 if the reject was not the consumer's
 *
 * Return: a negative errno that can be shown to a user, never 0 or positive;
 * -ECONNRESET if the reject carries none.
 */
int rtrs_wire_get_reject(const void *data, size_t len)
{
	struct rtrs_msg_conn_rsp msg;

	if (!get_conn_rsp(&msg, data, len))
		return -ECONNRESET;
	return reject_errno((s16)le16_to_cpu(msg.errno_le));
}

/**
 * rtrs_wire_put_info_req - announce the session name (4.1)
 * @msg: message
 * @name: passed by rtrs_sessname_check()
 */
void rtrs_wire_put_info_req(struct rtrs_msg_info_req *msg, const char *name)
{
	memset(msg, 0, sizeof(*msg));
	msg->type = cpu_to_le16(RTRS_MSG_INFO_REQ);
	strscpy((char *)msg->pathname, name, sizeof(msg->pathname));
}

/**
 * rtrs_wire_get_info_req - check an announced session name (4.4 step 2, 17.11)
 * @msg: message; its pathname is a proper name afterwards
 * @len: bytes received
 *
 * Return: 0; -EPROTO if it is not an INFO_REQ; -EINVAL if the name is not acceptable.
 * The path is to be closed.
 */
int rtrs_wire_get_info_req(const struct rtrs_msg_info_req *msg, size_t len)
{
	if (len < sizeof(*msg) || le16_to_cpu(msg->type) != RTRS_MSG_INFO_REQ)
		return -EPROTO;
	return rtrs_sessname_check((const char *)msg->pathname, sizeof(msg->pathname));
}

/* Store the chunks of one descriptor.  Returns their number, 0 if it is malformed. */
static u32 take_desc(const struct rtrs_sg_desc *desc, u32 chunk_size, u32 room,
		     struct rtrs_chunk *chunks)
{
	u64 end, addr = le64_to_cpu(desc->addr);
	u32 i, nr, len = le32_to_cpu(desc->len);

	nr = len / chunk_size;
	if (nr * chunk_size != len || nr > room || check_add_overflow(addr, (u64)len, &end))
		return 0;

	for (i = 0; i < nr; i++) {
		chunks[i].addr = addr + (u64)i * chunk_size;
		chunks[i].rkey = le32_to_cpu(desc->key);
	}
	return nr;
}

/**
 * rtrs_wire_get_info_rsp - check the announced chunks of a path (4.4 step 7, 17.23)
 * @msg: message
 * @len: bytes received
 * @conn: values of the path, passed by rtrs_wire_get_accept()
 * @chunks: result, @conn->queue_depth entries
 *
 * Return: 0 or -EPROTO; then @chunks is in part overwritten.
 */
int rtrs_wire_get_info_rsp(const struct rtrs_msg_info_rsp *msg, size_t len,
			   const struct rtrs_conn_rsp *conn, struct rtrs_chunk *chunks)
{
	u32 i, nr, sg_cnt, done = 0;

	if (len < sizeof(*msg) || le16_to_cpu(msg->type) != RTRS_MSG_INFO_RSP)
		return -EPROTO;

	sg_cnt = le16_to_cpu(msg->sg_cnt);
	if (!sg_cnt || conn->queue_depth % sg_cnt || len < struct_size(msg, desc, sg_cnt))
		return -EPROTO;

	for (i = 0; i < sg_cnt; i++) {
		nr = take_desc(&msg->desc[i], chunk_bytes(conn), conn->queue_depth - done,
			       &chunks[done]);
		if (!nr)
			return -EPROTO;
		done += nr;
	}
	return done == conn->queue_depth ? 0 : -EPROTO;
}

/**
 * rtrs_wire_put_req - user message and header of a request, as they follow the data (5, 7)
 * @buf: result; room for @usr_len + %RTRS_MAX_REQ_HDR bytes
 * @usr_msg: user message
 * @usr_len: bytes of @usr_msg
 * @dir: DMA_TO_DEVICE makes a WRITE, DMA_FROM_DEVICE a READ
 * @desc: READ: where the server puts the data, or NULL for none
 *
 * A READ never asks for a remote invalidation.
 *
 * Return: bytes used of @buf.
 */
size_t rtrs_wire_put_req(void *buf, const void *usr_msg, u16 usr_len,
			 enum dma_data_direction dir, const struct rtrs_sg_desc *desc)
{
	bool is_read = dir == DMA_FROM_DEVICE;
	struct rtrs_msg_rdma_read hdr = {
		.type		= cpu_to_le16(is_read ? RTRS_MSG_READ : RTRS_MSG_WRITE),
		.usr_len	= cpu_to_le16(usr_len),
		.sg_cnt		= cpu_to_le16(desc ? 1 : 0),
	};
	size_t len = usr_len;

	memcpy(buf, usr_msg, usr_len);
	if (!is_read) {
		memcpy(buf + len, &hdr, sizeof(struct rtrs_msg_rdma_write));
		return len + sizeof(struct rtrs_msg_rdma_write);
	}

	memcpy(buf + len, &hdr, sizeof(hdr));
	len += sizeof(hdr);
	if (desc) {
		memcpy(buf + len, desc, sizeof(*desc));
		len += sizeof(*desc);
	}
	return len;
}

/* The longest header; a WRITE has only the first two fields of it. */
struct req_hdr {
	struct rtrs_msg_rdma_read	read;
	struct rtrs_sg_desc		desc;
};

static_assert(sizeof(struct req_hdr) == RTRS_MAX_REQ_HDR);

/* Check what only a READ has; @room is the number of header bytes inside the chunk. */
static int get_read(struct rtrs_wire_req *req, const struct req_hdr *hdr, u32 room)
{
	u16 sg_cnt;

	if (room < sizeof(hdr->read))
		return -EPROTO;

	req->need_inval = le16_to_cpu(hdr->read.flags) & RTRS_MSG_NEED_INVAL_F;
	sg_cnt = le16_to_cpu(hdr->read.sg_cnt);
	if (!sg_cnt)
		return req->need_inval ? -EPROTO : 0;

	if (sg_cnt > 1 || room < sizeof(*hdr))
		return -EPROTO;

	req->has_desc = true;
	req->desc_addr = le64_to_cpu(hdr->desc.addr);
	req->desc_key = le32_to_cpu(hdr->desc.key);
	req->desc_len = le32_to_cpu(hdr->desc.len);
	return req->desc_len && req->desc_len <= req->data_len ? 0 : -EPROTO;
}

/**
 * rtrs_wire_get_req - check the header of a request (7, 17.3 to 17.6, 17.8, 17.15)
 * @req: result
 * @chunk: first byte of the chunk
 * @chunk_size: bytes of the chunk
 * @req_off: where the header begins, as the immediate says; any value
 *
 * The peer may write to the chunk at any time: the header is copied out once, and only
 * the copy is looked at.  The user message at @req->data_len is inside the chunk, but
 * may be longer than %RTRS_USR_MSG_MAX; the caller copies it before use.
 *
 * Return: 0, or -EPROTO, after which the path is to be closed.
 */
int rtrs_wire_get_req(struct rtrs_wire_req *req, const void *chunk, u32 chunk_size, u32 req_off)
{
	struct req_hdr hdr = {};
	u32 room;

	if (req_off >= chunk_size)
		return -EPROTO;
	room = min_t(u32, chunk_size - req_off, sizeof(hdr));
	if (room < sizeof(struct rtrs_msg_rdma_write))
		return -EPROTO;

	memcpy(&hdr, chunk + req_off, room);
	barrier();	/* the compiler must not go back to the chunk for a field */

	memset(req, 0, sizeof(*req));
	req->usr_len = le16_to_cpu(hdr.read.usr_len);
	if (!req->usr_len || req->usr_len > req_off)
		return -EPROTO;
	req->data_len = req_off - req->usr_len;

	switch (le16_to_cpu(hdr.read.type)) {
	case RTRS_MSG_WRITE:
		req->dir = DMA_TO_DEVICE;
		return 0;
	case RTRS_MSG_READ:
		req->dir = DMA_FROM_DEVICE;
		return get_read(req, &hdr, room);
	default:
		return -EPROTO;
	}
}

/**
 * rtrs_wire_put_rkey_rsp - payload of an answer in AI mode (9)
 * @msg: message
 * @buf_id: chunk, the same as in the immediate
 * @rkey: key of the chunk from now on
 */
void rtrs_wire_put_rkey_rsp(struct rtrs_msg_rkey_rsp *msg, u16 buf_id, u32 rkey)
{
	msg->type = cpu_to_le16(RTRS_MSG_RKEY_RSP);
	msg->buf_id = cpu_to_le16(buf_id);
	msg->rkey = cpu_to_le32(rkey);
}

/**
 * rtrs_wire_get_rkey_rsp - check the payload of an answer in AI mode (9, 17.26)
 * @msg: message
 * @len: bytes received
 * @queue_depth: of the session
 * @buf_id: result: chunk, below @queue_depth; the caller compares it with the immediate
 * @rkey: result: its key
 *
 * Return: 0, or -EPROTO, after which the path has failed.
 */
int rtrs_wire_get_rkey_rsp(const struct rtrs_msg_rkey_rsp *msg, size_t len, u32 queue_depth,
			   u16 *buf_id, u32 *rkey)
{
	if (len != sizeof(*msg) || le16_to_cpu(msg->type) != RTRS_MSG_RKEY_RSP ||
	    le16_to_cpu(msg->buf_id) >= queue_depth)
		return -EPROTO;

	*buf_id = le16_to_cpu(msg->buf_id);
	*rkey = le32_to_cpu(msg->rkey);
	return 0;
}

/**
 * rtrs_wire_put_fence - message of a path fence, or the answer (extensions, 3)
 * @msg: message
 * @fence: content
 */
void rtrs_wire_put_fence(struct rtrs_msg_fence *msg, const struct rtrs_fence *fence)
{
	msg->type = cpu_to_le16(fence->type);
	msg->errno_le = cpu_to_le16(-fence->err);
	msg->seq = cpu_to_le32(fence->seq);
	export_uuid(msg->sess_uuid, &fence->uuid);
}

/**
 * rtrs_wire_get_fence - take a message of a path fence apart
 * @fence: result; of what type it may be is the caller's to know
 * @data: message
 * @len: bytes received
 *
 * The errno is one that can be shown to a user, as in a reject.
 *
 * Return: 0, or -EPROTO, after which the path has failed.
 */
int rtrs_wire_get_fence(struct rtrs_fence *fence, const void *data, size_t len)
{
	const struct rtrs_msg_fence *msg = data;

	if (len != sizeof(*msg) || le16_to_cpu(msg->errno_le) > RTRS_IMM_ERRNO_MAX)
		return -EPROTO;

	fence->type = le16_to_cpu(msg->type);
	fence->err = -(int)le16_to_cpu(msg->errno_le);
	fence->seq = le32_to_cpu(msg->seq);
	import_uuid(&fence->uuid, msg->sess_uuid);
	return 0;
}

/* Bytes above ASCII are let through: names may be in UTF-8. */
static bool is_name_char(unsigned char c)
{
	return c != '/' && (!isascii(c) || isprint(c));
}

/**
 * rtrs_sessname_check - may this be the name of a session?
 * @name: name; may hold anything
 * @size: bytes of @name that may be read
 *
 * A name also becomes the name of a directory, and part of paths on the server: 1 to
 * 254 characters, printable, without `/`, not `.`, and without `..` anywhere.
 *
 * Return: 0 or -EINVAL.
 */
int rtrs_sessname_check(const char *name, size_t size)
{
	size_t i, len = strnlen(name, min_t(size_t, size, RTRS_NAME_LEN));

	if (!len || len == size || len == RTRS_NAME_LEN)
		return -EINVAL;
	if (len == 1 && name[0] == '.')
		return -EINVAL;

	for (i = 0; i < len; i++) {
		if (!is_name_char(name[i]) || (name[i] == '.' && name[i + 1] == '.'))
			return -EINVAL;
	}
	return 0;
}

/**
 * rtrs_sessname_at - does the name of a session tell the hosts
 * @name: name, passed by rtrs_sessname_check()
 *
 * Tools make names of the form `<client>@<server>`.
 *
 * Return: the `@` in @name, or NULL if the form is another.
 */
const char *rtrs_sessname_at(const char *name)
{
	const char *at = strchr(name, '@');

	if (!at || at == name || !at[1] || strchr(at + 1, '@'))
		return NULL;
	return at;
}

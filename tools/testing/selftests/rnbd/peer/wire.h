/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of RTRS and RNBD as bytes at offsets, written from the wire specification and from
 * nothing else, so that a mistake in the headers of the modules cannot hide here. Section
 * numbers are those of the RTRS wire specification, "R" those of the RNBD one.
 */
#ifndef PEER_WIRE_H
#define PEER_WIRE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RTRS_MAGIC		0x1bbd
#define RTRS_VERSION		0x0200
#define RTRS_EXT_MAGIC		0x4658
#define RTRS_EXT_FENCE		0x00001	/* specification of the extensions, 3 */
#define RTRS_EXT_SHORT		0x10000	/* Documentation/rtrs.rst, "Short answers" */
#define RTRS_EXT_DRAIN		0x20000	/* Documentation/rtrs.rst, "Path fence" */
#define RTRS_F_FIRST		0x01
#define RTRS_F_NEW_RKEY		0x02
#define RTRS_F_NEED_INVAL	0x01

#define PRIV_LEN		56	/* bytes of private data (2.3, 2.4) */
#define INFO_REQ_LEN		272
#define INFO_RSP_HDR		8
#define DESC_LEN		16
#define RKEY_RSP_LEN		8
#define BATCH_MAX		8	/* answers in one message, with short answers */
#define SERVICE_RECVS		1024	/* receives of a client on con 0 (10) */
#define WRITE_HDR		4
#define READ_HDR		8
#define UUID_LEN		16
#define FENCE_LEN		24

enum { MSG_INFO_REQ, MSG_INFO_RSP, MSG_WRITE, MSG_READ, MSG_RKEY_RSP };
enum { MSG_FENCE = 0x100, MSG_FENCE_ACK = 0x101, MSG_FENCE_DRAIN = 0x110 };
enum { IMM_REQ = 0, IMM_RSP = 1, IMM_RSP_INV = 2, IMM_HB = 8, IMM_HB_ACK = 9 };

enum { RNBD_SESS_INFO, RNBD_SESS_INFO_RSP, RNBD_OPEN, RNBD_OPEN_RSP, RNBD_IO, RNBD_CLOSE };
enum { RNBD_RO, RNBD_RW, RNBD_MIGRATION };
enum { OP_READ, OP_WRITE, OP_FLUSH, OP_DISCARD, OP_SECURE_ERASE, OP_WRITE_ZEROES };
#define OP_SYNC			0x100
#define OP_FUA			0x200
#define SESS_INFO_LEN		36
#define OPEN_LEN		264
#define OPEN_RSP_LEN		56
#define CLOSE_LEN		8
#define IO_LEN			32

static inline uint16_t get16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return le16toh(v);
}

static inline uint32_t get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return le32toh(v);
}

static inline uint64_t get64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return le64toh(v);
}

static inline void put16(void *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, 2);
}

static inline void put32(void *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, 4);
}

static inline void put64(void *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, 8);
}

/* A connect request (2.3); tests put wrong values in. */
struct conn_req {
	uint16_t magic, version, cid, cid_num, recon_cnt;
	uint8_t sess_uuid[UUID_LEN], paths_uuid[UUID_LEN];
	uint8_t flags;
	uint16_t ext_magic;
	uint32_t ext_offer;
};

/* An accept or a reject (2.4). */
struct conn_rsp {
	uint16_t magic, version, queue_depth, ext_magic;
	int16_t err;
	uint32_t max_io_size, max_hdr_size, flags, ext_use;
	bool reserved_zero;	/* all bytes that have no meaning, also with extensions */
};

struct open_rsp {
	uint16_t type, physical_block, logical_block, max_segments, secure_discard;
	uint32_t id, max_hw_sectors, max_zeroes, max_discard, granularity;
	uint64_t nsectors;
	uint8_t cache_policy;
	bool reserved_zero;
};

unsigned int ceil_log2(uint32_t n);
void put_conn_req(uint8_t buf[PRIV_LEN], const struct conn_req *req);
void get_conn_req(struct conn_req *req, const uint8_t buf[PRIV_LEN]);
void put_conn_rsp(uint8_t buf[PRIV_LEN], const struct conn_rsp *rsp);
void get_conn_rsp(struct conn_rsp *rsp, const uint8_t buf[PRIV_LEN]);
void put_info_req(uint8_t buf[INFO_REQ_LEN], const char *name);
void put_desc(uint8_t buf[DESC_LEN], uint64_t addr, uint32_t key, uint32_t len);
void put_sess_info(uint8_t buf[SESS_INFO_LEN], uint8_t ver);
void put_open(uint8_t buf[OPEN_LEN], const char *name, uint8_t mode);
void put_open_rsp(uint8_t buf[OPEN_RSP_LEN], const struct open_rsp *rsp);
void get_open_rsp(struct open_rsp *rsp, const uint8_t buf[OPEN_RSP_LEN]);
void put_close(uint8_t buf[CLOSE_LEN], uint32_t id);
bool all_bytes(const uint8_t *p, size_t len, uint8_t value);

#endif

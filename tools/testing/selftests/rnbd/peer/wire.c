// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Filling and reading the messages of wire.h. Nothing is checked here but reserved bytes: what
 * is right or wrong is for the cases to say.
 */
#include "wire.h"

unsigned int ceil_log2(uint32_t n)
{
	unsigned int b = 0;

	while ((1ULL << b) < n)
		b++;
	return b;
}

bool all_bytes(const uint8_t *p, size_t len, uint8_t value)
{
	while (len--)
		if (*p++ != value)
			return false;
	return true;
}

void put_conn_req(uint8_t buf[PRIV_LEN], const struct conn_req *req)
{
	memset(buf, 0, PRIV_LEN);
	put16(buf + 2, req->magic);
	put16(buf + 4, req->version);
	put16(buf + 6, req->cid);
	put16(buf + 8, req->cid_num);
	put16(buf + 10, req->recon_cnt);
	memcpy(buf + 12, req->sess_uuid, UUID_LEN);
	memcpy(buf + 28, req->paths_uuid, UUID_LEN);
	buf[44] = req->flags;
	put16(buf + 46, req->ext_magic);
	put32(buf + 48, req->ext_offer);
}

void get_conn_req(struct conn_req *req, const uint8_t buf[PRIV_LEN])
{
	req->magic = get16(buf + 2);
	req->version = get16(buf + 4);
	req->cid = get16(buf + 6);
	req->cid_num = get16(buf + 8);
	req->recon_cnt = get16(buf + 10);
	memcpy(req->sess_uuid, buf + 12, UUID_LEN);
	memcpy(req->paths_uuid, buf + 28, UUID_LEN);
	req->flags = buf[44];
	req->ext_magic = get16(buf + 46);
	req->ext_offer = get32(buf + 48);
}

void put_conn_rsp(uint8_t buf[PRIV_LEN], const struct conn_rsp *rsp)
{
	memset(buf, 0, PRIV_LEN);
	put16(buf, rsp->magic);
	put16(buf + 2, rsp->version);
	put16(buf + 4, rsp->err);
	put16(buf + 6, rsp->queue_depth);
	put32(buf + 8, rsp->max_io_size);
	put32(buf + 12, rsp->max_hdr_size);
	put32(buf + 16, rsp->flags);
	put16(buf + 20, rsp->ext_magic);
	put32(buf + 24, rsp->ext_use);
}

void get_conn_rsp(struct conn_rsp *rsp, const uint8_t buf[PRIV_LEN])
{
	rsp->magic = get16(buf);
	rsp->version = get16(buf + 2);
	rsp->err = (int16_t)get16(buf + 4);
	rsp->queue_depth = get16(buf + 6);
	rsp->max_io_size = get32(buf + 8);
	rsp->max_hdr_size = get32(buf + 12);
	rsp->flags = get32(buf + 16);
	rsp->ext_magic = get16(buf + 20);
	rsp->ext_use = get32(buf + 24);
	rsp->reserved_zero = all_bytes(buf + 22, 2, 0) && all_bytes(buf + 28, 28, 0);
}

void put_info_req(uint8_t buf[INFO_REQ_LEN], const char *name)
{
	memset(buf, 0, INFO_REQ_LEN);
	put16(buf, MSG_INFO_REQ);
	strncpy((char *)buf + 2, name, 254);
}

void put_desc(uint8_t buf[DESC_LEN], uint64_t addr, uint32_t key, uint32_t len)
{
	put64(buf, addr);
	put32(buf + 8, key);
	put32(buf + 12, len);
}

void put_sess_info(uint8_t buf[SESS_INFO_LEN], uint8_t ver)
{
	memset(buf, 0, SESS_INFO_LEN);
	put16(buf, RNBD_SESS_INFO);
	buf[4] = ver;
}

void put_open(uint8_t buf[OPEN_LEN], const char *name, uint8_t mode)
{
	memset(buf, 0, OPEN_LEN);
	put16(buf, RNBD_OPEN);
	buf[4] = mode;
	strncpy((char *)buf + 6, name, 254);
}

void put_open_rsp(uint8_t buf[OPEN_RSP_LEN], const struct open_rsp *rsp)
{
	memset(buf, 0, OPEN_RSP_LEN);
	put16(buf, rsp->type);
	put32(buf + 4, rsp->id);
	put64(buf + 8, rsp->nsectors);
	put32(buf + 16, rsp->max_hw_sectors);
	put32(buf + 20, rsp->max_zeroes);
	put32(buf + 24, rsp->max_discard);
	put32(buf + 28, rsp->granularity);
	put16(buf + 36, rsp->physical_block);
	put16(buf + 38, rsp->logical_block);
	put16(buf + 40, rsp->max_segments);
	put16(buf + 42, rsp->secure_discard);
	buf[45] = rsp->cache_policy;
}

void get_open_rsp(struct open_rsp *rsp, const uint8_t buf[OPEN_RSP_LEN])
{
	rsp->type = get16(buf);
	rsp->id = get32(buf + 4);
	rsp->nsectors = get64(buf + 8);
	rsp->max_hw_sectors = get32(buf + 16);
	rsp->max_zeroes = get32(buf + 20);
	rsp->max_discard = get32(buf + 24);
	rsp->granularity = get32(buf + 28);
	rsp->physical_block = get16(buf + 36);
	rsp->logical_block = get16(buf + 38);
	rsp->max_segments = get16(buf + 40);
	rsp->secure_discard = get16(buf + 42);
	rsp->cache_policy = buf[45];
	rsp->reserved_zero = !buf[44] && all_bytes(buf + 46, 10, 0) && !get16(buf + 2);
}

void put_close(uint8_t buf[CLOSE_LEN], uint32_t id)
{
	memset(buf, 0, CLOSE_LEN);
	put16(buf, RNBD_CLOSE);
	put32(buf + 4, id);
}

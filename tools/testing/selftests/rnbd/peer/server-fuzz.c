// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random damage to whatever the server sends: bits, bytes, fields, lengths, order. The same seed
 * gives the same damage to the same sequence of messages.
 *
 * What the network would not let pass is left alone: the connections themselves work.
 */
#include <stdio.h>

#include "server.h"

unsigned int fuzz_percent, fuzz_count;

static uint64_t state = 1;

void fuzz_seed(uint64_t seed)
{
	state = seed * 2654435769U + 1;
}

/* xorshift64 */
static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 16) % below;
}

static uint64_t interesting(void)
{
	static const uint64_t values[] = {
		0, 1, 2, 3, 4, 7, 15, 16, 17, 255, 256, 511, 512, 513, 4095, 4096, 32768, 65535,
		65536, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff, 1ULL << 55,
		0x7fffffffffffffff, -4096ULL, -1ULL,
	};

	return values[rnd(sizeof(values) / sizeof(values[0]))];
}

static void spoil_bytes(struct outgoing *out)
{
	unsigned int size = 1 << rnd(4), n = 1 + rnd(3);
	uint64_t value;

	if (out->len < 8)
		return;
	if (rnd(3)) {
		value = htole64(interesting());
		memcpy(out->data + rnd(out->len / size) * size, &value, size);
		return;
	}
	while (n--)
		out->data[rnd(out->len)] ^= 1 << rnd(8);
}

static void spoil_len(struct outgoing *out)
{
	unsigned int most = out->stage == AT_ACCEPT ? 196 : out->stage == AT_INFO ? 300 : 80;

	if (out->stage == AT_SESS_INFO || out->stage == AT_OPEN)
		most = out->len;
	out->len = rnd(2) ? rnd(most + 1) : (out->len + most - 1 + rnd(3)) % (most + 1);
}

static enum act other_act(const struct outgoing *out)
{
	static const enum act answer[] = {
		ACT_CUT, ACT_TWICE, ACT_ON_CON_0, ACT_WITH_KEY, ACT_WITHOUT_KEY, ACT_ADD_HB,
		ACT_ADD_HB_KEY, ACT_ADD_SEND, ACT_ADD_INVAL, ACT_ADD_FENCE_ACK, ACT_ADD_INFO,
		ACT_DROP,
	};
	static const enum act info[] = { ACT_CUT, ACT_TWICE, ACT_WITH_IMM, ACT_AS_WRITE };

	switch (out->stage) {
	case AT_ANSWER:
		return answer[rnd(sizeof(answer) / sizeof(answer[0]))];
	case AT_INFO:
	case AT_FENCE:
		return info[rnd(3)];
	case AT_ACCEPT:
		return rnd(2) ? ACT_CUT : ACT_REJECT;
	default:
		return ACT_CUT;
	}
}

enum act fuzz_apply(struct outgoing *out)
{
	if (out->stage == AT_HEARTBEAT || rnd(100) >= fuzz_percent)
		return ACT_SEND;
	fuzz_count++;
	switch (rnd(8)) {
	case 0:
		return other_act(out);
	case 1:
		spoil_len(out);
		return ACT_SEND;
	case 2:
		out->err = rnd(512);
		out->imm ^= out->stage == AT_ANSWER ? 1U << rnd(32) : 0;
		return ACT_SEND;
	default:
		spoil_bytes(out);
		return ACT_SEND;
	}
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ways of the server to misbehave, a line each, and how they are applied.
 *
 * Columns: name; section that the client has to hold to ("R" RNBD, "X" extensions, "D" our
 * Documentation/rtrs.rst, else the RTRS wire specification); what its user sees: an errno of
 * map_device, or of a read whose path stays; "lost": the read has no answer and the path is lost,
 * so the read fails unless there is another path; "later": the path is lost as well, but the
 * answer may have come before. "OK" stands for what a client has to put up with.
 */
#include <stdio.h>

#include "server.h"

#define P(off, size, value)	{ off, size, value }
#define REJECT(err)		.act = ACT_REJECT, .patch = { P(4, 2, (uint16_t)(err)) }

static const struct fault accept_faults[] = {
	{ "accept-magic", "2.6", "ECONNRESET", .patch = { P(0, 2, 0x1bbe) } },
	{ "accept-version", "2.6", "ECONNRESET", .patch = { P(2, 2, 0x0300) } },
	{ "accept-minor", "2.6", "OK", .patch = { P(2, 2, 0x02ff) } },
	{ "accept-errno", "2.6", "ECONNRESET", .patch = { P(4, 2, 0xff98) } },
	{ "accept-errno-positive", "2.6", "ECONNRESET", .patch = { P(4, 2, 1) } },
	{ "accept-empty", "2.6", "ECONNRESET", .len = -1 },
	{ "accept-short", "2.6, 17.21", "ECONNRESET", .len = 8 },
	{ "accept-without-extensions", "X1", "OK", .len = 20 },
	{ "accept-long", "2.2", "OK", .len = 196 },
	{ "accept-ones", "2.6", "ECONNRESET", .patch = { P(WHOLE, 1, 0xff) } },
	{ "accept-depth-0", "17.21", "ECONNRESET", .patch = { P(6, 2, 0) } },
	{ "accept-depth-max", "17.21", "ECONNRESET", .patch = { P(6, 2, 0xffff) } },
	{ "accept-depth-unlike-info", "4.4", "ECONNRESET", .patch = { P(6, 2, 4096) } },
	{ "accept-io-0", "17.21", "ECONNRESET", .patch = { P(8, 4, 0) } },
	{ "accept-io-511", "17.21", "ECONNRESET", .patch = { P(8, 4, 511) } },
	{ "accept-io-max", "17.21", "ECONNRESET", .patch = { P(8, 4, 0xffffffff) } },
	{ "accept-io-unlike-info", "4.4", "ECONNRESET", .patch = { P(8, 4, 61440 * 2) } },
	{ "accept-hdr-0", "17.21", "ECONNRESET", .patch = { P(12, 4, 0), P(8, 4, SRV_CHUNK) } },
	{ "accept-hdr-small", "17.21", "ECONNRESET",
	  .patch = { P(12, 4, 200), P(8, 4, SRV_CHUNK - 200) } },
	{ "accept-hdr-max", "17.21", "ECONNRESET", .patch = { P(12, 4, 0xffffffff) } },
	{ "accept-sum-wraps", "17.21", "ECONNRESET",
	  .patch = { P(8, 4, 0xfffff000), P(12, 4, SRV_CHUNK + 0x1000) } },
	{ "accept-ext-not-offered", "X1", "ECONNRESET", .modes = MODE_AI | MODE_SHORT,
	  .patch = { P(24, 4, 1 << 5) } },
	{ "accept-ext-all", "X1", "ECONNRESET", .patch = { P(20, 2, RTRS_EXT_MAGIC),
	  P(24, 4, 0xffffffff) } },
	{ "accept-ext-magic", "X1", "OK", .patch = { P(20, 2, 0x4659), P(24, 4, 0xffffffff) } },
	{ "accept-cid1-magic", "2.6", "ECONNRESET", .cid = 1, .patch = { P(0, 2, 0) } },
	{ "accept-cid1-errno", "2.6", "ECONNRESET", .cid = 1, .patch = { P(4, 2, 0xff98) } },
	{ "accept-cid1-empty", "2.6", "ECONNRESET", .cid = 1, .len = -1 },
	{ "accept-cid1-depth", "2.4", "OK", .cid = 1, .patch = { P(6, 2, 8) } },
	{ "accept-cid1-ext", "X1", "ECONNRESET", .cid = 1, .patch = { P(20, 2, RTRS_EXT_MAGIC),
	  P(24, 4, 1 << 5) } },
	{ "accept-cut", "12.3", "ECONNRESET", .act = ACT_CUT },
	{ "accept-cid1-cut", "12.3", "ECONNRESET", .cid = 1, .act = ACT_CUT },
	{ "reject-enxio", "2.4", "ENXIO", REJECT(-6) },
	{ "reject-eagain", "2.4", "EAGAIN", REJECT(-11) },
	{ "reject-ebusy", "2.5", "EBUSY", REJECT(-16) },
	{ "reject-eexist", "2.5", "EEXIST", REJECT(-17) },
	{ "reject-cid1", "2.4", "ENOMEM", .cid = 1, REJECT(-12) },
	{ "reject-0", "2.4", "ECONNRESET", REJECT(0) },
	{ "reject-1", "2.4", "ECONNRESET", REJECT(1) },
	{ "reject-positive", "2.4", "ECONNRESET", REJECT(104) },
	{ "reject-restart", "2.4", "ECONNRESET", REJECT(-512) },
	{ "reject-min", "2.4", "ECONNRESET", REJECT(0x8000) },
	{ "reject-magic", "2.6", "ECONNRESET", .act = ACT_REJECT,
	  .patch = { P(0, 2, 0), P(4, 2, (uint16_t)-6) } },
	{ "reject-empty", "2.6", "ECONNRESET", .act = ACT_REJECT, .len = -1 },
	{ "reject-short", "2.6", "ECONNRESET", .act = ACT_REJECT, .len = 3 },
	{ NULL }
};

/* Of a session that polls: while one connection is rejected, the one before it is in another state. */
static const struct fault reject_faults[] = {
	{ "reject-cid2-cid1-up", "2.4", "ENOSPC", .cid = 2, REJECT(-28) },
	{ "reject-cid2-cid1-waits", "2.4", "ENOSPC", .cid = 2, .mute_cid = 1,
	  .act = ACT_REJECT_ONE, .patch = { P(4, 2, (uint16_t)-28) } },
	{ "reject-cid2-cid1-ends", "2.4", "ENOSPC", .cid = 2, .mute_cid = 1, REJECT(-28) },
	{ NULL }
};

#define DESC(n, off)	(INFO_RSP_HDR + DESC_LEN * (n) + (off))
#define CHUNKWISE	(MODE_AI | MODE_SHORT)

static const struct fault info_faults[] = {
	{ "info-early", "4.4", "OK", .stage = AT_ACCEPT, .cid = 0, .act = ACT_EARLY },
	{ "info-type", "4.4", "ECONNRESET", .patch = { P(0, 2, MSG_INFO_REQ) } },
	{ "info-sg-0", "4.4", "ECONNRESET", .patch = { P(2, 2, 0) } },
	{ "info-sg-no-divisor", "4.4", "ECONNRESET", .patch = { P(2, 2, 3) } },
	{ "info-sg-few", "4.4", "ECONNRESET", .modes = CHUNKWISE, .patch = { P(2, 2, 8) } },
	{ "info-sg-many", "4.4", "ECONNRESET", .modes = MODE_PLAIN, .patch = { P(2, 2, 16) } },
	{ "info-sg-max", "4.4", "ECONNRESET", .patch = { P(2, 2, 0xffff) } },
	{ "info-nothing", "4.4", "ECONNRESET", .len = -1 },
	{ "info-header-short", "4.4", "ECONNRESET", .len = 4 },
	{ "info-header-only", "4.4", "ECONNRESET", .len = 8 },
	{ "info-short", "4.4", "ECONNRESET", .modes = CHUNKWISE, .len = DESC(15, 15) },
	{ "info-longer", "4.4", "OK", .modes = MODE_PLAIN, .len = DESC(15, 16) },
	{ "info-too-long", "4.4", "ECONNRESET", .len = DESC(16, 1) },
	{ "info-len-0", "4.4", "ECONNRESET", .patch = { P(DESC(0, 12), 4, 0) } },
	{ "info-len-odd", "4.4", "ECONNRESET", .patch = { P(DESC(0, 12), 4, SRV_CHUNK + 1) } },
	{ "info-len-2-chunks", "17.23", "ECONNRESET", .modes = CHUNKWISE,
	  .patch = { P(DESC(15, 12), 4, 2 * SRV_CHUNK) } },
	{ "info-len-max", "17.23", "ECONNRESET", .patch = { P(DESC(0, 12), 4, 0xffff0000) } },
	{ "info-addr-wraps", "17.23", "ECONNRESET", .patch = { P(DESC(0, 0), 8, -4096ULL) } },
	{ "info-key", "13.2", "ECONNRESET|ECONNABORTED|ECOMM", .modes = MODE_PLAIN,
	  .patch = { P(DESC(0, 8), 4, 0xdeadbe00) } },
	{ "info-addr", "13.2", "ECONNRESET|ECONNABORTED|ECOMM", .modes = MODE_PLAIN,
	  .patch = { P(DESC(0, 0), 8, 4096) } },
	{ "info-with-imm", "4", "OK", .act = ACT_WITH_IMM },
	{ "info-as-write", "4", "ECONNRESET", .act = ACT_AS_WRITE },
	{ "info-cut", "4.4", "ECONNRESET", .act = ACT_CUT },
	{ NULL }
};

static const struct fault sess_info_faults[] = {
	{ "sess-info-type", "R3.2", "EINVAL", .patch = { P(0, 2, RNBD_OPEN_RSP) } },
	{ "sess-info-ver-0", "R4", "OK", .patch = { P(4, 1, 0) } },
	{ "sess-info-ver-255", "R4", "OK", .patch = { P(4, 1, 255) } },
	{ "sess-info-ones", "R3.2", "EINVAL", .patch = { P(WHOLE, 1, 0xff) } },
	{ "sess-info-reserved", "R1", "OK", .patch = { P(8, 8, -1ULL), P(28, 8, -1ULL) } },
	{ "sess-info-no-data", "R3.2", "EINVAL", .len = -1 },
	{ "sess-info-errno", "R9", "ENOSPC", .err = 28 },
	{ "sess-info-errno-of-a-time-out", "R9", "EIO", .err = 110 },
	{ "sess-info-cut", "R10.1", "ECONNRESET|ECONNABORTED|ECOMM", .act = ACT_CUT },
	{ "sess-info-silence", "17.29", "ETIMEDOUT", .act = ACT_DROP },
	{ NULL }
};

static const struct fault open_faults[] = {
	{ "open-type", "R13.19", "EINVAL", .patch = { P(0, 2, RNBD_SESS_INFO_RSP) } },
	{ "open-ones", "R13.19", "EINVAL", .patch = { P(WHOLE, 1, 0xff) } },
	{ "open-zeroes", "R13.19", "EINVAL", .patch = { P(WHOLE, 1, 0) } },
	{ "open-no-data", "R13.19", "EINVAL", .len = -1 },
	{ "open-short", "R13.19", "EINVAL", .len = 36 },
	{ "open-block-0", "R5.4", "EINVAL", .patch = { P(38, 2, 0) } },
	{ "open-block-1", "R13.19", "EINVAL", .patch = { P(38, 2, 1) } },
	{ "open-block-256", "R13.19", "EINVAL", .patch = { P(38, 2, 256) } },
	{ "open-block-520", "R13.19", "EINVAL", .patch = { P(38, 2, 520) } },
	{ "open-block-1536", "R13.19", "EINVAL", .patch = { P(38, 2, 1536) } },
	{ "open-block-32768", "R13.19", "EINVAL", .patch = { P(38, 2, 32768), P(36, 2, 32768) } },
	{ "open-block-65535", "R13.19", "EINVAL", .patch = { P(38, 2, 65535) } },
	{ "open-physical-0", "R13.19", "OK", .patch = { P(36, 2, 0) } },
	{ "open-physical-small", "R13.19", "OK", .patch = { P(36, 2, 512), P(38, 2, 4096) } },
	{ "open-physical-odd", "R13.19", "EINVAL", .patch = { P(36, 2, 3000) } },
	{ "open-physical-max", "R13.19", "OK", .patch = { P(36, 2, 32768) } },
	{ "open-sectors-0", "R13.19", "OK", .patch = { P(8, 8, 0) } },
	{ "open-sectors-odd", "R13.19", "EINVAL", .patch = { P(38, 2, 4096), P(8, 8, 4095) } },
	{ "open-sectors-max", "R13.19", "EINVAL", .patch = { P(8, 8, -1ULL) } },
	{ "open-sectors-wrap", "R13.19", "EINVAL", .patch = { P(8, 8, 1ULL << 55) } },
	{ "open-sectors-huge", "R13.19", "OK", .patch = { P(8, 8, (1ULL << 54) - 8) } },
	{ "open-hw-sectors-0", "R8", "OK", .patch = { P(16, 4, 0) } },
	{ "open-hw-sectors-max", "R8", "OK", .patch = { P(16, 4, 0xffffffff) } },
	{ "open-segments-0", "R8", "OK", .patch = { P(40, 2, 0) } },
	{ "open-zeroes-max", "R8", "OK", .patch = { P(20, 4, 0xffffffff) } },
	{ "open-discard-max", "R13.19", "OK", .patch = { P(24, 4, 0xffffffff) } },
	{ "open-discard-granularity-0", "R13.19", "OK", .patch = { P(28, 4, 0) } },
	{ "open-discard-granularity-odd", "R13.19", "OK", .patch = { P(28, 4, 1000) } },
	{ "open-discard-granularity-max", "R13.19", "OK", .patch = { P(28, 4, 0xfffffe00) } },
	{ "open-discard-alignment", "R13.19", "OK", .patch = { P(32, 4, 0xffffffff) } },
	{ "open-secure-discard", "R8", "OK", .patch = { P(42, 2, 0xffff), P(24, 4, 0xffffffff) } },
	{ "open-cache-all", "R8", "OK", .patch = { P(45, 1, 0xff) } },
	{ "open-cache-fua", "R8", "OK", .patch = { P(45, 1, 1) } },
	{ "open-reserved", "R1", "OK", .patch = { P(46, 8, -1ULL), P(44, 1, 0xff) } },
	{ "open-errno", "R5.1", "EPERM", .err = 1 },
	{ "open-errno-511", "R9", "511", .err = 511 },
	{ "open-cut", "R10.1", "ECONNRESET|ECONNABORTED|ECOMM", .act = ACT_CUT },
	{ "open-silence", "R13.25", "ETIMEDOUT", .act = ACT_DROP },
	{ NULL }
};

#define ONCE	.times = 1
#define KEYED	(MODE_AI | MODE_SHORT), ONCE

static const struct fault answer_faults[] = {
	{ "answer-id-range", "17.24", "lost", .id_add = SRV_DEPTH, ONCE },
	{ "answer-id-max", "17.24", "lost", .id_add = 0x7fff0, ONCE },
	{ "answer-idle", "17.24", "lost", .id_add = 1, .patch = { P(2, 2, 15) }, ONCE },
	{ "answer-twice", "17.24", "later", .act = ACT_TWICE, ONCE },
	{ "answer-on-con-0", "17.24", "lost", .act = ACT_ON_CON_0, ONCE },
	{ "answer-type-inval", "17.25", "lost", .type = IMM_RSP_INV, ONCE },
	{ "answer-type-5", "13.2", "lost", .type = 5, ONCE },
	{ "answer-type-15", "13.2", "lost", .type = 15, ONCE },
	{ "answer-errno-511", "R9", "EIO", .err = 511, ONCE },
	{ "answer-errno-103", "R9", "EIO", .err = 103, ONCE },
	{ "answer-errno-28", "R9", "ENOSPC", .err = 28, ONCE },
	{ "answer-cut", "12.5", "lost", .act = ACT_CUT, ONCE },
	{ "answer-silence", "17.29", "silence", .act = ACT_DROP, ONCE },
	{ "key-type", "9", "lost", .modes = KEYED, .patch = { P(0, 2, MSG_INFO_RSP) } },
	{ "key-other-chunk", "9", "lost", .modes = KEYED, .key_add = 1 },
	{ "key-id-range", "9", "lost", .modes = KEYED, .patch = { P(2, 2, SRV_DEPTH) } },
	{ "key-id-max", "9", "lost", .modes = KEYED, .patch = { P(2, 2, 0xffff) } },
	{ "key-short", "17.26", "lost", .modes = KEYED, .len = 4 },
	{ "key-empty", "17.26", "lost", .modes = KEYED, .len = -1 },
	{ "key-long", "17.26", "lost", .modes = KEYED, .len = 9 },
	{ "key-too-long", "17.26", "lost", .modes = KEYED, .len = 72 },
	{ "key-two", "17.26", "lost", .modes = MODE_AI, ONCE, .len = 16 },
	{ "key-none", "9", "lost", .modes = MODE_AI, ONCE, .act = ACT_WITHOUT_KEY },
	{ "key-may-be-none", "D", "OK", .modes = MODE_SHORT, ONCE, .act = ACT_WITHOUT_KEY },
	{ "key-in-plain-mode", "17.26", "lost", .modes = MODE_PLAIN, ONCE, .act = ACT_WITH_KEY },
	{ "batch-idle", "D", "later", .modes = MODE_SHORT, ONCE, .len = 16,
	  .patch = { P(8, 2, MSG_RKEY_RSP), P(10, 2, 15) } },
	{ "batch-range", "D", "later", .modes = MODE_SHORT, ONCE, .len = 64,
	  .patch = { P(8, 2, MSG_RKEY_RSP), P(10, 2, SRV_DEPTH) } },
	{ "batch-garbage", "D", "later", .modes = MODE_SHORT, ONCE, .len = 64 },
	{ "extra-heartbeat", "11", "OK", .act = ACT_ADD_HB, ONCE },
	{ "extra-heartbeat-with-key", "17.26", "lost", .act = ACT_ADD_HB_KEY, ONCE },
	{ "extra-send", "17.26", "lost", .act = ACT_ADD_SEND, ONCE },
	{ "extra-invalidate", "17.25", "lost", .act = ACT_ADD_INVAL, ONCE },
	{ "extra-fence-ack", "X3", "later", .act = ACT_ADD_FENCE_ACK, ONCE },
	{ "extra-info", "4.4", "later", .act = ACT_ADD_INFO, ONCE },
	{ NULL }
};

/* The unmapping succeeds; the CLOSE is sent again if there is another path. */
static const struct fault close_faults[] = {
	{ "close-cut", "12.5", "lost", .act = ACT_CUT, ONCE },
	{ "close-silence", "17.29", "lost", .act = ACT_DROP, ONCE },
	{ NULL }
};

static const struct fault close_late_faults[] = {
	{ "close-never", "17.29", "OK", .act = ACT_DROP },
	{ NULL }
};

/* Of a link that comes back. */
static const struct fault given_up_faults[] = {
	{ "close-never-again", "17.29", "fired 2 left 2", .act = ACT_DROP },
	{ NULL }
};

static const struct fault silent_faults[] = {
	{ "sess-info-silence-again", "17.29", "OK", .act = ACT_DROP, ONCE },
	{ NULL }
};

static const struct fault tear_down_faults[] = {
	{ "close-then-deaf", "12.4", "OK", .act = ACT_DEAF, ONCE },
	{ NULL }
};

static const struct fault heartbeat_faults[] = {
	{ "heartbeat-silence", "11", "silence", .stage = AT_HEARTBEAT, .act = ACT_DROP, ONCE },
	{ NULL }
};

#define FENCE	.stage = AT_FENCE, .cut_first = true, .modes = MODE_AI | MODE_SHORT, ONCE

static const struct fault fence_faults[] = {
	{ "fence-type", "X3", "EIO lost", FENCE, .patch = { P(0, 2, MSG_FENCE) } },
	{ "fence-errno", "X3", "EIO lost", FENCE, .patch = { P(2, 2, 110) } },
	{ "fence-errno-max", "X3", "EIO lost", FENCE, .patch = { P(2, 2, 0xffff) } },
	{ "fence-seq", "X3", "EIO lost", FENCE, .patch = { P(4, 4, 0xfffffff0) } },
	{ "fence-uuid", "X3", "EIO lost", FENCE, .patch = { P(8, 8, 0) } },
	{ "fence-short", "X3", "EIO lost", FENCE, .len = 23 },
	{ "fence-empty", "X3", "EIO lost", FENCE, .len = -1 },
	{ "fence-long", "X3", "EIO lost", FENCE, .len = 25 },
	{ "fence-too-long", "X3", "EIO lost", FENCE, .len = 100 },
	{ "fence-with-imm", "X3", "EIO lost", FENCE, .act = ACT_WITH_IMM },
	{ "fence-cut", "X3", "EIO lost", FENCE, .act = ACT_CUT },
	{ "fence-twice", "X3", "later", FENCE, .act = ACT_TWICE },
	{ NULL }
};

/* The client waits for 30 s. */
static const struct fault slow_map_faults[] = {
	{ "accept-silence", "3", "ETIMEDOUT", .stage = AT_ACCEPT, .act = ACT_DROP },
	{ "accept-cid1-silence", "3", "ETIMEDOUT", .stage = AT_ACCEPT, .cid = 1, .act = ACT_DROP },
	{ "info-silence", "4.4", "ETIMEDOUT", .stage = AT_INFO, .act = ACT_DROP },
	{ NULL }
};

/* The client waits for 35 s; until then it can neither send the request again nor end it. */
static const struct fault slow_fence_faults[] = {
	{ "fence-silence", "X3", "ETIMEDOUT lost", FENCE, .act = ACT_DROP },
	{ NULL }
};

static const struct {
	const char *name;
	enum stage stage;
	const struct fault *faults;
} groups[] = {
	{ "accept", AT_ACCEPT, accept_faults }, { "info", AT_INFO, info_faults },
	{ "sess-info", AT_SESS_INFO, sess_info_faults }, { "open", AT_OPEN, open_faults },
	{ "reject", AT_ACCEPT, reject_faults }, { "close", AT_CLOSE, close_faults },
	{ "close-late", AT_CLOSE, close_late_faults },
	{ "given-up", AT_CLOSE, given_up_faults }, { "silent", AT_SESS_INFO, silent_faults },
	{ "tear-down", AT_CLOSE, tear_down_faults },
	{ "answer", AT_ANSWER, answer_faults }, { "heartbeat", AT_HEARTBEAT, heartbeat_faults },
	{ "fence", AT_FENCE, fence_faults },
	{ "slow-map", AT_ACCEPT, slow_map_faults }, { "slow-fence", AT_FENCE, slow_fence_faults },
};

static struct fault armed;
static bool cut_done;
const struct fault *fault_armed;
unsigned int fault_fired, fault_left;

/* Print the names of a group and what is to be seen: all of the present mode, or its own. */
void fault_list(const char *group, bool own)
{
	const struct fault *f;
	unsigned int i;

	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (f = groups[i].faults; !strcmp(group, groups[i].name) && f->name; f++)
			if (own ? f->modes & server_mode && !(f->modes & MODE_AI) :
			    !f->modes || f->modes & server_mode)
				printf("%s %s\n", f->name, f->want);
}

bool fault_arm(const char *name)
{
	const struct fault *f;
	unsigned int i;

	fault_armed = NULL;
	fault_fired = 0;
	fault_left = 0;
	cut_done = false;
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		for (f = groups[i].faults; f->name; f++) {
			if (strcmp(name, f->name))
				continue;
			armed = *f;
			if (!f->stage)
				armed.stage = groups[i].stage;
			if (f->act == ACT_EARLY)
				armed.stage = AT_ACCEPT;
			fault_armed = &armed;
		}
	}
	return fault_armed;
}

/* The path over which the first request comes is cut, so that there is something to fence. */
bool fault_cuts_first(void)
{
	if (!fault_armed || !fault_armed->cut_first || cut_done)
		return false;
	cut_done = true;
	return true;
}

static void patch(struct outgoing *out, const struct patch *p)
{
	uint64_t value = htole64(p->value);

	if (p->off == WHOLE)
		memset(out->data, p->value, out->len);
	else
		memcpy(out->data + p->off, &value, p->size);
}

static void spoil_imm(struct outgoing *out, const struct fault *f)
{
	if (f->type)
		out->imm = (out->imm & 0x0fffffff) | (uint32_t)f->type << 28;
	out->imm |= (uint32_t)f->err << 19;
	if (f->id_add)
		out->imm = (out->imm & ~0x7ffffU) | ((out->imm + f->id_add) & 0x7ffff);
	if (f->key_add)
		put16(out->data + 2, (get16(out->data + 2) + f->key_add) % SRV_DEPTH);
}

enum act fault_apply(struct outgoing *out)
{
	const struct fault *f = fault_armed;
	unsigned int i;

	if (fuzz_percent)
		return fuzz_apply(out);
	if (!f || f->stage != out->stage || (f->times && fault_fired >= f->times))
		return ACT_SEND;
	if (out->stage == AT_ACCEPT && f->cid != out->con->cid)
		return f->mute_cid && f->mute_cid == out->con->cid ? ACT_DROP : ACT_SEND;
	fault_fired++;
	out->con->path->server->hit = true;
	if (f->len > (int)out->len)
		memset(out->data + out->len, 0xee, f->len - out->len);
	for (i = 0; i < PATCHES && f->patch[i].size; i++)
		patch(out, &f->patch[i]);
	if (f->len)
		out->len = f->len < 0 ? 0 : f->len;
	out->err = f->err;
	if (out->stage == AT_ANSWER)
		spoil_imm(out, f);
	return f->act;
}

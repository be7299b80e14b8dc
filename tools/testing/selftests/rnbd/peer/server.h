/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server of RTRS and RNBD in user space: honest with a small disk in memory, unless a fault is
 * armed. It uses the paths and connections of peer.h with the ends exchanged.
 *
 * Whatever is about to be sent passes fault_apply() as a struct outgoing, which may change its
 * bytes and says what to do with it.
 */
#ifndef PEER_SERVER_H
#define PEER_SERVER_H

#include "peer.h"

#define SRV_DEPTH	16
#define SRV_HDR_SIZE	4096
#define SRV_IO_SIZE	61440
#define SRV_CHUNK	(SRV_IO_SIZE + SRV_HDR_SIZE)
#define ROOM		512	/* bytes that a message may have */
#define DISK_SECTORS	4096
#define DISKS		4
#define DEAF_MS		2500	/* the client waits for 3 s */

enum stage {
	AT_ACCEPT, AT_INFO, AT_SESS_INFO, AT_OPEN, AT_CLOSE, AT_ANSWER, AT_FENCE, AT_HEARTBEAT,
	STAGES
};

/* What to do with an outgoing message. */
enum act {
	ACT_SEND, ACT_DROP, ACT_CUT, ACT_REJECT, ACT_TWICE, ACT_EARLY, ACT_WITH_IMM, ACT_AS_WRITE,
	ACT_ON_CON_0, ACT_WITH_KEY, ACT_WITHOUT_KEY,
	ACT_REJECT_ONE,	/* and leave it to the client to end the path */
	ACT_DEAF,	/* answer, then take no notice of the end of the path for a while */
	/* something besides, in front of the honest answer */
	ACT_ADD_HB, ACT_ADD_HB_KEY, ACT_ADD_SEND, ACT_ADD_INVAL, ACT_ADD_FENCE_ACK, ACT_ADD_INFO,
};

struct outgoing {
	enum stage stage;
	struct con *con;
	uint8_t *data;		/* ROOM bytes */
	unsigned int len;
	uint32_t imm;		/* answers */
	int err;		/* answers to administrative messages */
};

#define PATCHES		3
#define WHOLE		0xffff	/* instead of an offset: every byte of the message */

struct patch {
	uint16_t off;
	uint8_t size;		/* 0: no more patches */
	uint64_t value;
};

enum { MODE_AI = 1, MODE_SHORT = 2, MODE_PLAIN = 4, MODE_ALL = 7 };

/* One way to misbehave. */
struct fault {
	const char *name;
	const char *section;	/* of the RTRS wire specification; "R" RNBD, "X" extensions */
	const char *want;	/* what the user of the client is to see */
	enum stage stage;
	enum act act;
	unsigned int cid;	/* AT_ACCEPT: on which connection */
	unsigned int mute_cid;	/* AT_ACCEPT: that one gets no answer; 0 none */
	int len;		/* new length; 0 as it is, -1 none */
	struct patch patch[PATCHES];
	int err;		/* errno of the answer */
	int type, id_add;	/* AT_ANSWER: in the immediate */
	int key_add;		/* AT_ANSWER: to the chunk of the key */
	unsigned int modes;	/* where it makes sense; 0 everywhere */
	unsigned int times;	/* how often; 0 always */
	bool cut_first;		/* with the first request the path ends, the fault comes later */
};

/* The server's part of a path. */
struct server {
	uint8_t *chunks;
	struct ibv_mr *chunk_mr;
	uint8_t *answers;	/* ROOM bytes for each chunk, registered with the arena */
	uint8_t *spare;		/* ROOM bytes */
	unsigned int ext;
	bool ending, hit;
	bool unanswered; /* the kernel tells nobody when the client of such a request is gone */
};

/* server.c */
extern unsigned int server_mode;
int server_main(int argc, char **argv);

/* server-path.c */
void server_asked(const struct rdma_cm_event *event);
void server_forget_unanswered(void);
void server_reap(void);
void server_send_info(struct path *path);
struct path *server_find(const uint8_t *uuid);
void server_bytes(struct con *con, const struct outgoing *out, enum ibv_wr_opcode op);

/* server-io.c */
void server_received(struct con *con, const struct ibv_wc *wc);
void server_shift_ids(void);
extern unsigned int closes_answered;

/* server-faults.c */
extern const struct fault *const fault_tables[];
extern const struct fault *fault_armed;
extern unsigned int fault_fired, fault_left;
bool fault_arm(const char *name);
enum act fault_apply(struct outgoing *out);
void fault_list(const char *group, bool own);
bool fault_cuts_first(void);

/* server-fuzz.c */
extern unsigned int fuzz_percent, fuzz_count;
void fuzz_seed(uint64_t seed);
enum act fuzz_apply(struct outgoing *out);

#endif

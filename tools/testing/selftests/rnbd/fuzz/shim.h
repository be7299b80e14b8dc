/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Enough of the kernel's headers to compile the project's pure code in user space.  The build
 * makes every <linux/...> and its like a file that includes this one.  What the pure code calls
 * is here in earnest; of structures that are only embedded somewhere, the name is enough.
 */
#ifndef FUZZ_SHIM_H
#define FUZZ_SHIM_H

#include <assert.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

/* ---- types ---- */

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef u16 __le16;
typedef u32 __le32;
typedef u64 __le64;
typedef u16 __be16;
typedef u32 __be32;
typedef u64 __be64;
typedef u64 dma_addr_t, sector_t, ktime_t;
typedef unsigned int gfp_t;
typedef struct { u8 b[16]; } uuid_t, guid_t;

#define __percpu
#define __user
#define __rcu
#define __iomem
#define __force
#define __init
#define __exit
#define __read_mostly
#define noinline
#define ____cacheline_aligned
#define ____cacheline_aligned_in_smp
#define __printf(a, b)
#define fallthrough		__attribute__((__fallthrough__))
#define likely(x)		(x)
#define unlikely(x)		(x)
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, val)	((x) = (val))
#define barrier()		__asm__ __volatile__("" : : : "memory")
#define EXPORT_SYMBOL(sym)	struct shim_unused
#define EXPORT_SYMBOL_GPL(sym)	struct shim_unused

/* the kernel's takes one argument, too */
#undef static_assert
#define static_assert(expr, ...)	_Static_assert(expr, #expr)

#define U8_MAX		UINT8_MAX
#define U16_MAX		UINT16_MAX
#define U32_MAX		UINT32_MAX
#define S64_MAX		INT64_MAX
#define SECTOR_SHIFT	9
#define SECTOR_SIZE	512
#define IFNAMSIZ	16
#define HZ		250
#define NSEC_PER_MSEC	1000000L
#ifndef PATH_MAX
#define PATH_MAX	4096
#endif

#define BIT(n)		(1UL << (n))
#define GENMASK(h, l)	((~0UL << (l)) & (~0UL >> (63 - (h))))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define offsetofend(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define struct_size(p, member, n) (sizeof(*(p)) + sizeof(*(p)->member) * (size_t)(n))
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(type, a, b)	min((type)(a), (type)(b))
#define max_t(type, a, b)	max((type)(a), (type)(b))
#define rounddown(x, y)		((x) - (x) % (y))
#define roundup(x, y)		((((x) + (y) - 1) / (y)) * (y))
#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)
#define check_mul_overflow(a, b, d)	__builtin_mul_overflow(a, b, d)

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

static inline int ilog2(u64 n)
{
	return 63 - __builtin_clzll(n);
}

/* ---- byte order ---- */

#define cpu_to_le16(x)	htole16(x)
#define cpu_to_le32(x)	htole32(x)
#define cpu_to_le64(x)	htole64(x)
#define le16_to_cpu(x)	le16toh(x)
#define le32_to_cpu(x)	le32toh(x)
#define le64_to_cpu(x)	le64toh(x)
#define cpu_to_be16(x)	htobe16(x)
#define cpu_to_be32(x)	htobe32(x)
#define cpu_to_be64(x)	htobe64(x)
#define be64_to_cpu(x)	be64toh(x)

/* ---- text ---- */

#undef _tolower
#define _tolower(c)	((char)((c) | 0x20))

ssize_t strscpy(char *dst, const char *src, size_t size);
char *strim(char *s);
int scnprintf(char *buf, size_t size, const char *fmt, ...);
int hex_to_bin(unsigned char c);
int kstrtoint(const char *s, unsigned int base, int *res);
int kstrtouint(const char *s, unsigned int base, unsigned int *res);
int kstrtoull(const char *s, unsigned int base, unsigned long long *res);
int kstrtoll(const char *s, unsigned int base, long long *res);

#define kstrtou32(s, base, res)	kstrtouint(s, base, res)

static inline void import_uuid(uuid_t *dst, const u8 *src)
{
	memcpy(dst, src, sizeof(*dst));
}

static inline void export_uuid(u8 *dst, const uuid_t *src)
{
	memcpy(dst, src, sizeof(*src));
}

/* what lib/kstrtox.c of the kernel wants besides */
#define BITS_PER_LONG		64
#define KSTRTOX_OVERFLOW	(1U << 31)
#define div_u64(a, b)		((a) / (b))
#define copy_from_user(to, from, n)	(memcpy(to, from, n), 0)

const char *_parse_integer_fixup_radix(const char *s, unsigned int *base);
unsigned int _parse_integer(const char *s, unsigned int base, unsigned long long *res);
unsigned int _parse_integer_limit(const char *s, unsigned int base, unsigned long long *res,
				  size_t max_chars);

/* ---- addresses ---- */

#define RDMA_IB_IP_PS_IB	0x01060000ULL
#define IPV6_ADDR_LINKLOCAL	0x20U

struct ib_addr {
	u8 sib_raw[16];
};

struct sockaddr_ib {
	u16		sib_family;
	__be16		sib_pkey;
	__be32		sib_flowinfo;
	struct ib_addr	sib_addr;
	__be64		sib_sid;
	__be64		sib_sid_mask;
	u64		sib_scope_id;
};

struct net {
	int shim;
};

struct net_device {
	int ifindex;
};
extern struct net init_net;

struct net_device *dev_get_by_name(struct net *net, const char *name);

static inline void dev_put(struct net_device *netdev)
{
}

static inline unsigned int ipv6_addr_type(const struct in6_addr *addr)
{
	return IN6_IS_ADDR_LINKLOCAL(addr) ? IPV6_ADDR_LINKLOCAL : 0;
}

static inline bool ipv6_addr_equal(const struct in6_addr *a, const struct in6_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static inline int ib_addr_cmp(const struct ib_addr *a, const struct ib_addr *b)
{
	return memcmp(a, b, sizeof(*a));
}

int in4_pton(const char *src, int srclen, u8 *dst, int delim, const char **end);
int in6_pton(const char *src, int srclen, u8 *dst, int delim, const char **end);

/* ---- block layer: numbers are the kernel's own and nobody else's business ---- */

typedef u32 blk_opf_t;
typedef u8 blk_status_t;
typedef unsigned int blk_mode_t;

enum {
	REQ_OP_READ, REQ_OP_WRITE, REQ_OP_FLUSH, REQ_OP_DISCARD, REQ_OP_SECURE_ERASE = 5,
	REQ_OP_WRITE_ZEROES = 9,
};

#define REQ_OP_MASK	0xffU
#define REQ_SYNC	(1U << 11)
#define REQ_IDLE	(1U << 16)
#define REQ_FUA		(1U << 17)
#define REQ_PREFLUSH	(1U << 18)
#define REQ_NOUNMAP	(1U << 22)

static inline bool op_is_write(blk_opf_t op)
{
	return op & 1;
}

static inline bool op_is_flush(blk_opf_t op)
{
	return op & (REQ_FUA | REQ_PREFLUSH);
}

static inline bool op_is_sync(blk_opf_t op)
{
	return (op & REQ_OP_MASK) == REQ_OP_READ || (op & (REQ_SYNC | REQ_FUA | REQ_PREFLUSH));
}

enum {
	BLK_STS_OK, BLK_STS_NOTSUPP, BLK_STS_TIMEOUT, BLK_STS_NOSPC, BLK_STS_TRANSPORT,
	BLK_STS_TARGET, BLK_STS_RESV_CONFLICT, BLK_STS_MEDIUM, BLK_STS_PROTECTION,
	BLK_STS_RESOURCE, BLK_STS_IOERR, BLK_STS_DM_REQUEUE, BLK_STS_AGAIN, BLK_STS_DEV_RESOURCE,
	BLK_STS_ZONE_OPEN_RESOURCE, BLK_STS_ZONE_ACTIVE_RESOURCE, BLK_STS_OFFLINE,
	BLK_STS_DURATION_LIMIT, BLK_STS_INVAL,
};

enum { IOPRIO_CLASS_NONE, IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE };

#define IOPRIO_NR_LEVELS		8
#define IOPRIO_PRIO_CLASS(prio)		(((prio) >> 13) & 7)
#define IOPRIO_PRIO_VALUE(class, data)	(((class) << 13) | (data))

enum dma_data_direction { DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_NONE };

extern unsigned int nr_cpu_ids;

/* ---- structures that others embed; only their names count ---- */

#define SHIM(name)	struct name { long shim; }

SHIM(list_head);
SHIM(hlist_head);
SHIM(hlist_node);
SHIM(llist_head);
SHIM(llist_node);
SHIM(mutex);
SHIM(rw_semaphore);
SHIM(kref);
SHIM(kobject);
SHIM(kobj_attribute);
SHIM(attribute);
SHIM(attribute_group);
SHIM(device);
SHIM(completion);
SHIM(rcu_head);
SHIM(srcu_struct);
SHIM(work_struct);
SHIM(delayed_work);
SHIM(timer_list);
SHIM(percpu_ref);
SHIM(xarray);
SHIM(ida);
SHIM(idr);
SHIM(scatterlist);
SHIM(sg_table);
SHIM(bio);
SHIM(bio_vec);
SHIM(blk_mq_tag_set);
SHIM(ib_cqe);
SHIM(ib_sge);
SHIM(ib_send_wr);
SHIM(ib_recv_wr);
SHIM(ib_rdma_wr);
SHIM(ib_reg_wr);
SHIM(ratelimit_state);
SHIM(fault_attr);
SHIM(kernel_param_ops);
struct ib_cq;
struct ib_wc;
struct ib_qp;
struct request;
struct request_queue;
struct gendisk;
struct page;
struct file;
typedef struct { long shim; } atomic_t, atomic64_t, refcount_t, spinlock_t, wait_queue_head_t;
enum ib_poll_context { IB_POLL_SHIM };

static inline void percpu_ref_put(struct percpu_ref *ref)
{
}

static inline void *blk_mq_rq_to_pdu(void *rq)
{
	return rq;
}

static inline void *blk_mq_rq_from_pdu(void *pdu)
{
	return pdu;
}

#define this_cpu_inc(x)		((void)&(x))
#define this_cpu_add(x, n)	((void)&(x))

#endif /* FUZZ_SHIM_H */

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses as administrators write them, and as the CM wants them.
 *
 *	pair = [ addr ( "," / "@" ) ] addr	left is the source
 *	addr = "ip:" IPv4 / "ip:" IPv6 [ "%" zone ] / "gid:" IPv6 text
 *
 * Pure but for one look at the network interfaces when a zone is named.  Text that
 * does not fit the grammar exactly is -EINVAL; nothing is guessed or cut.
 */
#include <linux/inet.h>
#include <linux/kernel.h>
#include <linux/netdevice.h>
#include <linux/string.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <rdma/ib.h>

#include "rtrs-pri.h"

#define IP4_TEXT_MAX	15	/* characters */
#define IP6_TEXT_MAX	48	/* characters, zone included */
#define IB_PKEY_DEFAULT	0xffff

static int parse_ip4(const char *str, size_t len, struct sockaddr_storage *addr)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)addr;
	const char *end;

	if (len > IP4_TEXT_MAX || !in4_pton(str, len, (u8 *)&sin->sin_addr, -1, &end) ||
	    end != str + len)
		return -EINVAL;

	sin->sin_family = AF_INET;
	return 0;
}

/* An interface name goes before a number, should an interface be called "3". */
static int zone_index(const char *zone, size_t len, u32 *index)
{
	char name[IFNAMSIZ];
	struct net_device *netdev;

	if (!len || len >= sizeof(name) || memchr(zone, '\0', len))
		return -EINVAL;
	memcpy(name, zone, len);
	name[len] = '\0';

	netdev = dev_get_by_name(&init_net, name);
	if (netdev) {
		*index = netdev->ifindex;
		dev_put(netdev);
		return 0;
	}

	if (strspn(name, "0123456789") != len || kstrtou32(name, 10, index))
		return -EINVAL;
	return 0;
}

/* A zone means something for link-local addresses only; elsewhere it is ignored. */
static int parse_ip6(const char *str, size_t len, struct sockaddr_storage *addr)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)addr;
	const char *end, *percent = memchr(str, '%', len);
	size_t addr_len = percent ? percent - str : len;

	if (len > IP6_TEXT_MAX ||
	    !in6_pton(str, addr_len, sin6->sin6_addr.s6_addr, -1, &end) || end != str + addr_len)
		return -EINVAL;

	sin6->sin6_family = AF_INET6;
	if (!percent)
		return 0;
	if (!(ipv6_addr_type(&sin6->sin6_addr) & IPV6_ADDR_LINKLOCAL))
		return percent + 1 < str + len ? 0 : -EINVAL;
	return zone_index(percent + 1, len - addr_len - 1, &sin6->sin6_scope_id);
}

static int parse_gid(const char *str, size_t len, struct sockaddr_storage *addr)
{
	struct sockaddr_ib *sib = (struct sockaddr_ib *)addr;
	const char *end;

	if (len > IP6_TEXT_MAX || !in6_pton(str, len, sib->sib_addr.sib_raw, -1, &end) ||
	    end != str + len)
		return -EINVAL;

	sib->sib_family = AF_IB;
	return 0;
}

static bool skip_prefix(const char **str, size_t *len, const char *prefix)
{
	size_t skip = strlen(prefix);

	if (*len < skip || memcmp(*str, prefix, skip))
		return false;

	*str += skip;
	*len -= skip;
	return true;
}

static int parse_one(const char *str, size_t len, u16 port, struct sockaddr_storage *addr)
{
	int err = -EINVAL;

	if (skip_prefix(&str, &len, "ip:"))
		err = memchr(str, ':', len) ? parse_ip6(str, len, addr) :
					      parse_ip4(str, len, addr);
	else if (skip_prefix(&str, &len, "gid:"))
		err = parse_gid(str, len, addr);
	if (err)
		return err;

	rtrs_addr_set_port(addr, port);
	return 0;
}

/**
 * rtrs_addr_parse_pair - read the addresses of a path
 * @str: text, need not be terminated; may hold anything
 * @len: bytes of @str
 * @port: service port of the destination; the source gets port 0
 * @pair: result, unchanged on failure
 *
 * Zones are looked up in the initial network namespace.
 *
 * Context: any but hard interrupt.
 *
 * Return: 0 or -EINVAL, also if the two are of different families.
 */
int rtrs_addr_parse_pair(const char *str, size_t len, u16 port, struct rtrs_addr_pair *pair)
{
	struct rtrs_addr_pair res = {};
	const char *sep = memchr(str, ',', len);

	if (!sep)
		sep = memchr(str, '@', len);
	if (sep) {
		if (parse_one(str, sep - str, 0, &res.src))
			return -EINVAL;
		len -= sep + 1 - str;
		str = sep + 1;
	}

	if (parse_one(str, len, port, &res.dst))
		return -EINVAL;
	if (sep && res.src.ss_family != res.dst.ss_family)
		return -EINVAL;

	*pair = res;
	return 0;
}

/**
 * rtrs_addr_set_port - set the port of an address
 * @addr: IPv4, IPv6 or IB address; others are left alone
 * @port: port, host byte order; for IB it becomes the service id (2.1)
 *
 * Context: any.
 */
void rtrs_addr_set_port(struct sockaddr_storage *addr, u16 port)
{
	struct sockaddr_ib *sib;

	switch (addr->ss_family) {
	case AF_INET:
		((struct sockaddr_in *)addr)->sin_port = htons(port);
		break;
	case AF_INET6:
		((struct sockaddr_in6 *)addr)->sin6_port = htons(port);
		break;
	case AF_IB:
		sib = (struct sockaddr_ib *)addr;
		sib->sib_sid = cpu_to_be64(RDMA_IB_IP_PS_IB | port);
		sib->sib_sid_mask = cpu_to_be64(~0ULL);
		sib->sib_pkey = cpu_to_be16(IB_PKEY_DEFAULT);
		break;
	}
}

/**
 * rtrs_addr_format - write an address as administrators see it
 * @addr: address
 * @buf: result, always terminated
 * @len: bytes of @buf; %RTRS_ADDR_STRLEN is always enough
 *
 * Context: any.
 *
 * Return: characters written, the terminating NUL not counted; -EAFNOSUPPORT if the
 * family is not known, with "unknown" in @buf.
 */
int rtrs_addr_format(const struct sockaddr_storage *addr, char *buf, size_t len)
{
	switch (addr->ss_family) {
	case AF_INET:
		return scnprintf(buf, len, "ip:%pI4",
				 &((const struct sockaddr_in *)addr)->sin_addr);
	case AF_INET6:
		return scnprintf(buf, len, "ip:%pI6c",
				 &((const struct sockaddr_in6 *)addr)->sin6_addr);
	case AF_IB:
		return scnprintf(buf, len, "gid:%pI6",
				 &((const struct sockaddr_ib *)addr)->sib_addr);
	default:
		scnprintf(buf, len, "unknown");
		return -EAFNOSUPPORT;
	}
}

/**
 * rtrs_addr_format_path - write both addresses of a path, `src@dst`
 * @src: address of the client; with family AF_UNSPEC only @dst is written
 * @dst: address of the server
 * @buf: result, always terminated
 * @len: bytes of @buf; %RTRS_PATH_STRLEN is always enough
 *
 * Context: any.
 *
 * Return: as rtrs_addr_format().
 */
int rtrs_addr_format_path(const struct sockaddr_storage *src, const struct sockaddr_storage *dst,
			  char *buf, size_t len)
{
	int used = 0, more;

	if (src->ss_family != AF_UNSPEC) {
		used = rtrs_addr_format(src, buf, len);
		if (used < 0)
			return used;
		used += scnprintf(buf + used, len - used, "@");
	}

	more = rtrs_addr_format(dst, buf + used, len - used);
	return more < 0 ? more : used + more;
}

/**
 * rtrs_addr_equal - compare two addresses
 * @a: one
 * @b: the other
 *
 * Ports and service ids are not compared, nor are zones, which path names do not show.
 *
 * Context: any.
 *
 * Return: true if family and address are equal; an unknown family equals nothing.
 */
bool rtrs_addr_equal(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;

	switch (a->sa_family) {
	case AF_INET:
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	case AF_INET6:
		return ipv6_addr_equal(&((const struct sockaddr_in6 *)a)->sin6_addr,
				       &((const struct sockaddr_in6 *)b)->sin6_addr);
	case AF_IB:
		return !ib_addr_cmp(&((const struct sockaddr_ib *)a)->sib_addr,
				    &((const struct sockaddr_ib *)b)->sib_addr);
	default:
		return false;
	}
}

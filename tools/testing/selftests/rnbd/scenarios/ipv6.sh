#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml
#
# Addresses: IPv6, link-local with a zone, a source address in both spellings, the second link;
# the names of path directories on both ends.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up 2
mapfile -t ram < <(brd_up 1 16)
modprobe rtrs_server sess_queue_depth=32
load_rnbd_server
load_rnbd_client

# over NAME PATH DIRECTORY RDMA-DEVICE: map over PATH, compare the names, verify, unmap.
over() {
	local name=$1 disk dir
	check_equal "$name-maps" OK \
		"$(errno_of write "$MAP_DEVICE" "sessname=s path=$2 device_path=${ram[0]}")"
	disk=$(rnbd_disk_of s "${ram[0]}") || return 0
	dir=$RTRS_CLT/s/paths/$3
	check_equal "$name-client-path" "$3" "$(entries "$RTRS_CLT/s/paths")"
	check_equal "$name-server-path" "$3" "$(entries "$RTRS_SRV/s/paths")"
	check "$name-src_addr" attr_is "$dir/src_addr" "${3%@*}"
	check "$name-dst_addr" attr_is "$dir/dst_addr" "${3#*@}"
	check "$name-hca_name" attr_is "$dir/hca_name" "$4"
	check "$name-hca_port" attr_is "$dir/hca_port" 1
	check "$name-state" attr_is "$dir/state" connected
	check "$name-fio" fio_verify "/dev/$disk" randwrite 4k-32k 8 1 60
	rnbd_unmap "$disk"
	wait_for 10 nothing_mapped
}

v4=ip:$(addr_of 1 0)
v4b=ip:$(addr_of 1 1)
v6=ip:$(addr6_of 1 0)
short=ip:fd00::1 # what the kernel prints for addr6_of 1 0
dev=$(link_dev 0)

test_start "IPv4"
over ipv4 "$v4" "$v4@$v4" "rxe_$dev"
over abi12-ipv4-comma "$v4,$v4" "$v4@$v4" "rxe_$dev"
over abi12-ipv4-at "$v4@$v4" "$v4@$v4" "rxe_$dev"
over ipv4-second-link "$v4b" "$v4b@$v4b" "rxe_$(link_dev 1)"

test_start "IPv6"
over ipv6 "$v6" "$short@$short" "rxe_$dev"
over ipv6-comma "$v6,$v6" "$short@$short" "rxe_$dev"
over ipv6-at "ip:FD00:0:0:0:0:0:0:1@$v6" "$short@$short" "rxe_$dev"
over ipv6-zone-of-a-global-address-ignored "$v6%$dev" "$short@$short" "rxe_$dev"

test_start "link-local IPv6"
ll() {
	ip -6 -o addr show dev "$1" scope link -tentative | awk '{ sub("/.*", "", $4); print $4; exit }'
}
link_local_there() { [ -n "$(ll "$dev")" ]; }
if wait_for 20 link_local_there; then
	local6=$(ll "$dev")
	check_equal "link-local-maps" OK "$(errno_of write "$MAP_DEVICE" \
		"sessname=s path=ip:$local6%$dev device_path=${ram[0]}")"
	check_match "link-local-path" "^ip:$local6(%$dev)?@ip:$local6(%$dev)?$" \
		"$(entries "$RTRS_CLT/s/paths")"
	check "link-local-fio" fio_verify "/dev/$(rnbd_disks)" randwrite 4k-32k 8 1 60
	rnbd_unmap "$(rnbd_disks)"
	check_equal "link-local-zone-by-number" OK "$(errno_of write "$MAP_DEVICE" \
		"sessname=s path=ip:$local6%$(<"/sys/class/net/$dev/ifindex") device_path=${ram[0]}")"
	rnbd_unmap "$(rnbd_disks)"
else
	test_skip "link-local" "$dev has no link-local address"
fi

test_start "addresses that lead nowhere"
check_equal "families-differ" EINVAL "$(errno_of write "$MAP_DEVICE" \
	"sessname=s path=$v6,$v4 device_path=${ram[0]}")"
check "nothing-left" wait_for 10 nothing_mapped
got=$(errno_of write "$MAP_DEVICE" "sessname=s path=ip:10.77.0.1,$v4 device_path=${ram[0]}")
check_match "source-that-is-not-ours" '^(EADDRNOTAVAIL|EHOSTUNREACH|ENODEV)$' "$got"
check "nothing-left-2" wait_for 10 nothing_mapped
check "server-idle" wait_for 10 server_idle

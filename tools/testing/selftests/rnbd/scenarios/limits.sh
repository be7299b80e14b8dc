#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml
#
# The limits of the server: whoever meets one sees the errno for it, the log of the server names
# it, nothing is left of the attempt, and the sessions that are there go on. Half-open paths are
# in peer.sh, because no client of the kernel stops half-way.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

MIB=9 # 8 for the buffers of one path with the sizes below, and some of the last for connections
rxe_up 3
disk0=$(null_blk_up 16)
disk1=$(null_blk_up 16)
disk2=$(null_blk_up 16)
disk3=$(null_blk_up 16)
load_rnbd_client
params=/sys/module/rtrs_server/parameters

load_server() { # PARAM=VALUE...: of rtrs_server
	modprobe rtrs_server max_chunk_size=131072 sess_queue_depth=64 "$@"
	load_rnbd_server
}

unload_server() {
	unload rnbd_server 40
	unload rtrs_server 40
}

# load_fails NAME PARAM...: one result; ok if loading ends in EINVAL.
load_fails() {
	local name=$1 out
	shift
	out=$(modprobe rtrs_server max_chunk_size=131072 sess_queue_depth=64 "$@" 2>&1) || :
	check_match "$name" "Invalid argument" "$out"
}

# map_on SESSION LINK [DISK]: a mapping over that link, whose address is the client's, too.
map_on() { rnbd_map "sessname=$1" "path=ip:$(addr_of 1 "$2")" "device_path=${3:-$disk0}"; }

# add_on SESSION LINK: errno of one more path.
add_on() { errno_of write "$RTRS_CLT/$1/add_path" "ip:$(addr_of 1 "$2"),ip:$(addr_of 1 "$2")"; }

# map_errno SESSION LINK: errno of a mapping that shall fail.
map_errno() {
	errno_of write "$MAP_DEVICE" \
		"sessname=$1 path=ip:$(addr_of 1 "$2") device_path=$disk1"
}

logged() { log_count "rtrs_server: connect request of .* rejected: $1, limit $2\$"; }

# meets NAME WANT LIMIT ERRNO CMD...: one attempt that must end in ERRNO because of LIMIT, and
# more of them, which are all the same to those who are connected.
meets() {
	local name=$1 limit=$2 want=$3 nr=$4 before sessions paths i got
	shift 4
	before=$(logged "$nr" "$limit")
	sessions=$(entries "$RTRS_SRV") paths=$(cd "$RTRS_SRV" && entries ./*/paths)
	check_equal "$name" "$want" "$("$@")"
	check "$name-logged" test "$(logged "$nr" "$limit")" -gt "$before"
	for ((i = 0; i < 5; i++)); do
		got=$("$@")
		[ "$got" = "$want" ] || test_fail "$name-again" "$got"
	done
	check_equal "$name-sessions-as-before" "$sessions" "$(entries "$RTRS_SRV")"
	check_equal "$name-paths-as-before" "$paths" "$(cd "$RTRS_SRV" && entries ./*/paths)"
	check "$name-io-goes-on" fio_verify "/dev/$disk" randwrite 4k-64k 8 1 50
}

unmap_all() {
	local d
	for d in $(rnbd_disks); do
		rnbd_unmap "$d"
	done
	check "$1-nothing-left" wait_for 10 server_idle
}

test_start "values"
load_fails "max_sessions-0" max_sessions=0
load_fails "max_half_open-0" max_half_open=0
load_fails "max_connections-0" max_connections=0
load_fails "max_connections-4097" max_connections=4097
load_fails "max_paths-0" max_paths=0
load_fails "max_paths-129" max_paths=129
load_fails "max_memory-below-a-path" max_memory=$((MIB - 1))
load_fails "max_peer_memory-below-a-path" max_peer_memory=$((MIB - 1))
load_server
for pair in max_sessions:1024 max_half_open:128 max_connections:4096 max_paths:128; do
	check "abi93-${pair%:*}" attr_is "$params/${pair%:*}" "${pair#*:}"
done
half=$(awk '/^MemTotal:/ { print int($2 / 1024 / 2) }' /proc/meminfo)
got=$(<"$params/max_memory")
check "max_memory-is-half-of-the-machine" test $((got - half)) -ge -1 -a $((got - half)) -le 1
check "max_peer_memory-is-half-of-it" attr_is "$params/max_peer_memory" $((got / 2))
for name in max_sessions max_half_open max_connections max_paths max_memory max_peer_memory; do
	check "$name-mode" mode_is "$params/$name" 444
done
unload_server

test_start "max_sessions"
load_server max_sessions=1
disk=$(map_on one 0)
meets max_sessions max_sessions ENOMEM -12 map_errno two 0
unmap_all max_sessions
disk=$(map_on two 0)
unmap_all max_sessions-another
unload_server

test_start "max_sessions, half of them from one address"
load_server max_sessions=4
disk=$(map_on one 0)
other=$(map_on two 0 "$disk1")
meets max_sessions-of-an-address max_sessions ENOMEM -12 map_errno three 0
check_equal "max_sessions-path-of-another-address" OK "$(add_on two 1)"
third=$(map_on three 1 "$disk2")
check "max_sessions-session-of-another-address" state_is "$third" open
check_equal "max_sessions-any-path-counts" ENOMEM "$(map_errno four 1)"
fourth=$(map_on four 2 "$disk3")
check "max_sessions-fourth" state_is "$fourth" open
check_equal "max_sessions-of-all" ENOMEM "$(map_errno five 2)"
rnbd_unmap "$other"
check "max_sessions-second-is-gone" wait_for 10 gone "$RTRS_SRV/two"
other=$(map_on five 0 "$disk1")
check "max_sessions-place-is-free" state_is "$other" open
unmap_all max_sessions-all
unload_server

test_start "as many as the numbers allow"
load_server max_sessions=4294967295 max_half_open=4294967295
disk=$(map_on one 0)
check "max_sessions-largest" state_is "$disk" open
unmap_all max_sessions-largest
unload_server

test_start "max_connections"
load_server max_connections=1
check_equal "max_connections" ECONNRESET "$(map_errno one 0)"
check "max_connections-logged" test "$(logged -104 max_connections)" -gt 0
check "max_connections-nothing-left" wait_for 10 nothing_mapped
unload_server

test_start "max_paths"
load_server max_paths=2
disk=$(map_on one 0)
check_equal "max_paths-second" OK "$(add_on one 1)"
meets max_paths max_paths ECONNRESET -104 add_on one 2
other=$(map_on two 2 "$disk1")
check "max_paths-is-of-a-session" state_is "$other" open
path=ip:$(addr_of 1 1)@ip:$(addr_of 1 1)
expect_errno OK write "$RTRS_CLT/one/paths/$path/remove_path" 1
check "max_paths-path-gone" wait_for 10 gone "$RTRS_SRV/one/paths/$path"
added() { [ "$(add_on one 2)" = OK ]; }
check "max_paths-place-is-free" wait_for 10 added
unmap_all max_paths
unload_server

test_start "max_memory"
load_server max_memory=$((2 * MIB)) max_peer_memory=$((2 * MIB))
disk=$(map_on one 0)
check_equal "max_memory-second" OK "$(add_on one 1)"
meets max_memory-path max_memory ENOMEM -12 add_on one 2
meets max_memory-session max_memory ENOMEM -12 map_errno two 2
path=ip:$(addr_of 1)@ip:$(addr_of 1)
connected() { [ "$(<"$RTRS_CLT/$1/paths/$path/state")" = connected ]; }
expect_errno OK write "$RTRS_SRV/one/paths/$path/disconnect" 1
check "max_memory-lost-path" wait_for 20 file_has "$RTRS_CLT/one/paths/$path/stats/reconnects" "^[1-9]"
check "max_memory-path-is-back" wait_for 20 connected one
check "max_memory-io-after-that" fio_verify "/dev/$disk" randwrite 4k-64k 8 1 50
unmap_all max_memory
mapped() { disk=$(map_on two 2); } # condition
check "max_memory-is-free" wait_for 20 mapped
unmap_all max_memory-another
unload_server

test_start "connections take memory"
load_server max_memory=16 max_peer_memory=16 # the buffers of two paths, to the byte
disk=$(map_on one 0)
meets connections max_memory ENOMEM -12 add_on one 1
unmap_all connections
unload_server

test_start "max_peer_memory"
load_server max_memory=$((8 * MIB)) max_peer_memory=$MIB
disk=$(map_on one 0)
meets max_peer_memory max_peer_memory ENOMEM -12 map_errno two 0
other=$(map_on two 1 "$disk1")
check "max_peer_memory-is-of-an-address" state_is "$other" open
check_equal "max_peer_memory-no-third" ENOMEM "$(add_on one 1)"
check_equal "max_peer_memory-another-address" OK "$(add_on one 2)"
unmap_all max_peer_memory
unload_server

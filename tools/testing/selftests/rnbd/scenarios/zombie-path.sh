#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=180 kernel=any,uml full=any debug=yes
#
# An RDMA device that does not let go of a queue pair, as Soft-RoCE does for 50 s when a packet is
# lost in it, does not hold up the path that comes next on the server: not in a session that has
# another path, and not in one that has lost its only one. What it takes counts until it is let go.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

KNOBS=/sys/kernel/debug/rtrs_server

rxe_up 2
modprobe rtrs_server sess_queue_depth=32 max_memory=47 max_peer_memory=47 # of 10 paths
load_rnbd_server
load_rnbd_client
[ -d "$KNOBS" ] || mount -t debugfs debugfs /sys/kernel/debug
disk0=$(null_blk_up 16)
let_go() { echo N >"$KNOBS/hold_free"; }
held_are() { file_is "$KNOBS/held_free" "$1"; }
held_are_at_least() { [ "$(<"$KNOBS/held_free")" -ge "$1" ]; } # attempts that were given up are, too
# is_back PATH: condition; of a path that was closed: the server shows it again, and the client.
is_back() { [ -d "$(srv_path "$1")" ] && path_is "$1" connected; }
both_are_back() { is_back 0 && is_back 1; }

# server_closes PATH...: the server closes them, and its device keeps what they had.
server_closes() {
	local path
	for path; do
		expect_errno OK write "$(srv_path "$path")/disconnect" 1
	done
}

test_start "one of two paths"
# shellcheck disable=SC2046 # a list
disk=$(rnbd_map $(path_args 0 1) "device_path=$disk0")
stamp "/dev/$disk" 3 "before"
echo Y >"$KNOBS/hold_free"
defer let_go
server_closes 0
check "its-resources-are-held" wait_for 20 held_are 1
check "its-successor-connects" wait_for 20 is_back 0
check "still-held" held_are 1

test_start "all paths"
server_closes 0 1
check "all-are-held" wait_for 20 held_are_at_least 3
check "both-connect" wait_for 20 both_are_back
check "open-again" wait_for 10 state_is "$disk" open
check "still-held" held_are_at_least 3
check "data-are-there" stamp_is "/dev/$disk" 3 "before"
check_equal "one-session-on-the-server" 2 \
	"$(find "$RTRS_SRV/$RNBD_SESS/paths" -mindepth 1 -maxdepth 1 | wc -l)"

test_start "no memory for one more path"
refused() { file_has "$(clt_path 0)/last_error" 'ENOMEM|-12'; }
back_or_refused() { is_back 0 || refused; }
for ((closed = 0; closed < 10; closed++)); do
	held=$(<"$KNOBS/held_free")
	server_closes 0
	wait_for 20 held_are_at_least $((held + 1))
	wait_for 20 back_or_refused
	! refused || break
done
check "its-successor-is-refused" refused
check "the-other-path-stays" path_is 1 connected

test_start "the device lets go"
let_go
check "nothing-is-held" wait_for 10 held_are 0
check "the-successor-connects" wait_for 30 paths_are 2
check "unmap" rnbd_unmap "$disk"
check "nothing-left" wait_for 20 nothing_mapped
check "server-idle" wait_for 20 server_idle

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=150 kernel=any,uml
#
# A server that comes back with other sizes. Smaller ones than the disks here were made for: its paths
# stay down, and with the old sizes "reconnect" brings them back. Larger ones do no harm.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

server_up() { # PARAMETER...
	modprobe rtrs_server "$@"
	load_rnbd_server
}
server_down() {
	unload rnbd_server 20
	unload rtrs_server 20
	wait_for 30 state_is "$disk" closed
}
large_io() { # every request as large as the disk here allows
	check "$1-large-write" fio_verify "/dev/$disk" write 252k 2 1 20
}
refusals() { log_count "queue depth .* before: no automatic reconnect"; }
more_refusals() { [ "$(refusals)" -gt "$1" ]; }
stays_down() { # NAME REFUSALS: the server with other sizes is there; so many were logged before
	check "$1-is-noticed" wait_for 30 more_refusals "$2"
	check "$1-path-is-down" path_is 0 disconnected
	check_equal "$1-reconnect-fails" ENOTCONN "$(path_try 0)"
	check_equal "$1-closed" closed "$(rnbd_attr "$disk" state)"
	check_equal "$1-io-fails" EIO "$(errno_of pread "/dev/$disk" 0 4096 direct)"
}
refused() { # NAME PARAMETER...: the server comes back so, and then as it was before
	local before
	server_down
	before=$(refusals)
	server_up "${@:2}"
	stays_down "$1" "$before"
	server_down
	server_up max_chunk_size=262144 sess_queue_depth=32
	check_equal "$1-reconnect" OK "$(path_up 0)"
	check "$1-open" wait_for 30 state_is "$disk" open
	large_io "$1"
}

rxe_up 2
null=$(null_blk_up 64)
server_up max_chunk_size=262144 sess_queue_depth=32
load_rnbd_client
disk=$(rnbd_map "device_path=$null" "$(path_args 0)")
check_equal "request-size" 252 "$(queue_attr "$disk" max_hw_sectors_kb)"
large_io before

test_start "smaller requests"
refused smaller-requests max_chunk_size=131072 sess_queue_depth=32

test_start "another queue depth"
refused other-depth max_chunk_size=262144 sess_queue_depth=16

test_start "larger requests"
server_down
server_up max_chunk_size=524288 sess_queue_depth=32
check "larger-requests-open" wait_for 30 state_is "$disk" open
check_equal "larger-requests-size-stays" 252 "$(queue_attr "$disk" max_hw_sectors_kb)"
large_io larger-requests

test_start "a second path"
check_equal "second-path" OK "$(errno_of write "$RTRS_CLT/$RNBD_SESS/add_path" "$(path_name 1)")"
large_io second-path
check "unmap" rnbd_unmap "$disk"
check "nothing-left" wait_for 20 nothing_mapped
check "server-idle" wait_for 20 server_idle

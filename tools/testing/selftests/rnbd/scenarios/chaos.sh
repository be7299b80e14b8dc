#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=400 kernel=any,uml tier=full
#
#	server: null_blk ---- two links, rxe on each ---- client: rnbd0, written and verified
#
# Chaos on one machine that is both ends: paths and RDMA devices go, one or all; the server's
# modules are loaded again, the client's too; memory gets scarce, the clock jumps, a CPU goes. After
# each of it all comes back by itself, and at the end all data is right and nothing is left.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"
. "${0%/*}/../lib-chaos.sh"

chaos_server() {
	unload rnbd_server 30 || return 1
	[ $((RANDOM % 2)) = 0 ] || unload rtrs_server 30 || return 1
	sleep $((RANDOM % 3))
	server_up
}
chaos_server_path() { is_ok "$(errno_of write "$(srv_path $((RANDOM % 2)))/disconnect" 1)"; }

server_up() {
	modprobe rtrs_server sess_queue_depth=64
	load_rnbd_server
}

rxe_up 2
null=$(null_blk_up 64)
server_up
chaos_events
events+=(server server_path)
chaos_up "$null"
chaos_run
chaos_end "$null"
check "server-idle" wait_for 20 server_idle

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=2 timeout=600 kernel=any tier=full
#
#	server: null_blk ====== two cables, rxe at all ends ====== client: rnbd0, written and verified
#
# Chaos of a network: cables are cut or bad (late, slow, twice, lost, out of order), and the server's
# RDMA devices, modules, memory and clock suffer without the client's knowing.
# And all that lib-chaos.sh has for the client.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"
: "${CHAOS_SECONDS:=120}" # nearly all events once
. "${0%/*}/../lib-chaos.sh"

server() { serve_disk; }

on_device() {
	rxe_del "$(link_dev "$1")"
	sleep 1
	rxe_add "$(link_dev "$1")"
}
on_memory() { chaos_memory; }
on_clock() { chaos_clock; }
on_reload() {
	unload rnbd_server 30
	unload rtrs_server 30
	modprobe rtrs_server sess_queue_depth=64
	load_rnbd_server
}

# Long enough for a path that is silent to be lost; the other one goes on.
chaos_cut() {
	local link=$((RANDOM % 2))
	on_cut $link
	order server cut $link
	sleep $((RANDOM % 15 + 1))
	order server restore $link
	on_restore $link
}

# This Soft-RoCE stalls for good after a loss, without an error, in 6.1: see bad-links.
BAD=("delay 20ms" "delay 10ms 10ms" "duplicate 5%" "rate 20mbit")
[[ $(uname -r) == 6.1.* ]] || BAD+=("loss 1%" "delay 10ms reorder 5% 50%")
chaos_bad() {
	local link=$((RANDOM % 2)) how=${BAD[RANDOM % ${#BAD[@]}]}
	note "$how"
	# shellcheck disable=SC2086 # words
	order server netem $link $how
	# shellcheck disable=SC2086 # words
	link_netem $link $how
	sleep 3
	link_netem $link
	order server netem $link
}

chaos_server_device() { order server device $((RANDOM % 2)); }
chaos_server_modules() { order server reload; }
chaos_server_memory() { order server memory; }
chaos_server_clock() { order server clock; }

client() {
	rxe_up
	await server-ready 60
	chaos_events
	events+=(cut bad bad server_device server_modules server_memory server_clock)
	chaos_up /dev/nullb0
	chaos_run
	chaos_end
	order server quit
}

"$LAB_ROLE"

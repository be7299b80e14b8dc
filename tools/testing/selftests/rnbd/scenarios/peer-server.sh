#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=400 kernel=uml programs=rnbd-peer
#
# A server in user space that is hostile when told (peer/server*.c) against the client: each
# fault once, with what a user sees of it, and what works as soon as the server behaves; then
# random damage. Of the modules only those of the client are loaded.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

command -v rnbd-peer >/dev/null || skip_all "rnbd-peer is not built"

# server_up: start it; orders go to 7, answers come from 8.
server_up() {
	mkfifo "$LAB_TMP/orders" "$LAB_TMP/answers"
	rnbd-peer server <"$LAB_TMP/orders" >"$LAB_TMP/answers" 2>&1 &
	exec 7>"$LAB_TMP/orders" 8<"$LAB_TMP/answers"
	answer
	[ "$reply" = ready ]
}

# answer: the next line of the server is in $reply; ask WORD...: give an order.
answer() {
	while read -t 120 -r reply <&8; do
		[[ $reply == "#"* ]] || return 0
		echo "$reply"
	done
	echo "# the server is gone or says nothing"
	return 1
}
ask() {
	echo "$*" >&7
	answer
}

# group NAME: its faults for the present mode, in the array "faults": "NAME WANT" each.
group() {
	faults=()
	echo "list $1" >&7
	while answer && [ "$reply" != . ]; do
		faults+=("$reply")
	done
}

map_errno() { errno_of write "$MAP_DEVICE" "$(map_text device_path=disk "$(path_args "$@")")"; }

# works [PATH...]: condition; with an honest server a disk can be mapped, read and unmapped.
works() {
	ask honest
	[ "$(map_errno "${@:-0}")" = OK ] && read_errno && [ "$got" = OK ] && unmap_disk
}
read_errno() { got=$(errno_of pread /dev/rnbd0 0 4096 direct); }
unmap_disk() { errno-op write /sys/block/rnbd0/rnbd/unmap_device force >/dev/null; }

# verdict NAME WANT GOT: one result; the fault must have come to pass.
verdict() {
	ask fired 0
	if [[ $reply == "fired 0"* ]]; then
		test_fail "$1" "the server did not get to it; errno $3"
	elif [[ $3 =~ ^($2)$ ]]; then
		test_ok "$1"
	else
		test_fail "$1" "wanted $2, got $3"
	fi
}

# map_case NAME WANT: a mapping meets a fault.
map_case() {
	local got
	ask arm "$1"
	got=$(map_errno 0)
	verdict "$1-$mode" "$2" "$got"
	ask honest
	if [ "$got" = OK ]; then
		unmap_disk
	fi
	nothing_mapped && works || test_fail "$1-$mode-then-honest" "$got, then $(map_errno 0)"
}

rxe_up 2
modprobe rtrs_client request_timeout_ms=1000 reconnect_delay_ms=1000
load_rnbd_client
server_up

for mode in ai plain; do
	test_start "mapping, $mode"
	ask mode "$mode"
	check "works-$mode" works
	for part in accept info sess-info open; do
		group "$part"
		for fault in "${faults[@]}"; do
			map_case "${fault% *}" "${fault#* }"
		done
		note "$part: $(cut -d' ' -f1 /proc/uptime)"
	done
done
ask paths
check_equal "server-knows-nobody" 0 "$reply"

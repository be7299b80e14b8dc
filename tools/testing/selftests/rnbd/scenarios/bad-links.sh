#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=2 timeout=420 kernel=any
#
#	server: null_blk ====== two cables, rxe at all ends ====== client: rnbd0 over two paths
#
# Links that are bad, not cut: packets late, twice, out of order, lost. No data may be wrong and no
# request fail, and a slow peer is not a dead one. Soft-RoCE does not survive a loss in front of a
# registration (it carries the registration out again, which fails): both paths may be gone at once
# then, and the session's hold time is what saves the requests.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

server() { serve_disk; }

# suffer ARGUMENT...: both links, both directions, as netem(8) says.
suffer() {
	local link
	for link in 0 1; do
		link_netem "$link" "$@"
		order server netem "$link" "$@"
	done
}

losses() {
	local l n=0
	for l in 0 1; do
		n=$((n + $(cut -d' ' -f1 "$(clt_path "$l")/stats/reconnects")))
	done
	echo $n
}

# under NAME REQUESTS ARGUMENT...
under() {
	local name=$1 nr=$2 start
	shift 2
	test_start "$name: $*"
	suffer "$@"
	start=$(now_ms)
	check "$name-no-failed-io-and-data-right" \
		fio_verify "/dev/$disk" randwrite 4k-32k 16 1 "$nr"
	note "$name: $nr requests written and read in $(since "$start") ms"
	check "$name-open" wait_for 60 state_is "$disk" open
}

passed() { [ "$(since "$1")" -ge "$2" ]; } # condition: START MS

# The kernel gives up asking for a neighbour after some 3 s, the mapping must not.
late_neighbour() {
	local dev pid start
	test_start "the server can be reached only after the kernel has given up asking"
	dev=$(link_dev 0)
	link_netem 0 loss 100%
	ip neigh flush dev "$dev"
	rnbd_map "$(path_args 0)" device_path=/dev/nullb0 >"$LAB_TMP/late" 2>&1 &
	pid=$! start=$(now_ms)
	wait_for 20 passed "$start" 4000
	check "late-neighbour-unreachable" test ! -s "$LAB_TMP/late"
	link_netem 0
	start=$(now_ms)
	check "late-neighbour-mapped" wait_for 40 test -s "$LAB_TMP/late"
	note "reachable -> mapped: $(since "$start") ms"
	wait $pid
	check "late-neighbour-unmap" rnbd_unmap "$(<"$LAB_TMP/late")"
	# its session has one path, and goes with the last reference to the disk
	check "late-neighbour-gone" wait_for 20 nothing_mapped
}

client() {
	load_rnbd_client
	rxe_up
	await server-ready 60
	late_neighbour
	disk=$(rnbd_map "$(path_args 0 1)" device_path=/dev/nullb0)
	under well 200
	under late 60 delay 50ms
	under twice 200 duplicate 5%
	check_equal "no-path-was-lost" 0 "$(losses)"
	case $(uname -r) in
	6.1.*)
		test_skip "lost" "this Soft-RoCE stalls for good after a loss, without an error" ;;
	*)
		sess_attr hold_time_ms 60000
		under lost 200 loss 1%
		under reordered 100 delay 10ms reorder 5% 50% ;;
	esac
	note "paths lost: $(losses)"
	suffer
	check "both-paths" wait_for 60 paths_are 2
	under well-again 200
	check "unmap" rnbd_unmap "$disk"
	check "nothing-left" wait_for 20 nothing_mapped
	order server quit
}

"$LAB_ROLE"

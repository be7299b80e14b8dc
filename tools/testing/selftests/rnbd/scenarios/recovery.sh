#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=2 timeout=420 kernel=any
#
#	server: null_blk ====== two cables, rxe at all ends ====== client: rnbd0 over two paths
#
# Links that are cut, one of two and both: what becomes of I/O and of the device, and that all comes
# back by itself. Times are printed; the bounds are those of the interface, with room.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

NOTICE=40 # seconds until the loss of a silent peer must be noticed (abi56)
RETURN=60 # until a path is back

server() { serve_disk; }

# both_ends WORD LINK: on this guest and on the server; the later of both is when it takes effect.
both_ends() {
	"on_$1" "$2"
	order server "$1" "$2"
}

one_link() {
	local start gap
	test_start "one of two links is cut: a reader with one request at a time"
	reader_start "$disk"
	start=$(now_ms)
	both_ends cut 0
	check "path-0-is-lost" wait_for $NOTICE path_is 0 disconnected
	note "link cut -> path lost: $(since "$start") ms"
	wait_for 20 eval "[ \$(wc -l <$LAB_TMP/reader.out) -gt 10 ]"
	reader_end
	gap=$(reader_longest)
	note "link cut -> first I/O on the surviving path: $gap ms"
	check_equal "abi54-no-failed-read" 0 "$(reader_failed)"
	check "failover-within-bounds" test "$gap" -lt $((NOTICE * 1000))
	check "abi54-state" state_is "$disk" open
	check "path-1-is-as-it-was" attr_is "$(clt_path 1)/stats/reconnects" "0 0"

	test_start "the link is up again"
	start=$(now_ms)
	both_ends restore 0
	check "path-0-is-back" wait_for $RETURN path_is 0 connected
	note "link up -> path connected: $(since "$start") ms"

	test_start "one link is cut, then the other one, under load"
	load_start "$disk"
	both_ends cut 1
	check "path-1-is-lost" wait_for $NOTICE path_is 1 disconnected
	both_ends restore 1
	check "path-1-is-back" wait_for $RETURN path_is 1 connected
	load_end "abi54-no-failed-io-and-data-right"
	check "abi54-still-open" state_is "$disk" open
	if [ -n "$heard" ]; then
		uevents_sync "$events"
		check_equal "abi54-no-uevent" "" "$(uevents_of "$events" "block/$disk ")"
	fi
}

both_links() {
	local start sum
	test_start "both links are cut"
	sum=$(fill_random "/dev/$disk")
	fio_run "/dev/$disk" randread 4k 16 1 1000000 --time_based --runtime=60 \
		>"$LAB_TMP/fio" 2>&1 &
	fio=$!
	start=$(now_ms)
	both_ends cut 0
	both_ends cut 1
	check "abi56-closed" wait_for $NOTICE state_is "$disk" closed
	note "links cut -> closed: $(since "$start") ms"
	check "io-under-way-ends" wait_for 20 eval "! kill -0 $fio"
	check "abi55-EIO-within-a-second" fails_at_once EIO pread "/dev/$disk" 0 4096 direct
	check_equal "no-path" 0 "$(paths_connected)"

	test_start "the links are up again"
	start=$(now_ms)
	both_ends restore 0
	both_ends restore 1
	check "abi53-open" wait_for $RETURN state_is "$disk" open
	note "links up -> open: $(since "$start") ms"
	check "both-paths" wait_for $RETURN paths_are 2
	note "links up -> both paths: $(since "$start") ms"
	check_equal "content" "$sum" "$(sum_of "/dev/$disk")"
	check "fio" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 200
	if [ -n "$heard" ]; then
		uevents_sync "$events"
		check_equal "abi53-offline-online" "offline online " \
			"$(uevents_of "$events" "block/$disk ")"
	fi
}

# The attempts of the path whose link stays away must not keep the other one waiting: each of them
# takes 30 s.
only_one_back() { # LINK OTHER
	local start
	test_start "both links are cut, only link $1 is up again"
	both_ends cut 0
	both_ends cut 1
	check "closed-before-$1" wait_for $NOTICE state_is "$disk" closed
	sleep $((3 * LAB_SLOW)) # longer than the pause before the first attempt
	start=$(now_ms)
	both_ends restore "$1"
	check "open-with-link-$1-alone" wait_for 28 state_is "$disk" open
	note "link $1 up -> open: $(since "$start") ms"
	both_ends restore "$2"
	check "both-paths-after-$1" wait_for $RETURN paths_are 2
}

address() {
	test_start "an address goes and comes back"
	load_start "$disk"
	ip addr del "$(client_addr 0)/24" dev "$(link_dev 0)"
	check "the-path-is-lost" wait_for $NOTICE path_is 0 disconnected
	ip addr add "$(client_addr 0)/24" dev "$(link_dev 0)"
	check "the-path-is-back" wait_for $RETURN path_is 0 connected
	load_end "no-failed-io-without-the-address"
}

client() {
	local heard
	events=$LAB_TMP/uevents
	load_rnbd_client
	rxe_up
	await server-ready 60
	disk=$(rnbd_map "$(path_args 0 1)" device_path=/dev/nullb0)
	if uevents_start "$events"; then heard=1; else heard=; fi
	one_link
	both_links
	only_one_back 0 1
	only_one_back 1 0
	address
	check "unmap" rnbd_unmap "$disk"
	check "nothing-left" wait_for 20 nothing_mapped
	order server quit
}

"$LAB_ROLE"

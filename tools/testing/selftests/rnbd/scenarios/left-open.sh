#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=2 timeout=240 kernel=any
#
#	server: two null_blk ====== two cables, rxe at all ends ====== client: rnbd0, rnbd1
#
# A device is unmapped while the client has no path, and the server, which still believes in one,
# has not lost the session: it is told to close the device when the link is back.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

# opened DEVICE: the ids under which it was opened, each once.
opened() { dmesg | sed -n "s|.*<$1@$RNBD_SESS>: device opened,.* id \([0-9]*\),.*|\1|p" | sort -u; }
exported() { [ -e "$RNBD_SRV_CTL/devices/$1" ]; } # condition

server() {
	null_blk_up 16 >/dev/null
	null_blk_up 16 >/dev/null
	# silence costs a path no sooner than the scenario has ended
	modprobe rtrs_server heartbeat_interval_ms=60000
	load_rnbd_server
	rxe_up
	signal server-ready
	serve_orders 200
}

on_look() {
	check "path-1-is-still-there" test -d "$(srv_path 1)"
	check "the-session-is-still-the-same" test "$(opened /dev/nullb1 | wc -l)" = 1
	check "the-unmapped-one-is-closed" wait_for 10 gone "$RNBD_SRV_CTL/devices/nullb0"
	check "the-other-one-is-open" exported nullb1
}
on_look_again() {
	check "path-1-is-there-even-now" test -d "$(srv_path 1)"
	check "mapped-again" exported nullb0
	check "and-the-other-one-is-open" exported nullb1
}

client() {
	local a b
	load_rnbd_client
	rxe_up
	await server-ready 60
	a=$(rnbd_map "$(path_args 0 1)" device_path=/dev/nullb0)
	b=$(rnbd_map "$(path_args 0 1)" device_path=/dev/nullb1)

	test_start "unmapped without a link"
	link_cut 1
	path_do 1 disconnect >/dev/null & # nobody hears of it, so it takes its time
	check_equal "path-0-closes" OK "$(path_do 0 disconnect)"
	check "closed" wait_for 20 state_is "$b" closed
	check "unmap-without-a-link" rnbd_unmap "$a"
	check_equal "path-0-is-back" OK "$(path_up 0)"
	check "open-again" wait_for 20 state_is "$b" open
	order server look
	check "fio" fio_verify "/dev/$b" randwrite 4k-32k 16 1 100

	test_start "mapped again before that"
	a=$(rnbd_map device_path=/dev/nullb0)
	check_equal "path-0-closes-again" OK "$(path_do 0 disconnect)"
	check "closed-again" wait_for 20 state_is "$b" closed
	check "unmap-without-a-link-again" rnbd_unmap "$a"
	check_equal "path-0-is-back-again" OK "$(path_up 0)"
	a=$(rnbd_map device_path=/dev/nullb0)
	check "open-once-more" wait_for 20 state_is "$b" open
	order server look_again
	check "fio-on-the-one" fio_verify "/dev/$a" randwrite 4k-32k 16 1 100
	check "fio-on-the-other" fio_verify "/dev/$b" randwrite 4k-32k 16 1 100
	link_restore 1
	check "unmap" rnbd_unmap "$a"
	check "unmap-the-other-one" rnbd_unmap "$b"
	check "nothing-left" wait_for 60 nothing_mapped
	order server quit
}

"$LAB_ROLE"

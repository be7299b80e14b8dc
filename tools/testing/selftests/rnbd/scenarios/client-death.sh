#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=2 timeout=240 kernel=any
#
# The client's machine is killed under I/O: the server frees sessions, devices and the right to
# write within 40 s, and the client can map again when it is back, under the same name.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

NOTICE=40

writers() { cat "$RNBD_SRV_CTL"/devices/*/sessions/*/access_mode 2>/dev/null | grep -cx rw || :; }
no_writer() { [ "$(writers)" = 0 ]; }

server() {
	local start
	null_blk_up 64 >/dev/null
	modprobe rtrs_server sess_queue_depth=64
	load_rnbd_server
	load_rnbd_client
	rxe_up
	signal server-ready
	await client-busy 90
	check "session-known" sess_up "$RNBD_SESS"
	check_equal "two-paths" 2 "$(find "$RTRS_SRV/$RNBD_SESS/paths" -mindepth 1 -maxdepth 1 | wc -l)"
	check_equal "one-writer" 1 "$(writers)"
	# this machine as a client of itself
	check_equal "another-writer-is-refused" EPERM "$(errno_of write "$MAP_DEVICE" \
		"sessname=second path=ip:$(addr_of 1 0 2) device_path=/dev/nullb0")"

	test_start "the client is killed"
	start=$(now_ms)
	guest_reboot client
	check "abi67-writer-slot-free" wait_for $NOTICE no_writer
	note "client killed -> writer slot free: $(since "$start") ms"
	check "abi67-sessions-gone" wait_for 10 gone "$RTRS_SRV/$RNBD_SESS"
	check_equal "another-writer-is-admitted" OK "$(errno_of write "$MAP_DEVICE" \
		"sessname=second path=ip:$(addr_of 1 0 2) device_path=/dev/nullb0")"
	disk=$(rnbd_disks)
	check "fio-of-the-other-writer" fio_verify "/dev/$disk" randwrite 4k-32k 16 1 100
	check "unmap-of-the-other-writer" rnbd_unmap "$disk"

	test_start "the client is back"
	signal slot-is-free
	await client-again 90
	check "session-known-again" sess_up "$RNBD_SESS"
	check_equal "one-writer-again" 1 "$(writers)"
	signal server-has-looked
	await client-done 60
	check "server-idle" wait_for 20 server_idle
}

client() {
	load_rnbd_client
	rxe_up
	await server-ready 60
	disk=$(rnbd_map "$(path_args 0 1)" device_path=/dev/nullb0)
	check "client-$LAB_BOOT-fio" fio_verify "/dev/$disk" randwrite 4k-32k 16 1 50
	load_start "$disk"
	signal client-busy
	await never 200
}

client_again() {
	local got
	load_rnbd_client
	rxe_up
	got=$(errno_of write "$MAP_DEVICE" \
		"$(map_text "$(path_args 0)" device_path=/dev/nullb0 access_mode=ro)")
	# the server may have noticed by then or not; a second session of the name it must not have
	check_match "map-right-after-the-boot" '^(OK|ECONNRESET)$' "$got"
	note "a mapping right after the boot: $got"
	[ "$got" != OK ] || rnbd_unmap "$(rnbd_disks)"
	wait_for 20 nothing_mapped
	await slot-is-free 120
	check "abi67-maps-again" wait_for 20 rnbd_map "$(path_args 0 1)" device_path=/dev/nullb0
	disk=$(rnbd_disks)
	check "fio" fio_verify "/dev/$disk" randwrite 4k-32k 16 1 100
	signal client-again
	await server-has-looked 60
	check "unmap" rnbd_unmap "$disk"
	check "nothing-left" wait_for 20 nothing_mapped
	signal client-done
}

case $LAB_ROLE-$LAB_BOOT in
server-1)	server ;;
client-1)	client ;;
client-2)	client_again ;;
esac

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=3 roles=left,right,client links=1 timeout=420 kernel=any disks=left:32M,right:32M
#
#	left: /dev/vda ------.
#	                      client: md RAID-1 over rnbd0 and rnbd1
#	right: /dev/vda -----'
#
# A mirror over two servers: one is killed under I/O and boots again, then the cable to the other one
# is cut. The mirror goes on with the leg that is left, and takes the other one back. Before that a
# path to the one server is added to the session with the other: refused, and nothing else.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"
. "${0%/*}/../lib-md.sh"

NOTICE=40
RETURN=60

server() {
	modprobe virtio_blk
	wait_for 10 test -b /dev/vda
	modprobe rtrs_server sess_queue_depth=64
	load_rnbd_server
	rxe_up
	test_ok "$LAB_ROLE-up-$LAB_BOOT"
	signal "$LAB_ROLE-up-$LAB_BOOT"
	await client-done 300
	check "$LAB_ROLE-idle" wait_for 20 server_idle
}

leg() { # GUEST NAME: map its disk
	rnbd_map "sessname=$2" "path=ip:$(addr_of 3 0 "$1")@ip:$(addr_of "$1" 0 3)" \
		device_path=/dev/vda
}

# without NAME DISK: the mirror loses that leg while it is written to, and no request fails.
without() {
	check "$1-leg-closed" wait_for $NOTICE state_is "$2" closed
	load_end "$1-no-failed-io-and-data-right"
	expect_errno OK pwrite /dev/md77 4096 4096 direct # so that md tries both legs in any case
}

with_again() { # NAME DISK
	check "$1-leg-open-again" wait_for $RETURN state_is "$2" open
	load_start md77
	md_again "$1" "$2"
	load_end "$1-no-failed-io-during-the-resync"
	md_check "$1"
}

client() {
	local a b start
	load_rnbd_client
	rxe_up
	modprobe raid1
	await left-up-1 60
	await right-up-1 60
	a=$(leg 1 left) b=$(leg 2 right)

	test_start "a path that leads to the other server"
	check_equal "other-server-is-refused" ENXIO "$(errno_of write "$RTRS_CLT/left/add_path" \
		"ip:$(addr_of 3 0 2)@ip:$(addr_of 2 0 3)")"
	check_equal "other-server-costs-no-path" "connected 0 0" \
		"$(cat "$RTRS_CLT"/left/paths/*/state "$RTRS_CLT"/left/paths/*/stats/reconnects | paste -sd' ')"
	check "other-server-disk-stays-open" state_is "$a" open
	expect_errno OK pread "/dev/$a" 0 4096 direct

	check "md-create" md_create "$a" "$b"
	defer md_stop

	test_start "the right server is killed"
	load_start md77
	guest_reboot right
	start=$(now_ms)
	without right "$b"
	note "right server killed -> mirror without it: $(since "$start") ms"
	check "right-runs-on-one-leg" wait_for 20 md_is '[U_]'
	check "left-is-open" state_is "$a" open
	await right-up-2 120
	with_again right "$b"

	test_start "the cable to the left server is cut"
	load_start md77
	link_cut "$(link_dev 0 1)"
	start=$(now_ms)
	without left "$a"
	note "cable cut -> mirror without the left server: $(since "$start") ms"
	check "left-runs-on-one-leg" wait_for 20 md_is '[_U]'
	link_restore "$(link_dev 0 1)"
	with_again left "$a"

	check "md-stop" md_stop
	check "unmap-left" rnbd_unmap "$a"
	check "unmap-right" rnbd_unmap "$b"
	check "nothing-left" wait_for 20 nothing_mapped
	signal client-done
}

case $LAB_ROLE in
left | right)	server ;;
client)		client ;;
esac

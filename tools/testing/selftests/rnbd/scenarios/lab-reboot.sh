#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=1 timeout=180 kernel=any modules=no disks=server:16M
#
# Proves the lab itself: a guest is killed and boots again, with its disk and the signals that were
# given; links can be cut and spoiled. What must make a run fail is in lab/negative.
. "${0%/*}/../lib.sh"

disk_up() {
	modprobe virtio_blk
	wait_for 10 test -b /dev/vda
}

server() {
	disk_up
	echo "written before the end" | dd of=/dev/vda bs=512 count=1 conv=sync oflag=direct status=none
	links_up
	test_ok "the results of the first life count"
	signal server-up
	# the end of this life comes while it waits
	await never 170
}

server_again() {
	disk_up
	check_equal "the disk is as it was" "written before the end" \
		"$(dd if=/dev/vda bs=512 count=1 iflag=direct status=none | head -n 1)"
	check "signals of the time before are known" await before-the-end 10
	check "signals of the time without it are known" await while-it-was-away 20
	links_up
	signal server-back
	await client-done 60
}

reaches() { ping -c 1 -W 1 "$(addr_of 1)"; }
silent() { ! reaches; }

client() {
	links_up
	await server-up 60
	signal before-the-end
	test_start "links"
	check "the server answers" wait_for 10 reaches
	check "link_cut" link_cut 0
	check "nothing gets through" silent
	check "link_restore" link_restore 0
	check "the server answers again" wait_for 10 reaches
	check "link_netem" link_netem 0 delay 300ms
	check_match "a delay is seen" 'time=([3-9][0-9]{2}|[0-9]{4})' "$(ping -c 1 -W 5 "$(addr_of 1)")"
	link_restore 0
	test_start "power"
	guest_reboot server
	check "the server is silent" wait_for 10 silent
	signal while-it-was-away
	check "the server is back" await server-back 90
	check "it answers" wait_for 10 reaches
	signal client-done
}

case $LAB_ROLE-$LAB_BOOT in
server-1)	server ;;
server-2)	server_again ;;
client-1)	client ;;
*)		test_fail "no other life is expected" "$LAB_ROLE, boot $LAB_BOOT" ;;
esac

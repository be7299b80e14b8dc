#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=3 timeout=120 kernel=any modules=no disks=server:16M
#
# Proves the lab itself with several guests: every pair reaches each other over Soft-RoCE on its
# own cable, signals reach everybody, disks go to the role they were meant for.
. "${0%/*}/../lib.sh"

rxe_up

# One rping server for each other guest; it ends when its client has been.
servers=()
for ((peer = 1; peer <= LAB_GUESTS; peer++)); do
	[ "$peer" != "$LAB_N" ] || continue
	rping -s -a "$(addr_of "$LAB_N" 0 "$peer")" -C 3 -p "71$LAB_N$peer" >/dev/null 2>&1 &
	servers+=("$!")
done

case $LAB_ROLE in
server)
	modprobe virtio_blk
	check "the server has its disk" wait_for 5 test -b /dev/vda
	check_equal "of 16 MiB" 32768 "$(sectors /dev/vda)" ;;
client)
	check "no other guest has one" test ! -e /dev/vda ;;
third)
	check "IPv6 works" wait_for 10 ping -c 1 -W 1 "$(addr6_of 1)" ;;
esac

for ((peer = 1; peer <= LAB_GUESTS; peer++)); do
	[ "$peer" != "$LAB_N" ] || continue
	check "reaches guest $peer" wait_for 20 \
		rping -c -a "$(addr_of "$peer")" -C 3 -p "71$peer$LAB_N"
done
for pid in "${servers[@]}"; do
	wait "$pid"
done
test_ok "the others reached this guest"

# nobody leaves before all are done: rping would see its peer vanish
signal "done-$LAB_N"
for ((peer = 1; peer <= LAB_GUESTS; peer++)); do
	await "done-$peer"
done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=2400 kernel=any,uml tier=full
#
# 1000 rounds of map and unmap, 200 of them with a session of their own; the kernel must not grow
# by them. 100 rounds of the same are part of rounds.sh.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up
mapfile -t ram < <(brd_up 2 4)
modprobe rtrs_server sess_queue_depth=32
load_rnbd_server
load_rnbd_client

disk=$RNBD_CTL/devices/${ram[0]//\//!} # the link that leads to it
rounds() { # COUNT
	local n
	for ((n = 0; n < $1; n++)); do
		echo "$text" >"$MAP_DEVICE" || return 1
		echo normal 2>/dev/null >"$disk/rnbd/unmap_device" ||
			rnbd_unmap "$(rnbd_disk_of "$RNBD_SESS" "${ram[0]}")" || return 1
	done
}
slab_kb() { awk '/^SUnreclaim:/ { print $2 }' /proc/meminfo; }
text=$(map_text "device_path=${ram[0]}")

check "warm-up" rounds 20
before=$(slab_kb)
check "200-rounds-with-new-sessions" rounds 200
note "unreclaimable slab: $before KiB before, $(slab_kb) KiB after"
check "new-sessions-leave-no-memory" test $(($(slab_kb) - before)) -lt 4096
keeper=$(map_again "device_path=${ram[1]}")
check_equal "no-number-is-lost" rnbd0 "$keeper"
check "warm-up-on-one-session" rounds 20
before=$(slab_kb)
check "800-rounds-on-one-session" rounds 800
note "unreclaimable slab: $before KiB before, $(slab_kb) KiB after"
check "one-session-leaves-no-memory" test $(($(slab_kb) - before)) -lt 4096
check "the-other-disk-works" fio_verify "/dev/$keeper" randwrite 4k-32k 8 1 60
rnbd_unmap "$keeper"
check "nothing-left" wait_for 10 nothing_mapped
check "nothing-left-on-the-server" wait_for 10 server_idle

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=400 kernel=any,uml full=any
#
# The habits of users: every command of the rnbd tool, done by a double that reads and writes as the
# tool does (rnbd-tool.sh), and the steps of the two tests that blktests has for RNBD. Many small
# programs: two minutes in an emulated machine.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

tool() { "$RNBD_TESTS/rnbd-tool.sh" "$@"; }
rows() { if tool "$@" list >"$LAB_TMP/rows"; then wc -l <"$LAB_TMP/rows"; else echo "failed"; fi; }

rxe_up 2
mapfile -t ram < <(brd_up 2 16)
null=$(null_blk_up 32)
sfdisk -q "$null" <<<$'label: gpt\nsize=8M\n;'
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
load_rnbd_client
addr0=ip:10.0.0.1@ip:10.0.0.1
addr1=ip:10.0.1.1@ip:10.0.1.1

test_start "nothing is mapped"
for side in client server; do
	for what in device session path; do
		check_equal "abi97-$side-$what-list-empty" 0 "$(rows $side $what)"
	done
done

test_start "map, list, show"
check "abi97-map" tool client device map store "${ram[0]}" rw $addr0
check "abi97-map-over-the-existing-session" tool client device map store "${ram[1]}" rw $addr0
check "abi97-map-ro" tool client device map store "${null}p1" ro $addr0
check_match "abi97-client-device-list" \
	"^rnbd0,store,${ram[0]},rw,open,[0-9]+,[0-9]+"$'\n'"rnbd1,store,${ram[1]},rw,open,[0-9]+,[0-9]+"$'\n'"rnbd2,store,${null}p1,ro,open,[0-9]+,[0-9]+$" \
	"$(tool client device list)"
check_equal "abi97-server-device-list" "$(printf '%s\n' "${null#/dev/}p1,store,${null}p1,ro" \
	"ram0,store,${ram[0]},rw" "ram1,store,${ram[1]},rw" | sort)" "$(tool server device list)"
check_equal "abi97-client-session-list" "store,MI" "$(tool client session list)"
check_match "abi97-server-session-list" "^store," "$(tool server session list)"
check_match "abi97-client-path-list" "^store $addr0,ip:10.0.0.1,ip:10.0.0.1,connected," \
	"$(tool client path list)"
check_match "abi97-server-path-list" "^store $addr0,ip:10.0.0.1,ip:10.0.0.1," \
	"$(tool server path list)"
check_fails "abi97-map-again-is-refused" tool client device map store "${ram[0]}" rw $addr0

test_start "two sessions map the same device_path"
check "abi98-second-session" tool client device map other "${null}p1" ro $addr1
check_equal "abi98-one-row-each" 4 "$(rows client device)"
check_equal "abi98-no-row-twice" 4 "$(tool client device list | cut -d, -f1 | sort -u | wc -l)"
check_fails "abi98-unmap-by-path-is-ambiguous" tool client device unmap "${null}p1"
check "abi98-unmap-by-name" tool client device unmap rnbd3
check_equal "abi98-server-rows" 3 "$(rows server device)"

test_start "unmap, remap, resize"
check "abi97-unmap-by-path" tool client device unmap "${null}p1"
check "abi97-remap-of-an-open-device" tool client device remap rnbd0
check "abi97-resize" tool client device resize rnbd0 16384
check_equal "abi97-resized" 16384 "$(sectors /dev/rnbd0)"
exec 7</dev/rnbd1
check_fails "abi97-unmap-in-use-is-refused" tool client device unmap rnbd1
check "abi97-unmap-force" tool client device unmap-force rnbd1
exec 7<&-

test_start "paths"
check "abi97-path-add" tool client path add store $addr1
check_equal "abi97-two-paths" 2 "$(rows client path)"
for path in $addr0 $addr1; do
	check "abi97-path-disconnect" tool client path disconnect store "$path"
	check "abi97-path-reconnect" tool client path reconnect store "$path"
	check "abi97-path-re-add" tool client path re-add store "$path"
done
check "abi97-path-delete" tool client path delete store $addr0
check_equal "abi97-one-path" 1 "$(rows client path)"
check "abi97-device-still-open" state_is rnbd0 open

test_start "sessions"
check "abi97-session-reconnect" tool client session reconnect store
check "abi97-open-after-it" wait_for 10 state_is rnbd0 open
check "abi97-session-remap" tool client session remap store
disk=$(rnbd_disks) # another one where the number is free only when the old disk is released
check "abi97-open-after-remap" state_is "$disk" open
check "abi97-disconnect" tool client path disconnect store $addr1
check "abi97-closed" wait_for 10 state_is "$disk" closed
check_match "abi97-listed-as-closed" "^$disk,store,${ram[0]},rw,closed," "$(tool client device list)"
check "abi97-session-recover" tool client session recover store
check "abi97-open-after-recover" wait_for 10 state_is "$disk" open

test_start "the server's side"
check "abi97-server-session-disconnect" tool server session disconnect store
back() { [ "$(rows server path)" = 1 ] && state_is "$disk" open; }
check "abi97-comes-back" wait_for 40 back
check "abi97-server-device-close" tool server device close ram0
check_equal "abi97-closed-on-the-server" 0 "$(rows server device)"
expect_errno EIO pread "/dev/$disk" 0 4096 direct
wait_for 5 state_is "$disk" closed
check "abi97-recover-after-close" tool client session recover store
check "abi97-open-after-close" state_is "$disk" open
check "abi97-map-a-partition" tool client device map store "${null}p1" rw $addr1
check "abi97-close-a-partition" tool server device close "${null#/dev/}p1"
check_equal "abi97-closed-partition" 1 "$(rows server device)"
for disk in $(rnbd_disks); do check "abi97-unmap-$disk" tool client device unmap "$disk"; done
check "nothing-left" wait_for 10 nothing_mapped
unload_all >/dev/null

# --- what blktests does: section 9 of the administrative interface ----------------------------------

test_start "the steps of blktests rnbd/001 and rnbd/002"
_net_down
wait_for 10 modprobe -r rdma_rxe
# modules first, links afterwards
for module in rdma_rxe rnbd_server rnbd_client loop; do
	modprobe -q $module || :
	check "abi99-module-$module" module_loaded $module
done
rxe_up
ctl=/sys/devices/virtual/rnbd-client/ctl
loop=$(losetup -f)
text="sessname=blktest path=ip:10.0.0.1 device_path=$loop"
blk_map() { echo "$text" >$ctl/map_device; }
blk_disk() {
	local file
	for file in /sys/block/rnbd*/rnbd/session; do
		! grep -qx blktest "$file" 2>/dev/null || { basename "${file%/rnbd/session}" && return; }
	done
	return 1
}
blk_unmap() { echo normal >"/sys/block/$(blk_disk)/rnbd/unmap_device"; }
check "abi99-001-map" blk_map
sleep 0.5
check "abi99-001-unmap" blk_unmap
rounds_of_002() {
	local n good=0
	for n in {1..100}; do
		if blk_map 2>/dev/null && blk_unmap 2>/dev/null; then good=$((good + 1)); fi
	done
	echo "$good of $n rounds"
	[ $good -ge 90 ] # nobody has the disk open here; udev would cost a few
}
check "abi99-002-rounds" rounds_of_002
check "abi99-link-del" timeout 60 rdma link delete rxe_rnl0
check "abi99-rmmod-rxe" wait_for 10 modprobe -r rdma_rxe
check "abi99-unload" unload_all
check "abi99-log" log_is_calm

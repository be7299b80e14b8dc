#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml
#
# The server's side: its tree, links to exported disks and partitions, force_close, search path,
# parameters, and what clients see when the server goes and comes back.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up
disk0=$(null_blk_up 64)
disk1=$(null_blk_up 32)
name0=${disk0#/dev/}
sfdisk -q "$disk0" <<<$'label: gpt\nsize=16M\n;'
wait_for 10 test -b "${disk0}p2"
srv=$RNBD_SRV_CTL/devices
load_rnbd_client

# load_fails NAME MODULE PARAM...: one result; ok if loading ends in EINVAL and leaves no module.
load_fails() {
	local name=$1 module=$2 out
	shift 2
	out=$(modprobe "$module" "$@" 2>&1) || :
	check_match "$name" "Invalid argument" "$out"
	module_loaded "$module" && test_fail "$name-loaded"
	return 0
}

test_start "parameters"
load_fails abi94-chunk-4096 rtrs_server max_chunk_size=4096
load_fails abi94-chunk-no-power-of-two rtrs_server max_chunk_size=12345
load_fails abi94-depth-0 rtrs_server sess_queue_depth=0
load_fails abi94-depth-65536 rtrs_server sess_queue_depth=65536
load_fails abi94-depth-and-chunk rtrs_server sess_queue_depth=65535 max_chunk_size=131072
long=$(printf '/%04095d' 0)
load_fails abi70-search-path-4096 rnbd_server "dev_search_path=$long"
unload rtrs_server
modprobe rtrs_server
for pair in always_invalidate:Y max_chunk_size:131072 sess_queue_depth:512; do
	check "abi93-${pair%:*}" attr_is "/sys/module/rtrs_server/parameters/${pair%:*}" \
		"${pair#*:}"
	check "abi93-${pair%:*}-mode" mode_is "/sys/module/rtrs_server/parameters/${pair%:*}" 444
done
load_rnbd_server
check "abi93-port_nr" attr_is /sys/module/rnbd_server/parameters/port_nr 1234
check "abi93-dev_search_path" attr_is /sys/module/rnbd_server/parameters/dev_search_path /

test_start "the tree"
ln -s "$disk0" /dev/rnbd-test-alias
defer rm -f /dev/rnbd-test-alias
a=$(rnbd_map device_path=/dev/rnbd-test-alias)
dir=$srv/$name0
check_equal "abi58-kernel-name" "$name0" "$(entries "$srv")"
check_equal "abi59-block_dev" "$(realpath "/sys/class/block/$name0")" "$(realpath "$dir/block_dev")"
check_equal "tree-session" "$RNBD_SESS" "$(entries "$dir/sessions")"
sess=$dir/sessions/$RNBD_SESS
check_equal "abi60-files" "access_mode force_close mapping_path read_only" "$(entries "$sess")"
for name in access_mode mapping_path read_only; do
	check "abi60-$name-mode" mode_is "$sess/$name" 444
done
check "abi60-force_close-mode" mode_is "$sess/force_close" 644
check "abi60-force_close-usage" shows_usage "$sess/force_close"
check "mapping_path" attr_is "$sess/mapping_path" /dev/rnbd-test-alias
check "access_mode" attr_is "$sess/access_mode" rw
check "read_only" attr_is "$sess/read_only" 0

test_start "an exported partition"
p=$(rnbd_map "device_path=${disk0}p1")
check_equal "abi59-partition-block_dev" "$(realpath "/sys/class/block/${name0}p1")" \
	"$(realpath "$srv/${name0}p1/block_dev")"
check_equal "partition-size" "$(sectors "${disk0}p1")" "$(sectors "/dev/$p")"
sum=$(fill_random "/dev/$p")
check_equal "partition-data" "$sum" "$(sum_of "${disk0}p1")"
rnbd_unmap "$p"
check "partition-directory-gone" wait_for 5 gone "$srv/${name0}p1"

test_start "force_close"
for word in 0 "" x " 1"; do
	check_equal "abi65-refused-'$word'" EINVAL "$(errno_of echo "$sess/force_close" "$word")"
done
sum=$(fill_random "$disk1")
check_equal "abi65-force_close" OK "$(errno_of write "$sess/force_close" 1)"
check "abi65-directory-gone" gone "$sess"
check "abi65-device-directory-gone" wait_for 5 gone "$dir"
# the client has not noticed yet: the write goes out with the old id, past the new device
b=$(rnbd_map "device_path=$disk1")
check "abi66-stale-device-is-still-open-here" state_is "$a" open
check_equal "abi66-stale-write-fails" EIO "$(errno_of pwrite "/dev/$a" 0 4096 direct)"
check "abi66-stale-write-reached-the-server" log_has "I/O for unknown device id"
check_equal "abi66-other-disk-unchanged" "$sum" "$(sum_of "$disk1")"
check_equal "abi65-io-fails" EIO "$(errno_of pread "/dev/$a" 0 4096 direct)"
check_equal "abi66-other-disk-works" "$sum" "$(sum_of "/dev/$b")"
check "abi65-client-unmaps" rnbd_unmap "$a"
check_equal "abi65-maps-again" "$a" "$(map_again device_path=/dev/rnbd-test-alias)"
expect_errno OK pwrite "/dev/$a" 4096 4096 direct

test_start "the server is unloaded under its clients"
events=$LAB_TMP/uevents
if uevents_start "$events"; then heard=1; else heard=; fi
check "abi68-unload-rnbd_server" unload rnbd_server 30
check "abi53-closed" wait_for 40 state_is "$a" closed
check "abi53-both-closed" wait_for 5 state_is "$b" closed
check "abi55-read-EIO-within-a-second" fails_at_once EIO pread "/dev/$a" 0 4096 direct
check "abi55-write-EIO-within-a-second" fails_at_once EIO pwrite "/dev/$a" 0 4096 direct
check_equal "closed-can-be-opened" OK "$(errno_of open "/dev/$a" rw)"
check_equal "abi49-remap-without-path" ECONNABORTED \
	"$(errno_of write "/sys/block/$a/rnbd/remap_device" 1)"
check_equal "abi50-resize-closed" ENOENT "$(errno_of write "/sys/block/$a/rnbd/resize" 8)"
load_rnbd_server
check "abi68-open-again" wait_for 60 state_is "$a" open
check "abi68-both-open-again" wait_for 10 state_is "$b" open
check_equal "abi68-content" "$sum" "$(sum_of "/dev/$b")"
check "abi68-fio" fio_verify "/dev/$a" randwrite 4k-64k 16 1 100
if [ -n "$heard" ]; then
	uevents_sync "$events"
	check_equal "abi53-offline-online" "offline online " \
		"$(uevents_of "$events" "^(offline|online) .*block/$a ")"
else
	test_skip "abi53-offline-online" "busybox has no uevent reader"
fi

test_start "a device that is gone when the server comes back"
check "unload-again" unload rnbd_server 30
check "closed-again" wait_for 40 state_is "$a" closed
rm /dev/rnbd-test-alias
load_rnbd_server
check "the-other-is-open" wait_for 60 state_is "$b" open
check "the-missing-one-stays-closed" state_is "$a" closed
check_equal "abi49-remap-missing" ENOENT "$(errno_of write "/sys/block/$a/rnbd/remap_device" 1)"
check "still-closed" state_is "$a" closed
ln -s "$disk0" /dev/rnbd-test-alias
check_equal "abi49-remap" OK "$(errno_of write "/sys/block/$a/rnbd/remap_device" 1)"
check "open-after-remap" state_is "$a" open
expect_errno OK pread "/dev/$a" 0 4096 direct
rnbd_unmap "$a"
rnbd_unmap "$b"
check "nothing-mapped" wait_for 10 nothing_mapped
unload rnbd_server

test_start "search path"
mkdir -p "$LAB_TMP/x/blya/deep" "$LAB_TMP/x/other"
ln -s "$disk0" "$LAB_TMP/x/blya/sda"
ln -s "$disk1" "$LAB_TMP/x/blya/deep/er"
ln -s "$disk1" "$LAB_TMP/x/other/sda"
load_rnbd_server "dev_search_path=$LAB_TMP/x/%SESSNAME%"
check "search-path-shown" attr_is /sys/module/rnbd_server/parameters/dev_search_path \
	"$LAB_TMP/x/%SESSNAME%"
a=$(rnbd_map sessname=blya device_path=sda)
b=$(rnbd_map sessname=other device_path=/sda)
check_equal "abi69-session-blya" "$(sectors "$disk0")" "$(sectors "/dev/$a")"
check_equal "abi69-session-other" "$(sectors "$disk1")" "$(sectors "/dev/$b")"
check "abi69-mapping_path" attr_is "$srv/$name0/sessions/blya/mapping_path" sda
check_equal "outside-is-not-found" ENOENT \
	"$(errno_of write "$MAP_DEVICE" "sessname=blya device_path=$disk0")"
check_equal "out-of-it-is-refused" EINVAL \
	"$(errno_of write "$MAP_DEVICE" "sessname=blya device_path=../other/sda")"
rnbd_unmap "$b"
c=$(rnbd_map sessname=blya device_path=deep//er)
check_equal "deeper" "$(sectors "$disk1")" "$(sectors "/dev/$c")"
rnbd_unmap "$c"
rnbd_unmap "$a"
unload rnbd_server
load_rnbd_server "dev_search_path=$LAB_TMP/%SESSNAME%/blya/" port_nr=2345
check "abi93-port-set" attr_is /sys/module/rnbd_server/parameters/port_nr 2345
a=$(rnbd_map sessname=x device_path=sda dest_port=2345)
check_equal "text-behind-the-placeholder-counts" "$(sectors "$disk0")" "$(sectors "/dev/$a")"
rnbd_unmap "$a"
check "all-gone" wait_for 10 server_idle

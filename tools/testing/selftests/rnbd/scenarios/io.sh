#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml mem=2G
#
# All operations with default settings: reads and writes verified by fio over block sizes, depths,
# jobs, devices and engines; discard, write zeroes, secure erase; flush and FUA counted at the
# server's disk; a disk with 4 KiB blocks; partitions; ext4 and xfs.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up
plain=$(null_blk_up 128 discard=1)
cached=$(null_blk_up 64 cache_size=16 discard=1)
big=$(null_blk_up 64 blocksize=4096)
# a loop device over ext4, which can punch holes and zero ranges of a file
under=$(null_blk_up 32 discard=1)
mkfs.ext4 -q "$under"
mkdir "$LAB_TMP/under"
mount "$under" "$LAB_TMP/under"
_undo_later umount "$LAB_TMP/under"
truncate -s 12M "$LAB_TMP/under/disk"
modprobe -q loop || :
loop=$(losetup -f --show "$LAB_TMP/under/disk")
_undo_later losetup -d "$loop"
load_rnbd_server
load_rnbd_client

a=$(rnbd_map "device_path=$plain")
b=$(rnbd_map "device_path=$cached")
c=$(rnbd_map "device_path=$big")
d=$(rnbd_map "device_path=$loop")
max=$(queue_attr "$a" max_hw_sectors_kb)k

test_start "what is written here is on the server's disk, and the other way round"
sum=$(fill_random "/dev/$d")
check_equal "written-here-read-there" "$sum" "$(sum_of "$loop")"
sum=$(fill_random "$loop")
check_equal "written-there-read-here" "$sum" "$(sum_of "/dev/$d")"
check_equal "whole-megabytes" "$sum" "$(dd "if=/dev/$d" bs=1M iflag=direct status=none |
	sha256sum | cut -d' ' -f1)"
check_equal "single-sectors" "$(dd "if=$loop" bs=512 count=64 skip=777 status=none | sha256sum)" \
	"$(dd "if=/dev/$d" bs=512 count=64 skip=777 iflag=direct status=none | sha256sum)"

test_start "verified by fio"
check "fio-4k-depth-1" fio_verify "/dev/$a" randwrite 4k 1 1 200
check "fio-4k-depth-32-jobs-2" fio_verify "/dev/$a" randwrite 4k 32 2 800
check "fio-512-depth-16" fio_verify "/dev/$a" randwrite 512 16 1 300
check "fio-mixed-512-to-64k-depth-32" fio_verify "/dev/$a" randwrite 512-64k 32 1 200 \
	--bs_unaligned=0 --blockalign=512
check "fio-largest-depth-8" fio_verify "/dev/$a" write "$max" 8 1 60
check "fio-larger-than-largest" fio_verify "/dev/$a" write 1m 4 1 12
check "fio-depth-128" fio_verify "/dev/$a" randwrite 4k-124k 128 2 150
check "fio-io_uring" fio_verify "/dev/$a" randwrite 4k-64k 64 1 200 --ioengine=io_uring
check "fio-many-segments" fio_verify "/dev/$a" randwrite 64k-124k 16 1 60 --mem=malloc \
	--iomem_align=512
check "fio-through-the-page-cache" fio_verify "/dev/$a" randwrite 4k-64k 1 1 200 --direct=0 \
	--ioengine=psync --fsync=50
check "fio-read-write-mixed" fio_verify "/dev/$a" randrw 4k-32k 32 2 300

# three_devices: verification on three disks of one session at the same time
three_devices() {
	local pids=() pid rc=0
	fio_verify "/dev/$a" randwrite 4k-64k 32 1 150 &
	pids+=($!)
	fio_verify "/dev/$b" randwrite 4k-16k 32 1 200 &
	pids+=($!)
	fio_verify "/dev/$d" write 4k-124k 16 1 60 &
	pids+=($!)
	for pid in "${pids[@]}"; do wait "$pid" || rc=1; done
	return "$rc"
}
check "fio-three-devices-one-session" three_devices

test_start "edges of the device"
size=$(blockdev --getsize64 "/dev/$a")
expect_errno OK pwrite "/dev/$a" $((size - 4096)) 4096 direct
check_equal "write-behind-the-end" ENOSPC "$(errno_of pwrite "/dev/$a" "$size" 4096 direct)"
check_equal "read-behind-the-end" SHORT "$(errno_of pread "/dev/$a" "$size" 4096 direct)"

test_start "discard and write zeroes"
check_equal "discard-limit-is-the-server's" \
	"$(queue_attr "${plain#/dev/}" discard_max_hw_bytes)" "$(queue_attr "$a" discard_max_hw_bytes)"
dd if=/dev/urandom "of=/dev/$d" bs=1M count=8 oflag=direct status=none
trace_disk "$loop"
check "blkdiscard" blkdiscard -o 1M -l 4M "/dev/$d"
check "discard-reached-the-disk" test "$(traced 'D[A-Z]*')" -ge 1
zero_range() { # DEV OFFSET LENGTH: the range reads as zeros (also at the server)
	cmp -n "$3" -i "$2:0" "$1" /dev/zero
}
check "discarded-reads-as-zeros" zero_range "/dev/$d" 1M 4M
check_fails "neighbour-is-untouched" zero_range "/dev/$d" 5M 512
# the local page cache of the loop device knows nothing of what the modules did
blockdev --flushbufs "$loop" "/dev/$d"
dd if=/dev/urandom "of=/dev/$d" bs=1M count=8 oflag=direct status=none
trace_clear
check "blkdiscard-z" blkdiscard -z -o 2M -l 3M "/dev/$d"
blockdev --flushbufs "/dev/$d"
check "zeroed-reads-as-zeros" zero_range "/dev/$d" 2M 3M
check_fails "zeroed-left-neighbour" zero_range "/dev/$d" $((2 * 1048576 - 512)) 512
check_fails "zeroed-right-neighbour" zero_range "/dev/$d" 5M 512
if [ "$(queue_attr "$d" write_zeroes_max_bytes)" != 0 ]; then
	check_equal "write-zeroes-limit-is-the-server's" \
		"$(queue_attr "${loop#/dev/}" write_zeroes_max_bytes)" \
		"$(queue_attr "$d" write_zeroes_max_bytes)"
	check_equal "write-zeroes-travels-without-data" 0 "$(traced 'W[AFMS]*')"
	check "write-zeroes-reached-the-disk" test "$(traced 'N[A-Z]*')" -ge 1
else
	test_skip "write-zeroes-travels-without-data" "no write-zeroes limit on this kernel"
fi
check "large-discard" blkdiscard "/dev/$a"
check_fails "secure-erase-unsupported" blkdiscard -s -o 0 -l 1M "/dev/$a"
check_fails "discard-unsupported" blkdiscard -o 0 -l 1M "/dev/$c"

test_start "flush and FUA at the server's disk"
check_equal "write_cache-of-cached" "write back" "$(queue_attr "$b" write_cache)"
check_equal "write_cache-of-plain" "write through" "$(queue_attr "$a" write_cache)"
trace_disk "$cached"
# kinds: how many requests there were of each kind that could make data durable, and of the others
kinds() { echo "flush $(traced 'FF?S?'), FUA $(traced 'F*WF[AMS]*'), plain $(traced 'W[AMS]*')"; }
dd if=/dev/zero "of=/dev/$b" bs=4k count=16 oflag=direct status=none
check_equal "plain-writes-carry-no-flush" "flush 0, FUA 0, plain 16" "$(kinds)"
trace_clear
dd if=/dev/zero "of=/dev/$b" bs=4k count=16 oflag=direct conv=fsync status=none
check_equal "one-fsync-is-one-flush" "flush 1, FUA 0, plain 16" "$(kinds)"
trace_clear
# What 8 writes with O_DSYNC become at the server's disk must be what they become when they are
# written there: FUA writes, and the flushes of the kernel's O_DSYNC.
dsync_kinds() { # DEV
	trace_clear
	dd if=/dev/zero "of=$1" bs=4k count=8 oflag=direct,dsync status=none
	echo "FUA $(traced 'WF[MS]*') flush $(traced 'FF?S?') plain $(traced 'W[MS]*')"
}
local_kinds=$(dsync_kinds "$cached")
note "written at the server: $local_kinds"
check_equal "O_DSYNC-as-if-local" "$local_kinds" "$(dsync_kinds "/dev/$b")"
check_equal "fua-as-the-server's" "$(queue_attr "${cached#/dev/}" fua)" "$(queue_attr "$b" fua)"

test_start "a disk with 4 KiB blocks"
check_equal "4k-logical_block_size" 4096 "$(queue_attr "$c" logical_block_size)"
check_equal "4k-size-in-sectors" "$(sectors "$big")" "$(sectors "/dev/$c")"
check "4k-fio" fio_verify "/dev/$c" randwrite 4k-64k 16 1 200
check_equal "4k-refuses-512" EINVAL "$(errno_of pwrite "/dev/$c" 512 512 direct)"

test_start "partitions and file systems"
blockdev --flushbufs "/dev/$a"
check "sfdisk" sfdisk -q "/dev/$a" <<<$'label: gpt\nsize=24M\n;'
check "partition-nodes" wait_for 10 test -b "/dev/${a}p1" -a -b "/dev/${a}p2"
check_equal "partition-1-size" $((24 * 2048)) "$(sectors "/dev/${a}p1")"
check "fio-on-a-partition" fio_verify "/dev/${a}p1" randwrite 4k-32k 16 1 150
mnt=$LAB_TMP/mnt
mkdir "$mnt"
defer umount -l "$mnt"

# tree_on: fill a mounted file system with files; their checksums go to SHA256
tree_on() {
	local n
	for n in {1..20}; do
		head -c $((n * 7777)) /dev/urandom >"$1/file$n"
	done
	(cd "$1" && sha256sum file*) >"$LAB_TMP/SHA256"
}

check "mkfs.ext4" mkfs.ext4 -q "/dev/${a}p2"
mount "/dev/${a}p2" "$mnt"
tree_on "$mnt"
check_equal "abi40-mounted-partition-busy" EBUSY \
	"$(errno_of write "/sys/block/$a/rnbd/unmap_device" normal)"
umount "$mnt"
check "fsck.ext4" fsck.ext4 -f -n "/dev/${a}p2"
rnbd_unmap "$a"
a=$(rnbd_map "device_path=$plain")
wait_for 10 test -b "/dev/${a}p2"
mount "/dev/${a}p2" "$mnt"
check "ext4-content-after-map-again" env -C "$mnt" sha256sum --quiet -c "$LAB_TMP/SHA256"
umount "$mnt"
if modprobe -q xfs; then
	xfs=$(null_blk_up 320 cache_size=16 discard=1)
	e=$(rnbd_map "device_path=$xfs")
	check "mkfs.xfs" mkfs.xfs -q -f "/dev/$e"
	mount "/dev/$e" "$mnt"
	tree_on "$mnt"
	check "xfs-fstrim" fstrim "$mnt"
	umount "$mnt"
	check "xfs_repair" xfs_repair -n "/dev/$e"
	mount "/dev/$e" "$mnt"
	check "xfs-content" env -C "$mnt" sha256sum --quiet -c "$LAB_TMP/SHA256"
	umount "$mnt"
	rnbd_unmap "$e"
else
	test_skip "xfs" "this kernel has no xfs"
fi
for disk in "$a" "$b" "$c" "$d"; do
	check "unmap-$disk" rnbd_unmap "$disk"
done
check "abi46-all-gone" wait_for 10 nothing_mapped

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 smp=1 timeout=400 kernel=any,uml mem=2G
#
#	rnbd0 - client ~~~ server - dm-log-writes - null_blk
#
# What reaches the server's disk, entry by entry: flushes, FUA writes and discards exactly once and
# behind the writes that they cover, as if written there. Then limits, zeroes that keep their
# blocks, read-only disks, partitions, and disks that grow under a mounted file system.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
load_rnbd_client

# --- the log of writes -----------------------------------------------------------------------------

# Layout of the log: a block of 512 bytes for the superblock, which counts the entries; then for
# each entry a block with its head, and behind it the data of a write.
log_block() { dd "if=$logdev" bs=512 "skip=$1" count=1 iflag=direct status=none; }

# log_entry: print the entry at $pos and move on: kind (W write, F flush, A FUA, D discard, FA for
# both), sector, sectors; or "mark TEXT".
log_entry() {
	local sector sectors flags len kind=
	log_block "$pos" >"$LAB_TMP/head"
	read -r sector sectors flags len < <(od -An -tu8 -N32 -w32 "$LAB_TMP/head")
	pos=$((pos + 1))
	if [ $((flags & 8)) != 0 ]; then
		echo "mark $(tail -c +33 "$LAB_TMP/head" | head -c "$len")"
		return
	fi
	[ $((flags & 1)) = 0 ] || kind=F
	[ $((flags & 2)) = 0 ] || kind+=A
	[ $((flags & 4)) = 0 ] || kind+=D
	echo "${kind:-W} $sector $sectors"
	[ $((flags & 4)) != 0 ] || pos=$((pos + sectors))
}

# log_read MARK: append new entries to $LAB_TMP/entries until that mark is there; the log is
# written by a thread. What was read so far is kept in $LAB_TMP/log-pos.
log_read() {
	local pos read count n
	read -r pos read <"$LAB_TMP/log-pos"
	for n in {1..100}; do
		read -r _ _ count < <(log_block 0 | od -An -tu8 -N24 -w24)
		for (( ; read < count; read++)); do log_entry >>"$LAB_TMP/entries"; done
		echo "$pos $read" >"$LAB_TMP/log-pos"
		if grep -qx "mark $1" "$LAB_TMP/entries"; then return; fi
		sleep 0.1
	done
	return 1
}

# logged NAME CMD...: run CMD and print what it wrote, entries joined by ", ". Plain writes are
# logged with the flush behind them, so a flush is made here, which is not printed.
logged() {
	local name=$1
	shift
	dmsetup message rnbd-log 0 mark "begin-$name"
	"$@" >&2
	sync "$log"
	dmsetup message rnbd-log 0 mark "end-$name"
	log_read "end-$name"
	sed -n "/^mark begin-$name$/,/^mark end-$name$/p" "$LAB_TMP/entries" | sed '1d;$d' |
		sed '$d' | paste -sd, | sed 's/,/, /g'
}

# same_here_and_there NAME WANT CMD...: in CMD the word DEV stands for the disk. What CMD makes
# reach the backing disk is WANT, and the same when it runs on the server ("local" for WANT: only
# the latter).
same_here_and_there() {
	local name=$1 want=$2 here there
	shift 2
	here=$(logged "$name-here" "${@/DEV/$log}")
	there=$(logged "$name-there" "${@/DEV//dev/$disk}")
	[ "$want" = local ] || check_equal "$name-at-the-server" "$want" "$here"
	check_equal "$name" "$here" "$there"
}

# writes SECTOR...: with dd OPTIONS in $how, 4 KiB to each
writes() { # DEV SECTOR...
	local dev=$1 sector
	shift
	for sector; do
		# shellcheck disable=SC2086 # options
		dd if=/dev/zero "of=$dev" bs=4k count=1 seek=$((sector / 8)) status=none $how
	done
}

if modprobe -q dm_log_writes; then
	backing=$(null_blk_up 32 cache_size=16 discard=1)
	logdev=$(null_blk_up 256)
	echo 1 0 >"$LAB_TMP/log-pos" # next block, entries read
	log=$(dm_up rnbd-log "0 $(sectors "$backing") log-writes $backing $logdev")
	disk=$(rnbd_map "device_path=$log")
	check_equal "log-has-a-cache" "write back" "$(queue_attr "$disk" write_cache)"

	test_start "writes, flushes, FUA"
	how="oflag=direct conv=notrunc"
	same_here_and_there plain-writes "W 0 8, W 80 8, W 16 8" writes DEV 0 80 16
	how="oflag=direct conv=notrunc,fsync"
	same_here_and_there flush-behind-each-write "W 0 8, F 0 0, W 80 8, F 0 0" writes DEV 0 80
	how="oflag=direct,dsync conv=notrunc"
	same_here_and_there O_DSYNC local writes DEV 0 80 16
	check_match "O_DSYNC-is-FUA-or-flush" "^(A 0 8|W 0 8, F 0 0)" \
		"$(logged dsync writes "/dev/$disk" 0)"
	flush_only() { sync "$1"; }
	same_here_and_there flush-alone "F 0 0" flush_only DEV
	how="conv=notrunc,fsync"
	same_here_and_there page-cache-then-fsync "W 0 8, F 0 0" writes DEV 0
	buffered() { dd if=/dev/zero "of=$1" bs=64k count=4 conv=fsync,notrunc status=none; }
	got=$(logged buffered buffered "/dev/$disk")
	check_match "page-cache-all-in-front-of-the-flush" "^(W [0-9]+ [0-9]+, )+F 0 0$" "$got"
	check_equal "page-cache-all-of-it" 512 \
		"$(tr ',' '\n' <<<"$got" | awk '/W/ { n += $3 } END { print n }')"

	test_start "many at once: as many flushes and FUA writes as were asked for"
	fsyncs() {
		fio_run "$1" randwrite 4k 1 2 20 --fsync=1 --ioengine=psync
	}
	got=$(logged fsyncs fsyncs "/dev/$disk")
	count() { tr ',' '\n' <<<"$got" | grep -cE "^ ?$1 "; }
	note "$(count W) writes, $(count F) flushes"
	check_equal "parallel-writes-arrive-once" 40 "$(count W)"
	# flushes that wait for each other are merged by the block layer, which saves some
	check "parallel-flushes" test "$(count F)" -ge 20 -a "$(count F)" -le 42
	check_equal "nothing-else" 0 "$(count '(A|FA|D|AD|FD)')"

	test_start "ext4 orders its journal by flush and FUA"
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "/dev/$disk" 16384
	mkdir "$LAB_TMP/mnt"
	mount "/dev/$disk" "$LAB_TMP/mnt"
	defer umount -l "$LAB_TMP/mnt"
	journal() {
		local n
		for n in {1..5}; do
			dd if=/dev/urandom "of=$LAB_TMP/mnt/file$n" bs=16k count=1 conv=fsync status=none
		done
	}
	got=$(logged journal journal)
	check "ext4-commits" test "$(count 'F?A')" -ge 5
	# each commit block needs a flush in front of it; it may carry it itself
	check_equal "ext4-no-commit-without-a-flush" 0 "$(tr ',' '\n' <<<"$got" | awk '
		$1 ~ /F/ { flushed = 1 }
		$1 ~ /A/ { if (!flushed) bad++; flushed = 0 }
		END { print bad + 0 }')"
	umount "$LAB_TMP/mnt"
	check "ext4-fsck" fsck.ext4 -f -n "/dev/$disk"
	rnbd_unmap "$disk"

	test_start "discards, with the server's limits"
	echo 1048576 >"/sys/dev/block/$(stat -c %Hr:%Lr "$log")/queue/discard_max_bytes"
	disk=$(rnbd_map "device_path=$log")
	check_equal "abi51-discard_max_hw_bytes" 1048576 "$(queue_attr "$disk" discard_max_hw_bytes)"
	check_equal "abi51-discard_max_bytes" 1048576 "$(queue_attr "$disk" discard_max_bytes)"
	discard() { blkdiscard -o "$2" -l "$3" "$1"; }
	same_here_and_there discard-one "D 2048 1024" discard DEV 1M 512K
	same_here_and_there discard-split "D 0 2048, D 2048 2048, D 4096 1024" discard DEV 0 2560K
	rnbd_unmap "$disk"
else
	test_skip "log-writes" "this kernel has no dm-log-writes"
fi

test_start "queue values of disks of all kinds"
# values_match BACKING DISK: what 1.6 says is the server's
values_match() {
	local name bad=0 pair want block
	block=$(queue_attr "$1" logical_block_size)
	for name in logical_block_size physical_block_size discard_max_hw_bytes write_cache fua \
		discard_max_bytes write_zeroes_max_bytes; do
		[ "$name" != write_zeroes_max_bytes ] || [ "$wz" = yes ] || continue
		want=$(queue_attr "$1" $name)
		[[ $name != *_bytes ]] || want=$((want / block * block)) # whole blocks only
		[ "$want" = "$(queue_attr "$2" $name)" ] && continue
		echo "$name: $want on the server, $(queue_attr "$2" $name) here"
		bad=1
	done
	for pair in max_discard_segments:1 virt_boundary_mask:4095 max_hw_sectors_kb:124 zoned:none; do
		[ "$(queue_attr "$2" "${pair%:*}")" = "${pair#*:}" ] || bad=1
	done
	[ "$(queue_attr "$2" minimum_io_size)" = "$(queue_attr "$2" physical_block_size)" ] || bad=1
	return $bad
}
# the file under a loop device that can zero ranges
under=$(null_blk_up 64 discard=1)
mkfs.ext4 -q "$under"
mkdir "$LAB_TMP/under"
mount "$under" "$LAB_TMP/under"
_undo_later umount "$LAB_TMP/under"
truncate -s 12M "$LAB_TMP/under/disk"
modprobe -q loop || :
loop=$(losetup -f --show "$LAB_TMP/under/disk")
_undo_later losetup -d "$loop"
disk=$(rnbd_map "device_path=$loop")
if [ "$(queue_attr "$disk" write_zeroes_max_bytes)" != 0 ]; then wz=yes; else wz=no; fi
check "abi51-loop" values_match "$(basename "$loop")" "$disk"
for kind in "cached:32 cache_size=16 discard=1" "plain:32" "4k:32 blocksize=4096 discard=1" \
	"2k-cached:32 blocksize=2048 cache_size=8"; do
	# shellcheck disable=SC2086 # a list of parameters
	null=$(null_blk_up ${kind#*:})
	other=$(rnbd_map "device_path=$null")
	check "abi51-${kind%%:*}" values_match "${null#/dev/}" "$other"
	rnbd_unmap "$other"
done

test_start "zeroes that keep their blocks, and zeroes that need not"
blocks() { stat -c %b "$LAB_TMP/under/disk"; }
zero_range() { cmp -n "$3" -i "$2:0" "$1" /dev/zero; }
if [ $wz = yes ]; then
	dd if=/dev/urandom "of=/dev/$disk" bs=1M count=12 oflag=direct status=none
	full=$(blocks)
	check "fallocate-zero-range" fallocate -z -n -o 1M -l 2M "/dev/$disk"
	check "zero-range-reads-as-zeros" zero_range "/dev/$disk" 1M 2M
	check "no-unmap-keeps-the-blocks" test "$(blocks)" -ge "$full"
	check "fallocate-punch-hole" fallocate -p -n -o 4M -l 2M "/dev/$disk"
	check "punched-reads-as-zeros" zero_range "/dev/$disk" 4M 2M
	check "punched-frees-the-blocks" test "$(blocks)" -le $((full - 2048))
else
	test_skip "zeroes" "no write-zeroes limit on this kernel"
fi

test_start "a disk that grows under a mounted file system"
# ends before the large files, so that the loop device can grow
mkfs.ext4 -q "/dev/$disk"
mkdir -p "$LAB_TMP/mnt"
mount "/dev/$disk" "$LAB_TMP/mnt"
defer umount -l "$LAB_TMP/mnt"
for n in {1..8}; do head -c $((n * 50000)) /dev/urandom >"$LAB_TMP/mnt/file$n"; done
(cd "$LAB_TMP/mnt" && sha256sum file*) >"$LAB_TMP/SHA256"
truncate -s 40M "$LAB_TMP/under/disk"
losetup -c "$loop"
check_equal "grown-on-the-server" 81920 "$(sectors "$loop")"
check_equal "not-seen-here-yet" 24576 "$(sectors "/dev/$disk")"
check_equal "resize-while-mounted" OK "$(errno_of write "/sys/block/$disk/rnbd/resize" 81920)"
check "resize2fs-online" resize2fs "/dev/$disk"
check "file-system-has-grown" test "$(stat -f -c %b "$LAB_TMP/mnt")" -gt 24000
head -c 20000000 /dev/urandom >"$LAB_TMP/mnt/large"
(cd "$LAB_TMP/mnt" && sha256sum large) >>"$LAB_TMP/SHA256"
umount "$LAB_TMP/mnt"
check "fsck-after-resize" fsck.ext4 -f -n "/dev/$disk"
mount "/dev/$disk" "$LAB_TMP/mnt"
check "content-after-resize" env -C "$LAB_TMP/mnt" sha256sum --quiet -c "$LAB_TMP/SHA256"
umount "$LAB_TMP/mnt"
rnbd_unmap "$disk"

test_start "partitions"
null=$(null_blk_up 32)
sfdisk -q "$null" <<<$'label: gpt\nsize=8M\nsize=8M\n;'
disk=$(rnbd_map "device_path=$null")
check "partitions-are-scanned-at-map" wait_for 10 test -b "/dev/${disk}p3"
check_equal "partition-sizes" "16384 16384" \
	"$(sectors "/dev/${disk}p1") $(sectors "/dev/${disk}p2")"
check_match "partition-minors" ":$(($(number_of "$disk") * 64 + 2))$" \
	"$(cat "/sys/block/$disk/${disk}p2/dev")"
check "partition-write" fio_verify "/dev/${disk}p2" randwrite 4k-16k 8 1 100
sum=$(sum_of "/dev/${disk}p2")
check_equal "partition-is-the-server's" "$sum" "$(sum_of "${null}p2")"
check "delete-a-partition" sfdisk -q --delete "/dev/$disk" 3
check "deleted-partition-is-gone" wait_for 10 gone "/dev/${disk}p3"
rnbd_unmap "$disk"
check "partition-nodes-are-gone" wait_for 5 gone "/dev/${disk}p1"

test_start "read-only disks"
disk=$(rnbd_map "device_path=$null" access_mode=ro)
check "ro-partitions-are-scanned" wait_for 10 test -b "/dev/${disk}p2"
check_equal "ro-partition-ro" 1 "$(blockdev --getro "/dev/${disk}p2")"
check_equal "ro-partition-open-for-writing" EPERM "$(errno_of open "/dev/${disk}p2" w)"
rnbd_unmap "$disk"
mkfs.ext4 -q "${null}p1"
disk=$(rnbd_map "device_path=$null" access_mode=ro)
wait_for 10 test -b "/dev/${disk}p1"
check "ro-mounts-read-only" mount -o ro "/dev/${disk}p1" "$LAB_TMP/mnt"
check_fails "ro-file-system-cannot-be-written" touch "$LAB_TMP/mnt/file"
umount "$LAB_TMP/mnt"
rnbd_unmap "$disk"
check "all-gone" wait_for 10 server_idle

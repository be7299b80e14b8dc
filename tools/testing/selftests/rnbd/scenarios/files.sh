#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=600 kernel=any,uml mem=2G full=6.1
#
#	server: null_blk with a cache ---- two links, rxe on each ---- client: file system on rnbd0
#
# ext4 and xfs under exercise: files are written, truncated, renamed and verified while paths come
# and go, and while the server is away for a moment with I/O held. Then fsck, and the files again.
# Emulated machines do less of it, and one of the two stock kernels is enough for every check.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

rxe_up 2
modprobe rtrs_server sess_queue_depth=128
load_rnbd_server
load_rnbd_client
mnt=$LAB_TMP/mnt
mkdir "$mnt"
count=400
[[ $LAB_KERNEL == uml* ]] || count=120

# exercise DIR COUNT: fio's verification of files, beside a loop of file operations
exercise() {
	local pid rc=0
	file_ops "$1" "$2" &
	pid=$!
	fio --name=f "--directory=$1" --size=8m --nrfiles=3 --numjobs=2 --thread --rw=randwrite \
		--bsrange=1k-64k --bs_unaligned=0 --blockalign=1k --ioengine=psync --fsync=20 --fallocate=none \
		--verify=crc32c --verify_fatal=1 --do_verify=1 --randrepeat=1 "--number_ios=$2" \
		--group_reporting >"$LAB_TMP/fio.out" 2>&1 || rc=1
	wait $pid || rc=1
	[ $rc = 0 ] || tail -n 20 "$LAB_TMP/fio.out"
	return $rc
}

# file_ops DIR COUNT: write, append, truncate, punch, rename; what a file must contain is kept in
# $LAB_TMP/model and compared at the end.
file_ops() {
	local n dir=$1/ops model=$LAB_TMP/model file
	mkdir -p "$dir" "$model"
	for ((n = 0; n < $2; n += 4)); do
		file=$dir/$((n % 7))
		dd if=/dev/urandom "of=$model/new" bs=1000 count=$((n % 50 + 1)) status=none
		cat "$model/new" >>"$file"
		cat "$model/new" >>"$model/$((n % 7))"
		case $((n % 12)) in
		0) truncate -s "$((n * 100))" "$file" "$model/$((n % 7))" ;;
		4) mv "$file" "$dir/x" && mv "$dir/x" "$file" ;;
		8) sync "$file" ;;
		esac
	done
	for file in "$model"/[0-6]; do
		cmp "$file" "$dir/${file##*/}" || return 1
	done
}

flaps() { # until the file stop is there
	local n=0
	while [ ! -e "$LAB_TMP/stop" ]; do
		wait_for 20 paths_are 2 || return 1
		errno-op write "$(clt_path $n)/disconnect" 1 >/dev/null
		errno-op write "$(clt_path $n)/reconnect" 1 >/dev/null || : # or soon after
		n=$((1 - n)) done=$((${done:-0} + 1))
		sleep 0.5
	done
	echo "$done flaps"
	[ "$done" -ge 2 ]
}

one_fs() { # FS MKFS FSCK
	local fs=$1 backing disk flapper worker start file rc=0
	test_start "$fs"
	backing=$(null_blk_up 320 cache_size=16 discard=1)
	disk=$(rnbd_map "device_path=$backing" "$(path_args 0 1)")
	rm -rf "$LAB_TMP/model" "$LAB_TMP/stop"
	# shellcheck disable=SC2086 # a command
	check "$fs-mkfs" $2 "/dev/$disk"
	mount "/dev/$disk" "$mnt"
	check "$fs-exercise" exercise "$mnt" $count
	rm -rf "$LAB_TMP/model" "${mnt:?}"/*
	flaps >"$LAB_TMP/flaps" 2>&1 &
	flapper=$!
	check "$fs-exercise-while-paths-flap" exercise "$mnt" $count
	touch "$LAB_TMP/stop"
	wait $flapper || test_fail "$fs-flaps"
	note "$(<"$LAB_TMP/flaps")"
	rm -rf "$LAB_TMP/model" "${mnt:?}"/*

	sess_attr hold_time_ms 120000
	exercise "$mnt" $count >"$LAB_TMP/exercise" 2>&1 &
	worker=$!
	start=$(awk '{ print $5 }' "/sys/block/$disk/stat")
	wait_for 20 eval "[ \$(awk '{ print \$5 }' /sys/block/$disk/stat) -gt $((start + 20)) ]"
	check "$fs-server-goes" unload rnbd_server 30
	check "$fs-closed" wait_for 20 state_is "$disk" closed
	load_rnbd_server
	check "$fs-open-again" wait_for 40 state_is "$disk" open
	wait $worker || { rc=$? && note "$(<"$LAB_TMP/exercise")"; }
	check_equal "$fs-exercise-goes-on" 0 $rc
	umount "$mnt"
	# shellcheck disable=SC2086 # a command
	check "$fs-fsck" $3 "/dev/$disk"
	rnbd_unmap "$disk"
	wait_for 10 nothing_mapped

	disk=$(rnbd_map "device_path=$backing" access_mode=ro)
	mount -o "ro${4:-}" "/dev/$disk" "$mnt"
	for file in "$LAB_TMP/model"/[0-6]; do
		check "$fs-file-${file##*/}-after-mapping-again" cmp "$file" "$mnt/ops/${file##*/}"
	done
	umount "$mnt"
	rnbd_unmap "$disk"
	wait_for 10 nothing_mapped
}
one_fs ext4 "mkfs.ext4 -q" "fsck.ext4 -f -n"
if modprobe -q xfs; then
	one_fs xfs "mkfs.xfs -q -f" "xfs_repair -n" ",norecovery"
else
	test_skip "xfs" "this kernel has no xfs"
fi
check "all-gone" wait_for 10 server_idle

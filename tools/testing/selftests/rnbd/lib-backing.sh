#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Disks to export, and fio. Part of lib.sh. Every *_up function prints the node of a new block
# device and nothing else, and arranges for its removal after the modules are unloaded. They may
# be called as disk=$(null_blk_up 64).

# null_blk_up SIZE_MB [KEY=VALUE...]: a memory-backed null_blk disk; KEY is any of its configfs
# attributes (blocksize=4096, discard=1, cache_size=16, badblocks=+1-2, completion_nsec=..., ...).
null_blk_up() {
	local size=$1 n=0 kv dir
	shift
	modprobe -q null_blk nr_devices=0 || [ -d /sys/module/null_blk ]
	if [ ! -d /sys/kernel/config/nullb ]; then
		mount -t configfs configfs /sys/kernel/config
	fi
	while [ -e "/sys/kernel/config/nullb/nullb$n" ] || [ -e "/sys/block/nullb$n" ]; do
		n=$((n + 1))
	done
	dir=/sys/kernel/config/nullb/nullb$n
	mkdir "$dir"
	_undo_later rmdir "$dir"
	for kv in "size=$size" memory_backed=1 "$@"; do
		echo "${kv#*=}" >"$dir/${kv%%=*}"
	done
	echo 1 >"$dir/power"
	_undo_later errno-op write "$dir/power" 0
	n=$(<"$dir/index")
	wait_for 5 test -b "/dev/nullb$n"
	echo "/dev/nullb$n"
}

# brd_up COUNT SIZE_MB: loads brd with COUNT ram disks; prints all nodes, one a line. Where brd
# is built in, its disks have the size that the kernel gives them, and those that are missing come
# into being.
brd_up() {
	local n
	if [ ! -d /sys/module/brd ] || [ -d /sys/module/brd/holders ]; then
		modprobe brd "rd_nr=$1" "rd_size=$(($2 * 1024))" max_part=0
		_undo_later wait_for 10 rmmod brd
	fi
	for ((n = 0; n < $1; n++)); do
		[ -b "/dev/ram$n" ] || _brd_probe "$n"
		wait_for 5 test -b "/dev/ram$n"
		echo "/dev/ram$n"
	done
}

# Who opens the number of a disk that there is not makes brd create it.
_brd_probe() { # N
	mknod "$LAB_TMP/ram" b 1 "$1"
	: <"$LAB_TMP/ram"
	rm "$LAB_TMP/ram"
}

# loop_up SIZE_MB [SECTOR_SIZE]: a loop device over a sparse file in LAB_TMP.
loop_up() {
	local file dev
	modprobe -q loop || :
	file=$(mktemp "$LAB_TMP/loop.XXXXXX")
	truncate -s "$1M" "$file"
	dev=$(losetup -f --show -b "${2:-512}" "$file")
	_undo_later losetup -d "$dev"
	echo "$dev"
}

# dm_up NAME TABLE...: a device-mapper device, for example dm_up slow "0 2048 delay /dev/ram0 0 50".
dm_up() {
	local name=$1
	shift
	modprobe -q dm_mod || :
	dmsetup create "$name" --noudevsync --table "$*" >/dev/null
	_undo_later wait_for 10 dmsetup remove --noudevsync "$name"
	dmsetup mknodes "$name" >/dev/null
	wait_for 5 test -b "/dev/mapper/$name"
	echo "/dev/mapper/$name"
}

# want_stable_writes NODE [0]: the disk says that data must not change while it works on them, as
# disks do that compute checksums, or (0) that they may. The server of RNBD asks before each write.
want_stable_writes() {
	echo "${2:-1}" >"/sys/dev/block/$(stat -c %Hr:%Lr "$1")/queue/stable_writes"
}

# held_disk_up SIZE_MB: a disk in memory whose writes can be withheld (held-disk.c), one at a time;
# the scenario's header needs programs=held-disk. held_disk_hold N: withhold the next N writes: they
# change nothing and are not answered, while all else goes on. held_disk_held: how many are withheld
# now. held_disk_release: apply them in order, answer them, withhold nothing more. held_disk_quit:
# take the disk away, which happens by itself at the end.
held_disk_up() {
	local node=/dev/nbd0
	[ -b "$node" ] || modprobe nbd nbds_max=1 max_part=0
	# the release of its disk is code of nbd, which the disk does not keep
	_releases_are_late || _undo_later wait_for 10 rmmod nbd
	wait_for 5 test -b "$node"
	held-disk serve "$node" "$1" "$LAB_TMP/held-disk" >/dev/null 2>&1
	_undo_later wait_for 10 test ! -e "$LAB_TMP/held-disk"
	_undo_later held_disk_quit
	wait_for 10 _has_sectors "$node" "$(($1 * 2048))"
	echo "$node"
}
_has_sectors() { [ "$(sectors "$1")" = "$2" ]; }
held_disk_hold() { held-disk "$LAB_TMP/held-disk" hold "$1"; }
held_disk_held() { held-disk "$LAB_TMP/held-disk" held; }
held_disk_release() { held-disk "$LAB_TMP/held-disk" release; }
held_disk_quit() { [ ! -e "$LAB_TMP/held-disk" ] || held-disk "$LAB_TMP/held-disk" quit; }
held_disk_holds() { [ "$(held_disk_held)" = "$1" ]; } # condition

# stamp DEV BLOCK TEXT: write TEXT into that block of 4 KiB, past the page cache; stamp_of DEV BLOCK:
# read it; stamp_is DEV BLOCK TEXT: condition.
stamp() {
	printf '%-4096s' "$3" | dd "of=$1" bs=4096 "seek=$2" count=1 iflag=fullblock \
		oflag=direct conv=notrunc status=none
}
stamp_of() {
	local text
	read -r text < <(dd "if=$1" bs=4096 "skip=$2" count=1 iflag=direct status=none |
		tr '\0' ' '; echo)
	echo "$text"
}
stamp_is() { [ "$(stamp_of "$1" "$2")" = "$3" ]; }

# sectors DEV: its size in 512-byte sectors.
sectors() { blockdev --getsz "$1"; }

# sum_of DEV: sha256 of the content, read with direct I/O so that no page cache answers.
sum_of() { dd "if=$1" bs=64k iflag=direct status=none | sha256sum | cut -d' ' -f1; }

# fill_random DEV: write the whole device with random bytes and print their sha256.
fill_random() {
	local mib
	mib=$((($(blockdev --getsize64 "$1") + 1048575) / 1048576))
	head -c $((mib * 1048576)) /dev/urandom >"$LAB_TMP/.fill"
	truncate -s "$(blockdev --getsize64 "$1")" "$LAB_TMP/.fill"
	dd "if=$LAB_TMP/.fill" "of=$1" bs=64k oflag=direct status=none
	sha256sum <"$LAB_TMP/.fill" | cut -d' ' -f1
	rm -f "$LAB_TMP/.fill"
}

# _fio DEV RW BS QD JOBS COUNT [FIO OPTION...]: COUNT requests per job; BS "512-1m" is a range.
# Jobs have areas of their own. Prints fio's report only when it failed.
_fio() {
	local dev=$1 rw=$2 bs=$3 qd=$4 jobs=$5 count=$6 area out
	shift 6
	area=$(($(blockdev --getsize64 "$dev") / jobs / 1048576 * 1048576))
	[ "$area" -gt 0 ] || area=$(($(blockdev --getsize64 "$dev") / jobs / 4096 * 4096))
	[[ $bs == *-* ]] && bs=--bsrange=$bs || bs=--bs=$bs
	if ! out=$(timeout "$((${FIO_TIMEOUT:-120} * LAB_SLOW))" fio --name=j "--filename=$dev" --direct=1 \
		--ioengine=libaio --thread --randrepeat=1 --group_reporting \
		"--rw=$rw" "$bs" "--iodepth=$qd" "--numjobs=$jobs" "--number_ios=$count" \
		"--size=$area" "--offset_increment=$area" "$@" 2>&1); then
		echo "$out" | head -n 40
		return 1
	fi
}

# fio_verify DEV RW BS QD JOBS COUNT [FIO OPTION...]: write COUNT requests per job (RW is write,
# randwrite, ...), then read every block back and compare its crc32c.
fio_verify() { _fio "$@" --verify=crc32c --verify_fatal=1 --do_verify=1 --serialize_overlap=1; }

# fio_run DEV RW BS QD JOBS COUNT [FIO OPTION...]: the same without verification.
fio_run() { _fio "$@" --norandommap; }

# scsi_debug_up PARAM...: a SCSI disk of 16 MiB in memory; fails if the kernel has no such thing.
scsi_debug_up() {
	local dir end=$(($(now_ms) + 30000 * LAB_SLOW))
	modprobe -q sd_mod || return 1
	modprobe -q scsi_debug dev_size_mb=16 "$@" || return 1
	_undo_later wait_for 10 rmmod scsi_debug
	while [ "$(now_ms)" -lt $end ]; do
		for dir in /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/*; do
			[ -b "/dev/${dir##*/}" ] && echo "/dev/${dir##*/}" && return
		done
		sleep 0.1
	done
	return 1
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=700 kernel=any,uml mem=2G tier=full programs=replay-log
#
#	ext4 or xfs on rnbd0 - client == two links == server - dm-log-writes - null_blk
#
# What is left when the server loses power at the worst moments: behind every flush and every FUA
# write that reached its disk, with nothing that was not flushed by then. The file system must
# recover by its journal and be clean, and what was fsynced before must be there. Meanwhile the links
# flap, so that requests are sent again. That the checks notice a lost flush is shown, too.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

# steps of each worker; a step is four fsyncs. Emulated machines do fewer of them
if [[ $LAB_KERNEL == uml* ]]; then : "${STEPS:=12}"; else : "${STEPS:=5}"; fi
WORKERS="a b"
mnt=$LAB_TMP/mnt want=$LAB_TMP/want image=$LAB_TMP/image crash=$LAB_TMP/crash
mkdir "$mnt"

# --- the disk and its log -------------------------------------------------------------------------

# disk_up NAME MIB MKFS...: a logged disk with a file system, mounted by way of two paths.
disk_up() {
	local null
	size=$2
	null=$(null_blk_up "$size")
	logdev=$(null_blk_up $((size + 128)))
	dmsetup create rnbd-log --noudevsync --table "0 $(sectors "$null") log-writes $null $logdev"
	dmsetup mknodes rnbd-log
	disk=$(rnbd_map device_path=/dev/mapper/rnbd-log "$(path_args 0 1)")
	check_equal "$1-disk-has-a-write-cache" "write back" "$(queue_attr "$disk" write_cache)"
	check "$1-mkfs" "${@:3}" "/dev/$disk"
	mount "/dev/$disk" "$mnt"
	sync -f "$mnt"
	mark mounted
}

# disk_down: the log is complete when its target is gone. Its entries are in two arrays then.
disk_down() {
	local k w
	mark end
	umount "$mnt"
	rnbd_unmap "$disk"
	wait_for 10 server_idle
	wait_for 10 dmsetup remove --noudevsync rnbd-log
	kind=() what=()
	while read -r _ k w; do
		kind+=("$k") what+=("$w")
	done < <(replay-log "$logdev" list)
}

mark() { dmsetup message rnbd-log 0 mark "$1"; }

# --- work -----------------------------------------------------------------------------------------

# text WORKER N: 6000 bytes.
text() { printf '%-6000s' "$1 $2"; }

# synced KIND WORKER N FILE [DIRECTORY]: fsync; the mark comes when it is done.
synced() {
	sync "${@:4}"
	mark "$1-$2:$3"
}

# worker NAME STEPS: a new file, a longer file, a file that is replaced. $want has what they must hold.
worker() {
	local n dir=$mnt/$1
	mkdir -p "$dir" "$want/$1"
	for ((n = 1; n <= $2; n++)); do
		text "$1" "$n" >"$want/$1/$n"
		cat "$want/$1/$n" >>"$want/$1/all"
		cp "$want/$1/$n" "$dir/$n"
		sha256sum "$dir/$n" >>"$want/$1/sums"
		synced new "$1" "$n" "$dir/$n"
		cat "$want/$1/$n" >>"$dir/all"
		synced all "$1" "$n" "$dir/all"
		cp "$want/$1/$n" "$dir/current.new"
		sync "$dir/current.new"
		mv "$dir/current.new" "$dir/current"
		synced current "$1" "$n" "$dir"
	done
}

# noise: writes that nobody waits for, until the file stop is there.
noise() {
	local n=0
	while [ ! -e "$LAB_TMP/stop" ]; do
		head -c 50000 /dev/urandom >"$mnt/noise.$((n % 9))"
		n=$((n + 1))
		sleep 0.1
	done
}

# flaps: the RDMA device of one link after the other goes with all that is under way.
flaps() {
	local n=0 dev
	while [ ! -e "$LAB_TMP/stop" ]; do
		dev=$(link_dev $((n % 2)))
		rxe_del "$dev"
		rxe_add "$dev"
		wait_for 60 paths_are 2 || return 1
		n=$((n + 1))
		sleep 0.3
	done
	echo "$n flaps"
	[ $n -ge 2 ]
}

# work NAME STEPS CMD...: the workers, and besides these until they have done.
work() {
	local name pids=() pid rc=0 others=()
	rm -rf "$want" "$LAB_TMP/stop"
	for name in "${@:3}"; do
		"$name" >"$LAB_TMP/$name.out" 2>&1 &
		others+=("$!")
	done
	for name in $WORKERS; do
		worker "$name" "$2" &
		pids+=("$!")
	done
	for pid in "${pids[@]}"; do wait "$pid" || rc=$?; done
	: >"$LAB_TMP/stop"
	for pid in "${others[@]}"; do wait "$pid" || rc=$?; done
	for name in "${@:3}"; do _quote "$(<"$LAB_TMP/$name.out")"; done
	check_equal "$1-work" 0 $rc
}

# --- the look at a crash --------------------------------------------------------------------------

declare -A done_to # KIND-WORKER: the last N that was synced

# has_files: condition; all that was synced, as done_to says, is in the mounted file system.
has_files() {
	local name n now
	for name in $WORKERS; do
		n=${done_to[new-$name]:-0}
		[ "$n" = 0 ] || head -n "$n" "$want/$name/sums" | sha256sum --quiet -c || return 1
		n=${done_to[all-$name]:-0}
		[ "$n" = 0 ] || cmp -n $((n * 6000)) "$want/$name/all" "$mnt/$name/all" || return 1
		n=${done_to[current-$name]:-0}
		[ "$n" != 0 ] || continue
		read -r _ now <"$mnt/$name/current" || :
		[ "$now" -ge "$n" ] && cmp "$want/$name/$now" "$mnt/$name/current" || return 1
	done
}

# survives IMAGE: condition; a copy of it can be mounted, has the files, and is clean then.
survives() {
	local loop rc=0
	cp --sparse=always "$1" "$crash"
	loop=$(losetup -f --show "$crash")
	if mount -t "$fs" "$loop" "$mnt"; then
		has_files || rc=1
		umount "$mnt"
		"${fsck[@]}" "$loop" >"$LAB_TMP/fsck" 2>&1 || { rc=1 && tail -n 20 "$LAB_TMP/fsck"; }
	else
		rc=1
	fi
	losetup -d "$loop"
	return $rc
}

# replay_start: the image as it was when the work began; first is the next entry.
replay_start() {
	local n
	done_to=() first=
	for ((n = 0; n < ${#kind[@]}; n++)); do
		[ "${kind[n]} ${what[n]:-}" != "M mounted" ] || first=$n
		[ "${kind[n]} ${what[n]:-}" != "M end" ] || last=$n
	done
	rm -f "$image"
	truncate -s "${size}M" "$image"
	replay-log "$logdev" apply "$image" 0 "$first"
	fallocate -d "$image"
}

# is_flush ENTRY; is_mark ENTRY. read_mark ENTRY: from here on this was synced.
is_flush() { [[ ${kind[$1]} == *[FA]* ]]; }
is_mark() { [ "${kind[$1]}" = M ]; }
read_mark() { [[ ${what[$1]} != *:* ]] || done_to[${what[$1]%:*}]=${what[$1]#*:}; }

# replay LEAST: behind every flush; marks that follow it tell what it has promised. Status 0 if all was
# well at so many points, 3 if it was not at one.
replay() {
	local n points=0 bad=0 due='' applied
	replay_start
	applied=$first
	for ((n = first; n < last; n++)); do
		if is_mark "$n"; then read_mark "$n"; fi
		if is_mark "$n" || is_flush "$n"; then due=1; fi
		if [ -z "$due" ] || { [ $((n + 1)) -lt "$last" ] && is_mark $((n + 1)); }; then continue; fi
		replay-log "$logdev" apply "$image" "$applied" $((n + 1)) || return 1
		due='' points=$((points + 1)) applied=$((n + 1))
		survives "$image" && continue
		echo "behind entry $n: $(declare -p done_to)"
		[ $((++bad)) -lt 3 ] || break
	done
	echo "$points points in $((last - first)) entries, $bad of them bad"
	[ $bad = 0 ] || return 3
	[ $points -ge "$1" ]
}
status_of() { # CMD...
	local rc=0
	"$@" >"$LAB_TMP/status.out" 2>&1 || rc=$?
	echo $rc
}

# lost_writes: what came between the last two flushes in front of a mark has got lost, although
# the fsync was answered. Condition: this is noticed, for the marks of the last step.
lost_writes() {
	local n flush missed=0 noticed=0
	replay_start
	for ((n = first; n < last; n++)); do
		is_mark "$n" || continue
		read_mark "$n"
		[[ ${what[n]} == *:"$1" ]] || continue
		for ((flush = n - 1; flush > first; flush--)); do
			if is_flush "$flush" && ! is_mark $((flush - 1)); then break; fi
		done
		for ((flush--; flush > first; flush--)); do
			if is_flush "$flush"; then break; fi
		done
		cp --sparse=always "$image" "$image.less"
		replay-log "$logdev" apply "$image.less" "$first" "$flush" || return 1
		if survives "$image.less"; then missed=$((missed + 1)); else noticed=$((noticed + 1)); fi
	done
	rm -f "$image.less"
	echo "noticed $noticed times, missed $missed times"
	[ $noticed -gt 0 ]
}

# --- the rounds -----------------------------------------------------------------------------------

# one_fs FS MIB MKFS...
one_fs() {
	fs=$1
	test_start "$fs"
	disk_up "$@"
	work "$fs" "$STEPS" noise flaps
	disk_down
	check "$fs-survives-behind-every-flush" replay $((STEPS * 3))
	check "$fs-lost-writes-are-noticed" lost_writes "$STEPS"
}

# A disk whose flushes go nowhere: the client believes that there is no cache.
lost_flushes() {
	test_start "ext4 without flushes"
	fs=ext4
	disk_up ext4-unflushed 64 mkfs.ext4 -q -E nodiscard
	echo "write through" >"/sys/block/$disk/queue/write_cache"
	work ext4-unflushed 3 noise
	disk_down
	check_equal "ext4-lost-flushes-are-noticed" 3 "$(status_of replay 1)"
	note "$(tail -n 1 "$LAB_TMP/status.out")"
}

modprobe -q dm_log_writes || :
dmsetup targets | grep -q '^log-writes' || skip_all "this kernel has no dm-log-writes"
modprobe -q loop || :
rxe_up 2
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
load_rnbd_client

fsck=(e2fsck -f -n)
one_fs ext4 64 mkfs.ext4 -q -E nodiscard -J size=8
lost_flushes
if modprobe -q xfs; then
	fsck=(xfs_repair -n)
	one_fs xfs 320 mkfs.xfs -q -f -K
else
	test_skip "xfs" "this kernel has no xfs"
fi
check "all-gone" wait_for 10 nothing_mapped

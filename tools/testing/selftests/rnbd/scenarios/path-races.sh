#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=600 kernel=any,uml
#
# Everything that an administrator can do to paths, from both ends, all at once: against each
# other, against readers of the files, against I/O, and against unmap and unload. What each
# action gives is a matter of luck; what counts is that nothing hangs, no request is lost or
# fails while the session holds them, and that afterwards everything is as it was.
# RACE_ROUNDS: actions of each worker.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rounds=${RACE_ROUNDS:-20}
rxe_up 2
modprobe rtrs_server sess_queue_depth=32
load_rnbd_server
load_rnbd_client
backing=$(null_blk_up 32)
a=ip:$(addr_of 1)@ip:$(addr_of 1)
b=ip:$(addr_of 1 1)@ip:$(addr_of 1 1)
clt=$RTRS_CLT/$RNBD_SESS srv=$RTRS_SRV/$RNBD_SESS

try() { timeout 100 errno-op "$@"; }

# Each worker prints what it got. A file that is missing for a moment is waited for, so that
# actions meet each other and not nothing.
act() { # FILE TEXT
	wait_for 3 test -e "$1" >/dev/null || :
	try write "$1" "$2"
}
reconnects() { act "$clt/paths/$1/reconnect" 1; }
disconnects() { act "$clt/paths/$1/disconnect" 1; act "$clt/paths/$1/reconnect" 1; }
removes() { act "$clt/paths/$1/remove_path" 1; act "$clt/add_path" "$1"; }
closes() { act "$srv/paths/$1/disconnect" 1; }
resets() { act "$clt/paths/$1/stats/reset_all" 1; act "$srv/paths/$1/stats/rdma" 1; }
reads() {
	cat "$clt"/* "$clt"/paths/*/* "$clt"/paths/*/stats/* \
		"$srv"/* "$srv"/paths/*/* "$srv"/paths/*/stats/*
}

worker() { # FUNCTION PATH
	local i
	for ((i = 0; i < rounds; i++)); do
		[ -d "$clt" ] || break
		"$@" || :
	done
}

# start WORD...: workers, one for each "FUNCTION:PATH".
start() {
	local word
	workers=()
	for word; do
		worker "${word%%:*}" "${word#*:}" \
			>"$LAB_TMP/worker.${#workers[@]}.${word%%:*}" 2>/dev/null &
		workers+=($!)
	done
}

work_goes_on() {
	local pid
	for pid in "${workers[@]}"; do
		[ ! -e "/proc/$pid" ] || return 0
	done
	return 1
}

work_is_over() { ! work_goes_on; }
under_way() { [ "$(cat "$LAB_TMP"/worker.*.removes | wc -l)" -gt 3 ]; }

# io_meanwhile: I/O as long as the workers work; no request may fail.
io_meanwhile() {
	local runs=0
	while work_goes_on; do
		fio_verify "/dev/$disk" randrw 4k-64k 16 1 200 || return 1
		runs=$((runs + 1))
	done
	echo "$runs runs of fio"
}

tally() { # what the workers got: how often which errno
	local file
	for file in "$LAB_TMP"/worker.*; do
		[[ $file == *.reads ]] ||
			note "${file##*/worker.}: $(sort "$file" | uniq -c | tr -s ' \n' ' ')"
		rm "$file"
	done
}

both_connected() {
	local path
	for path in "$a" "$b"; do
		[ "$(cat "$clt/paths/$path/state")" = connected ] || return 1
		[ "$(cat "$srv/paths/$path/state")" = connected ] || return 1
	done
}

mend() { # bring both paths back, whatever the last action was
	local path
	for path in "$a" "$b"; do
		[ -d "$clt/paths/$path" ] || try write "$clt/add_path" "$path" >/dev/null || :
		[ "$(cat "$clt/paths/$path/state")" = connected ] ||
			try write "$clt/paths/$path/reconnect" 1 >/dev/null || :
	done
	both_connected
}

disk=$(rnbd_map "path=${a#*@}" "path=${b#*@}" "device_path=$backing")
check "both-connected" both_connected
expect_errno OK write "$clt/hold_time_ms" 300000

test_start "actions on one path"
start "reconnects:$a" "disconnects:$a" "closes:$a" "reads:$a"
check "one-path-io" io_meanwhile
check "one-path-all-end" wait_for 240 work_is_over
tally
check "one-path-mended" wait_for 60 mend

test_start "actions on both paths, which come and go"
start "reconnects:$a" "removes:$a" "closes:$a" "removes:$b" "disconnects:$b" "closes:$b" \
	"resets:$a" "reads:$a"
check "both-paths-io" io_meanwhile
check "both-paths-all-end" wait_for 240 work_is_over
tally
check "both-paths-mended" wait_for 60 mend
check "fio-afterwards" fio_verify "/dev/$disk" randwrite 4k-64k 16 2 100
rnbd_unmap "$disk"
check "nothing-left" wait_for 20 server_idle

test_start "actions against unmap"
for i in 1 2 3; do
	disk=$(rnbd_map "path=${a#*@}" "path=${b#*@}" "device_path=$backing")
	start "reconnects:$a" "removes:$a" "closes:$a" "removes:$b" "disconnects:$b" "reads:$a"
	wait_for 60 under_way
	check "unmap-$i" timeout 120 errno-op write "/sys/block/$disk/rnbd/unmap_device" force
	check "unmap-$i-all-end" wait_for 240 work_is_over
	tally
	check "unmap-$i-nothing-left" wait_for 20 server_idle
	check "unmap-$i-nothing-mapped" wait_for 10 nothing_mapped
done

test_start "actions against unload"
disk=$(rnbd_map "path=${a#*@}" "path=${b#*@}" "device_path=$backing")
start "reconnects:$a" "removes:$a" "closes:$a" "removes:$b" "disconnects:$b" "closes:$b" "reads:$a"
wait_for 60 under_way
check "unload-rnbd_server" timeout 120 rmmod rnbd_server
check "unload-rtrs_server" timeout 120 rmmod rtrs_server
check "unload-all" unload_all
check "unload-all-end" wait_for 240 work_is_over
tally

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=600 kernel=6.12 smp=1
#
# What one I/O costs on our own pair, counted from traces: messages on the wire, work requests,
# posts and completions of each side, and memory allocations (there must be none). With short
# answers (the default) over one, two and four paths, on a disk that wants stable writes or has integrity
# data, in plain always-invalidate mode, and with fixed keys.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-trace.sh"

IOS=200

# load_modules PARAM-OF-RTRS_SERVER...: the first heartbeat, which would count, comes long after the end
load_modules() {
	modprobe rtrs_server heartbeat_interval_ms=60000 "$@"
	modprobe rtrs_client heartbeat_interval_ms=60000
	load_rnbd_server
	load_rnbd_client
}

# costs NAME RW MAX_MESSAGES: print the costs of 4 KiB requests and check the messages.
costs() {
	local name=$1 rw=$2 max=$3 messages
	trace_io_start
	fio_run "/dev/$disk" "$rw" 4k 4 1 $IOS
	trace_io_stop
	trace_io_counts $IOS >"$LAB_TMP/counts"
	sed "s/^/# $name /" "$LAB_TMP/counts"
	messages=$(awk '$2 == "messages" { sum += $3 } END { printf "%.2f", sum }' "$LAB_TMP/counts")
	check "$name-messages-at-most-$max" awk -v m="$messages" -v max="$max" \
		'BEGIN { exit !(m >= 1.1 && m <= max) }'
}

# Mapping allocates, so the trace must show it: else "nothing found" would mean nothing.
trace_sees_us() {
	trace_alloc_start
	errno_of write "$RNBD_CTL/map_device" "$(map_text device_path=/dev/missing)" >/dev/null
	trace_alloc_stop
	check_match "alloc-trace-sees-the-modules" "rnbd_client" "$(trace_alloc_ours)"
}

# no_allocations NAME RW
no_allocations() {
	trace_alloc_start
	fio_run "/dev/$disk" "$2" 4k 4 1 $IOS
	trace_alloc_stop
	check_equal "$1-no-allocation" "" "$(trace_alloc_ours)"
}

run_mode() { # NAME READ_MESSAGES PARAM-OF-RTRS_SERVER...
	local mode=$1 read_max=$2
	shift 2
	test_start "$mode"
	load_modules "$@"
	trace_sides_start
	disk=$(rnbd_map "device_path=$backing")
	trace_sides_stop
	echo none >"/sys/block/$disk/queue/scheduler"
	fio_run "/dev/$disk" randrw 4k 4 1 50
	[ "$mode" != short ] || trace_sees_us
	costs "$mode-read" randread "$read_max"
	costs "$mode-write" randwrite 2
	no_allocations "$mode-read" randread
	no_allocations "$mode-write" randwrite
	rnbd_unmap "$disk"
	unload_all
}

# A disk that wants stable writes gets data whose key was revoked: one work request of the server
# that invalidates, one that registers anew. Any other disk costs neither.
run_stable() {
	local with without
	test_start "stable writes"
	load_modules
	trace_sides_start
	disk=$(rnbd_map "device_path=$backing")
	trace_sides_stop
	echo none >"/sys/block/$disk/queue/scheduler"
	costs any-write randwrite 2
	without=$(server_wrs)
	want_stable_writes "$backing"
	costs stable-write randwrite 2
	with=$(server_wrs)
	check "revoked-for-stable-writes-alone" awk -v a="$without" -v b="$with" \
		'BEGIN { exit !(a <= 1 && b >= 3) }'
	want_stable_writes "$backing" 0
	rnbd_unmap "$disk"
	unload_all
}

# A disk with integrity data looks at what was read once more, behind the data transfer.
run_integrity() {
	local disk0
	test_start "a disk with integrity data"
	disk0=$(scsi_debug_up dif=1 dix=1)
	check_equal "integrity-format" "T10-DIF-TYPE1-CRC" "$(cat "/sys/block/${disk0#/dev/}/integrity/format")"
	load_modules
	trace_sides_start
	disk=$(rnbd_map "device_path=$disk0")
	trace_sides_stop
	echo none >"/sys/block/$disk/queue/scheduler"
	fio_run "/dev/$disk" randwrite 4k 4 1 50
	costs integrity-read randread 3
	check "revoked-for-checked-reads" awk -v n="$(server_wrs)" 'BEGIN { exit !(n >= 3) }'
	rnbd_unmap "$disk"
	unload_all
}
server_wrs() { awk '$1 == "server" && $2 == "wrs" { print $3 }' "$LAB_TMP/counts"; }

# More paths must not cost more.
run_paths() { # COUNT
	local l text=""
	test_start "$1 paths"
	for ((l = 0; l < $1; l++)); do
		text+=" path=ip:$(addr_of 1 $l)@ip:$(addr_of 1 $l)"
	done
	load_modules
	trace_sides_start
	# shellcheck disable=SC2086 # words
	disk=$(rnbd_map "device_path=$backing" $text)
	trace_sides_stop
	echo none >"/sys/block/$disk/queue/scheduler"
	fio_run "/dev/$disk" randrw 4k 4 1 50
	costs "paths-$1-read" randread 2
	costs "paths-$1-write" randwrite 2
	no_allocations "paths-$1-write" randwrite
	rnbd_unmap "$disk"
	unload_all
}

rxe_up 4
backing=$(null_blk_up 64 memory_backed=0)
run_mode short 2
run_stable
run_integrity
run_paths 2
run_paths 4
run_mode ai 3 extensions=N
run_mode noai 2 always_invalidate=N

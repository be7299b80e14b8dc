#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=240 kernel=any,uml tier=full debug=yes
#
# The fault points of a debugging build, each once, and what must come of it (Documentation/rtrs.rst,
# "Debugging knobs"). Needs a kernel with CONFIG_FAULT_INJECTION_DEBUG_FS.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"
. "${0%/*}/../lib-fault-points.sh"

# lost: how often a path was lost and came back.
lost() { cat "$RTRS_CLT/$RNBD_SESS"/paths/*/stats/reconnects | awk '{ n += $1 } END { print n }'; }
lost_more() { [ "$(lost)" -gt "$1" ]; } # condition

# timed CMD...: its output, and in $LAB_TMP/took the milliseconds.
timed() {
	local start
	start=$(now_ms)
	"$@"
	since "$start" >"$LAB_TMP/took"
}
took() { [ "$(<"$LAB_TMP/took")" -ge "$1" ] && [ "$(<"$LAB_TMP/took")" -lt "$2" ]; }
read_it() { errno_of pread "/dev/$disk" 0 4096 direct; }
write_it() { errno_of pwrite "/dev/$disk" 0 4096 direct; }

queue_full() {
	test_start "no room for a request"
	fault queue_full 5
	check_equal "queue-full-read" OK "$(read_it)"
	check_equal "queue-full-has-happened" 0 "$(fault_left queue_full)"
	fault queue_full 20
	check "queue-full-many" fio_verify "/dev/$disk" randwrite 4k 16 1 100
	check_equal "queue-full-has-happened-again" 0 "$(fault_left queue_full)"
	echo none >"/sys/block/$disk/queue/scheduler" # a scheduler takes lists apart
	fault queue_full 20
	check "queue-full-lists" fio_verify "/dev/$disk" randwrite 4k 16 1 100 --ioengine=io_uring \
		--iodepth_batch_submit=8
	check_equal "queue-full-has-happened-to-lists" 0 "$(fault_left queue_full)"
	check_equal "queue-full-no-path-lost" 0 "$(lost)"
	fault_end queue_full
}

mr() {
	test_start "memory cannot be registered"
	fault mr 1
	check_equal "mr-write-needs-none" "OK 1" "$(write_it) $(fault_left mr)"
	check_equal "mr-read-fails" "EIO 0" "$(read_it) $(fault_left mr)"
	check_equal "mr-the-next-one" OK "$(read_it)"
	check_equal "mr-no-path-lost" "0 open" "$(lost) $(rnbd_attr "$disk" state)"
	fault_end mr
}

answer() {
	local before
	test_start "an answer gets lost"
	before=$(lost)
	sess_attr request_timeout_ms $((4000 * LAB_SLOW))
	fault answer 1
	check_equal "answer-read" OK "$(timed read_it)"
	check_equal "answer-has-happened" 0 "$(fault_left answer)"
	note "read after $(<"$LAB_TMP/took") ms"
	check "answer-sent-again-in-time" took 3500 $((30000 * LAB_SLOW))
	check "answer-path-was-lost" wait_for 20 lost_more "$before"
	check "answer-paths-are-back" wait_for 20 paths_are 2
	fault_end answer
	sess_attr request_timeout_ms 30000
}

failed_over() { cut -d' ' -f6 "$(clt_path 0)/stats/rdma"; }

# A request whose path is lost finds no room on the other one for a moment.
queue_full_again() {
	local writer before
	before=$(failed_over)
	test_start "no room on the next path"
	sess_attr request_timeout_ms $((40000 * LAB_SLOW)) # more than the delay
	check_equal "next-path-off" OK "$(path_do 1 disconnect)"
	echo $((8000 * LAB_SLOW)) >"$FAULTS/delay_ms"
	fault delay 1
	write_it >"$LAB_TMP/written" &
	writer=$!
	check "next-path-request-is-delayed" wait_for 20 all_happened delay
	check_equal "next-path-on" OK "$(path_up 1)"
	fault queue_full 3
	check_equal "next-path-first-one-lost" OK "$(path_do 0 disconnect)"
	wait "$writer"
	check_equal "next-path-write" "OK 0" "$(<"$LAB_TMP/written") $(fault_left queue_full)"
	check_equal "next-path-failed-over" $((before + 1)) "$(failed_over)"
	fault_end queue_full
	fault_end delay
	sess_attr request_timeout_ms 30000
	check_equal "next-path-first-one-again" OK "$(path_up 0)"
}

heartbeat() {
	local before
	test_start "heartbeats get lost"
	before=$(lost)
	sess_attr heartbeat_interval_ms 100
	sess_attr heartbeat_missed_max 3
	fault heartbeat 1
	check "heartbeat-one-is-missed" wait_for 20 all_happened heartbeat
	sleep 1 # time of three more, in which the path would be lost
	check_equal "heartbeat-one-may-be-missed" "$before" "$(lost)"
	fault heartbeat -1
	check "heartbeat-path-is-lost" wait_for 20 lost_more "$before"
	fault_end heartbeat
	sess_attr heartbeat_interval_ms 5000
	sleep 1 # one that was missed before may still cost a path
	check "heartbeat-paths-are-back" wait_for 20 paths_are 2
	check "heartbeat-open" wait_for 20 state_is "$disk" open
}

delay() {
	local before
	test_start "a request is delayed"
	before=$(lost)
	sess_attr request_timeout_ms $((5000 * LAB_SLOW))
	echo 700 >"$FAULTS/delay_ms"
	fault delay 1
	check_equal "delay-read" OK "$(timed read_it)"
	check "delay-has-its-time" took 700 $((4000 * LAB_SLOW))
	check_equal "delay-no-path-lost" "0 $before" "$(fault_left delay) $(lost)"
	# more than one time-out and less than two, each of which comes a second late
	echo $((8000 * LAB_SLOW)) >"$FAULTS/delay_ms"
	fault delay 1
	check_equal "delay-longer-than-a-request-may-take" OK "$(timed read_it)"
	note "read after $(<"$LAB_TMP/took") ms"
	check "delay-path-was-lost" wait_for 20 lost_more "$before"
	check "delay-paths-are-back" wait_for 20 paths_are 2
	fault_end delay
	sess_attr request_timeout_ms 30000
}

comes_back() { all_happened enter && paths_are 1; } # condition

# The one of two paths that came back first is lost before it could say whose session it is, and the
# other one, which keeps the link up, is not there yet.
enter() {
	local n first=0
	test_start "a path comes later than it could"
	sess_attr request_timeout_ms $((60000 * LAB_SLOW))
	echo $((8000 * LAB_SLOW)) >"$FAULTS/delay_ms"
	fault enter 1
	fault delay 1
	for n in 0 1; do echo 1 >"$(srv_path $n)/disconnect"; done
	check "enter-one-path-is-back" wait_for 20 comes_back
	[ "$(<"$(clt_path 0)/state")" = connected ] || first=1
	check "enter-request-is-delayed" wait_for 20 all_happened delay
	check_equal "enter-and-is-lost-again" OK "$(path_do $first disconnect)"
	check_equal "enter-not-open" closed "$(rnbd_attr "$disk" state)"
	check "enter-other-path" wait_for 30 paths_are 1
	check "enter-open" wait_for 10 state_is "$disk" open
	fault_end enter
	fault_end delay
	check_equal "enter-read" OK "$(read_it)"
	check_equal "enter-first-path-again" OK "$(path_up $first)"
	check "enter-paths-are-back" wait_for 20 paths_are 2
}

# The last path of a link is slow to look after what it has left, and the next link is up before that:
# the server has forgotten the session then, and gives other ids.
fail_over() {
	local writer ender moved
	test_start "what a lost link has left while the next one is up"
	sess_attr request_timeout_ms $((60000 * LAB_SLOW))
	moved=$(failed_over)
	check_equal "fail-over-one-path" OK "$(path_do 1 disconnect)"
	echo $((10000 * LAB_SLOW)) >"$FAULTS/delay_ms"
	fault answer 1
	fault fail_over 1
	write_it >"$LAB_TMP/.written" && mv "$LAB_TMP/.written" "$LAB_TMP/written-late" &
	writer=$!
	check "fail-over-answer-is-lost" wait_for 20 all_happened answer
	path_do 0 disconnect >"$LAB_TMP/ended" &
	ender=$!
	check "fail-over-is-late" wait_for 20 all_happened fail_over
	check "fail-over-server-has-forgotten" wait_for 20 server_idle
	check_equal "fail-over-next-link" OK "$(path_up 1)"
	check "fail-over-open" wait_for 20 state_is "$disk" open
	check "fail-over-has-not-ended" test ! -e "$LAB_TMP/written-late"
	check_equal "fail-over-other-io-meanwhile" OK "$(read_it)"
	check "fail-over-still-not" test ! -e "$LAB_TMP/written-late"
	wait $ender $writer
	check_equal "fail-over-write-was-held" OK "$(<"$LAB_TMP/written-late")"
	check_equal "fail-over-not-sent-as-it-was" "$moved" "$(failed_over)"
	check_equal "fail-over-still-open" open "$(rnbd_attr "$disk" state)"
	fault_end answer
	fault_end fail_over
	check_equal "fail-over-first-path-again" OK "$(path_up 0)"
	sess_attr request_timeout_ms 30000
}

# The disk is there, and the block layer reads its partition table: nobody waits for that to be
# possible again, and a disk whose partitions are missing is not left behind.
scan() {
	local other
	test_start "the link is lost while a new disk is looked at"
	other=$(null_blk_up 16)
	sess_attr request_timeout_ms $((60000 * LAB_SLOW))
	check_equal "scan-one-path" OK "$(path_do 1 disconnect)"
	echo $((16000 * LAB_SLOW)) >"$FAULTS/delay_ms"
	echo 2 >"$FAULTS/delay/interval" # behind OPEN
	fault delay 1
	{ errno_of write "$MAP_DEVICE" "$(map_text "device_path=$other")"; } >"$LAB_TMP/.mapped" &&
		mv "$LAB_TMP/.mapped" "$LAB_TMP/mapped" &
	check "scan-is-delayed" wait_for 20 all_happened delay
	check_equal "scan-link-lost" OK "$(path_do 0 disconnect)"
	check "scan-map-ends" wait_for 12 test -e "$LAB_TMP/mapped"
	check_equal "scan-map-fails" ECONNABORTED "$(<"$LAB_TMP/mapped")"
	check_equal "scan-nothing-is-left" "$disk" "$(rnbd_disks)"
	echo 1 >"$FAULTS/delay/interval"
	fault_end delay
	check "scan-server-is-done-with-it" wait_for 30 server_idle
	check_equal "scan-first-path-again" OK "$(path_up 0)"
	check_equal "scan-second-path-again" OK "$(path_up 1)"
	check "scan-the-other-is-open" wait_for 20 state_is "$disk" open
	other=$(rnbd_map "device_path=$other")
	check_equal "scan-map-again" OK "$(errno_of pread "/dev/$other" 0 4096 direct)"
	check "scan-unmap" rnbd_unmap "$other"
	sess_attr request_timeout_ms 30000
}

# Answers and revocations wait for room in the send queue, of paths that come and go.
credits() {
	local name n
	test_start "few send credits"
	fault credits -1
	for name in any stable; do
		[ $name = any ] || want_stable_writes "$null"
		for n in 0 1; do
			check_equal "credits-$name-path-$n-again" OK "$(again $n)"
		done
		check "credits-$name-write" fio_verify "/dev/$disk" randwrite 4k-64k 64 2 400
		check "credits-$name-read" fio_run "/dev/$disk" randread 4k-64k 64 2 400
		load_start "$disk" --iodepth=64
		for n in 0 1 0 1; do
			check "credits-$name-cut-$n" cut_by_server "$n"
		done
		load_end "credits-$name-no-failed-io-and-data-right"
	done
	check "credits-paths" paths_are 2
	fault_end credits
}
again() { path_do "$1" disconnect >/dev/null; path_up "$1"; }

rxe_up 2
null=$(null_blk_up 64)
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
modprobe rtrs_client reconnect_delay_ms=1000
path_pairs_start
load_rnbd_client
[ -e "$FAULTS" ] || skip_all "this kernel has no fault injection in debugfs"
disk=$(rnbd_map device_path="$null" "$(path_args 0 1)")
sess_attr hold_time_ms 60000
queue_full
mr
answer
queue_full_again
heartbeat
delay
enter
fail_over
scan
credits
check "fio-afterwards" fio_verify "/dev/$disk" randwrite 4k-32k 16 1 200
check "unmap" rnbd_unmap "$disk"
check "nothing-left" wait_for 20 nothing_mapped
check_path_pairs "every-path-object-was-freed" 2
check "no-line-that-alarms" log_is_calm

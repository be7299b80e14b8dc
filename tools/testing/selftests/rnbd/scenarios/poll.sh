#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml full=6.1 mem=2G
#
# Polled queues: they really carry polled I/O, which nothing but polling completes; on every path,
# also one that was added later, after loss and recovery, and with a CPU offline at map time.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

debug=/sys/kernel/debug
mountpoint -q $debug || mount -t debugfs debugfs $debug
rxe_up 2
null=$(null_blk_up 64 irqmode=2 completion_nsec=500000)
dm=$(dm_up rnbd-poll "0 $(sectors "$null") linear $null 0")
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
load_rnbd_client
path0=path=ip:10.0.0.1@ip:10.0.0.1
sess=$RTRS_CLT/$RNBD_SESS

hipri() { fio_verify "$@" --ioengine=io_uring --hipri=1; }
# queues TYPE: how many hardware queues of that type (default, poll) the disk has
queues() { grep -lx "$1" "$debug/block/$disk"/hctx*/type | wc -l; }
# in_flight TYPE: requests that are under way in queues of that type
in_flight() {
	local dir n=0
	for dir in "$debug/block/$disk"/hctx*; do
		[ "$(<"$dir/type")" = "$1" ] || continue
		n=$((n + $(grep -c in_flight "$dir/busy" || :)))
	done
	echo $n
}
in_flight_is() { [ "$(in_flight "$1")" = "$2" ]; }
# connections: how many connections a path has, by the completion queues of both ends
cqs() { rdma resource show cq | wc -l; }
connections() { echo $((($(cqs) - idle_cqs) / 2)); }
possible=$(</sys/devices/system/cpu/possible)
cpus=$((${possible##*-} + 1))
path_dir() { echo "$sess/paths/ip:10.0.$1.1@ip:10.0.$1.1"; }

idle_cqs=$(cqs)
[ -d "$debug/block" ] || skip_all "no debugfs of the block layer"
check "io_uring-is-there" fio_run "$null" read 4k 1 1 1 --ioengine=io_uring

test_start "a session without polled queues"
disk=$(rnbd_map "device_path=$dm" $path0)
check_equal "io_poll-without" 0 "$(queue_attr "$disk" io_poll)"
# kernels up to 6.1 do it without polling, later ones refuse it: as for any disk without such queues
plain=$(loop_up 8)
polled() {
	local how=refused
	! fio_run "$1" read 4k 1 1 1 --ioengine=io_uring --hipri=1 >/dev/null || how=served
	echo $how
}
check_equal "polled-I/O-as-of-a-local-disk" "$(polled "$plain")" "$(polled "/dev/$disk")"
rnbd_unmap "$disk"
wait_for 10 nothing_mapped

for count in 1 -1; do
	test_start "nr_poll_queues=$count"
	disk=$(rnbd_map "device_path=$dm" $path0 "nr_poll_queues=$count")
	number=$(rnbd_attr "$disk" nr_poll_queues)
	check_equal "io_poll-$count" 1 "$(queue_attr "$disk" io_poll)"
	check_equal "abi51-mq-queues-poll-$count" $(($(nproc) + number)) \
		"$(find "/sys/block/$disk/mq" -mindepth 1 -maxdepth 1 | wc -l)"
	check_equal "default-queues-$count" "$(nproc)" "$(queues default)"
	check_equal "poll-queues-$count" "$number" "$(queues poll)"
	check_equal "connections-$count" $((1 + cpus + number)) "$(connections)"
	check "verify-polled-$count" hipri "/dev/$disk" randwrite 4k-64k 16 2 200
	check "verify-polled-one-by-one-$count" fio_verify "/dev/$disk" randwrite 4k 1 1 100 \
		--ioengine=pvsync2 --hipri=1
	check "verify-not-polled-$count" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 200
	rnbd_unmap "$disk"
	wait_for 10 nothing_mapped
done

test_start "polled and other I/O at the same time"
disk=$(rnbd_map "device_path=$dm" $path0 nr_poll_queues=1)
both() {
	local pid rc=0
	hipri "/dev/$disk" randwrite 4k-16k 8 1 400 --size=16m &
	pid=$!
	fio_verify "/dev/$disk" randwrite 4k-16k 8 1 400 --offset=32m --size=16m || rc=1
	wait $pid || rc=1
	return $rc
}
check "verify-both" both

answered() { awk '{ print $1 + $5 }' "/sys/block/${null#/dev/}/stat"; }
answered_more() { [ "$(answered)" -gt "$before" ]; }
poller() { pgrep -x fio | grep -v "^$fio\$"; } # all of them: the job is a process of its own
signal_fio() { local pid; for pid in $fio $(poller); do kill "-$1" "$pid"; done; }

stopped() { # condition
	local pid
	for pid in $(poller); do file_has "/proc/$pid/status" '^State:.T' || return 1; done
}

# read_and_stop NAME: a program reads with polling and is stopped; the answer is there and waits
read_and_stop() {
	dmsetup suspend --nolockfs --noflush rnbd-poll
	timeout $((120 * LAB_SLOW)) fio --name=p "--filename=/dev/$disk" --direct=1 --ioengine=io_uring \
		--hipri=1 --rw=read --bs=4k --number_ios=1 --size=4k >"$LAB_TMP/fio.out" 2>&1 &
	fio=$!
	check "$1-is-in-a-poll-queue" wait_for 20 in_flight_is poll 1
	check_equal "$1-is-in-no-other" 0 "$(in_flight default)"
	check "$1-is-marked" grep -q POLLED "$debug/block/$disk"/hctx*/busy
	signal_fio STOP
	wait_for 10 stopped
	before=$(answered)
	dmsetup resume rnbd-poll
	check "$1-server-has-answered" wait_for 10 answered_more
}
go_on() { # NAME
	local rc=0
	signal_fio CONT
	check "$1-done-when-polled" wait_for 20 in_flight_is poll 0
	wait $fio || rc=$?
	check_equal "$1-reader-ends-well" 0 $rc
}

test_start "nothing but polling completes a polled request"
expect_errno OK write "$sess/request_timeout_ms" $((60000 * LAB_SLOW))
defer dmsetup resume rnbd-poll
read_and_stop polled-request
sleep 1
check_equal "not-done-while-nobody-polls" 1 "$(in_flight poll)"
go_on polled-request

test_start "the time-out polls before it blames the path"
expect_errno OK write "$sess/request_timeout_ms" $((20000 * LAB_SLOW))
read_and_stop stopped-reader
check "stopped-reader-is-answered" wait_for 60 in_flight_is poll 0
check "stopped-reader-costs-no-path" attr_is "$(path_dir 0)/state" connected
go_on stopped-reader
expect_errno OK write "$sess/request_timeout_ms" 30000

test_start "the same without polling"
dmsetup suspend --nolockfs --noflush rnbd-poll
errno-op pread "/dev/$disk" 0 4096 direct >"$LAB_TMP/read" &
reader=$!
check "request-is-in-a-default-queue" wait_for 20 in_flight_is default 1
check_equal "request-is-in-no-poll-queue" 0 "$(in_flight poll)"
dmsetup resume rnbd-poll
wait $reader || :
check_equal "reader-ends-well" OK "$(<"$LAB_TMP/read")"

test_start "a path that was added later"
check "add_path" timeout 60 errno-op write "$sess/add_path" ip:10.0.1.1@ip:10.0.1.1
check_equal "added-path-has-poll-connections" $((2 * (1 + cpus + 1))) "$(connections)"
check "verify-over-both-paths" hipri "/dev/$disk" randwrite 4k-64k 16 1 300
expect_errno OK write "$(path_dir 0)/remove_path" 1
check "first-path-is-gone" wait_for 10 gone "$(path_dir 0)"
connections_are() { [ "$(connections)" = "$1" ]; }
check "connections-of-one-path-left" wait_for 10 connections_are $((1 + cpus + 1))
check "verify-over-the-added-path" hipri "/dev/$disk" randwrite 4k-64k 16 1 300
rdma_of() { awk '{ print $1 + $3 }' "$(path_dir 1)/stats/rdma"; }
check "added-path-carries-it" test "$(rdma_of)" -gt 300

test_start "paths that come and go under polled I/O"
check "add_path-again" timeout 60 errno-op write "$sess/add_path" ip:10.0.0.1@ip:10.0.0.1
flap() {
	local pid rc=0 n
	FIO_TIMEOUT=200 hipri "/dev/$disk" randwrite 4k-16k 8 1 1500 &
	pid=$!
	for n in 0 1 0; do
		errno-op write "$(path_dir $n)/disconnect" 1 >/dev/null || rc=1
		errno-op write "$(path_dir $n)/reconnect" 1 >/dev/null || : # or soon after
		wait_for 20 file_is "$(path_dir $n)/state" connected || rc=1
	done
	wait $pid || rc=1
	return $rc
}
check "abi54-verify-polled-while-paths-flap" flap
check "still-open" state_is "$disk" open
check "unload-server" unload rnbd_server 30
check "closed" wait_for 20 state_is "$disk" closed
check_fails "polled-I/O-fails-while-closed" fio_run "/dev/$disk" read 4k 1 1 1 \
	--ioengine=io_uring --hipri=1
load_rnbd_server
check "open-again" wait_for 40 state_is "$disk" open
check "verify-after-recovery" hipri "/dev/$disk" randwrite 4k-64k 16 1 200
rnbd_unmap "$disk"
wait_for 10 nothing_mapped

if [ -w /sys/devices/system/cpu/cpu1/online ]; then
	test_start "a CPU that is offline while the session is made"
	echo 0 >/sys/devices/system/cpu/cpu1/online
	defer errno-op write /sys/devices/system/cpu/cpu1/online 1
	disk=$(rnbd_map "device_path=$dm" $path0 nr_poll_queues=2)
	check "offline-cpu-verify-polled" hipri "/dev/$disk" randwrite 4k-64k 16 2 200
	check "offline-cpu-verify" fio_verify "/dev/$disk" randwrite 4k-64k 16 2 200
	echo 1 >/sys/devices/system/cpu/cpu1/online
	check "online-again-verify-polled" hipri "/dev/$disk" randwrite 4k-64k 16 2 200
	check "online-again-verify" fio_verify "/dev/$disk" randwrite 4k-64k 16 2 200
	rnbd_unmap "$disk"
else
	test_skip "offline-cpu" "the one CPU of this machine cannot go offline"
fi
check "all-gone" wait_for 10 server_idle

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml smp=1
#
# Trace events of all modules: those that tools know, with their fields; that each fires and says
# what has happened; that requests and objects come in pairs; and the times of a request's stages.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

tracefs=/sys/kernel/tracing
dir=$tracefs/instances/rnbd-traces
rxe_up 2
modprobe -q dm_delay || :
disk0=$(null_blk_up 32 irqmode=2 completion_nsec=2000000)
slow=$(dm_up slow "0 $(sectors "$disk0") delay $disk0 0 1500")
modprobe rtrs_server sess_queue_depth=32
load_rnbd_server
load_rnbd_client
[ -d "$tracefs/events" ] || mount -t tracefs tracefs "$tracefs"
echo 0 >"$tracefs/options/record-cmd"
defer errno-op write "$tracefs/options/record-cmd" 1
mkdir "$dir"
defer rmdir "$dir"
echo 16384 >"$dir/buffer_size_kb"

trace_on() { # EVENT...: record these only
	local event
	echo 0 >"$dir/tracing_on"
	echo >"$dir/set_event"
	: >"$dir/trace"
	for event; do
		echo "$event" >>"$dir/set_event"
	done
	echo 1 >"$dir/tracing_on"
}

trace_off() { # FILE: what was recorded; nothing is traced any more
	echo 0 >"$dir/tracing_on"
	cat "$dir/trace" >"$1"
	echo >"$dir/set_event"
	! grep -q LOST "$1"
}

# has_fields NAME SYSTEM/EVENT "TYPE NAME;TYPE NAME;...": one result; ok if the event begins with
# these fields. More may follow. (User Mode Linux compiles errno under another name.)
has_fields() {
	local got
	got=$(sed -nE 's/^\tfield:(.*);\toffset.*/\1;/p' "$tracefs/events/$2/format" 2>&1 |
		grep -v ' common_' | sed 's/ kernel_errno;/ errno;/' | tr -d '\n')
	if [ -n "$got" ] && [[ $got == "$3"* ]]; then
		test_ok "$1"
	else
		test_fail "$1" "wanted '$3', got '$got'"
	fi
}

test_start "events and their fields"
path_fields="int state;int reconnect_attempts;int max_reconnect_attempts;int fail_cnt;"
path_fields+="int success_cnt;char sessname[255];"
for event in rtrs_clt_reconnect_work rtrs_clt_close_conns rtrs_rdma_error_recovery; do
	has_fields "abi95-$event" "rtrs_clt/$event" "$path_fields"
done
has_fields "abi95-send_io_resp_imm" rtrs_srv/send_io_resp_imm \
	"u8 dir;bool need_inval;bool always_invalidate;u32 msg_id;int wr_cnt;u32 signal_interval;int state;int errno;char sessname[255];"
str="__data_loc char[]"
for event in create_sess destroy_sess; do
	has_fields "abi95-$event" rnbd_srv/$event "int qdepth;$str sessname;"
done
has_fields "abi95-process_rdma" rnbd_srv/process_rdma \
	"$str sessname;u8 dir;u8 ver;u32 device_id;u64 sector;u32 flags;u32 bi_size;u16 ioprio;u32 datalen;size_t usrlen;"
has_fields "abi95-process_msg_sess_info" rnbd_srv/process_msg_sess_info \
	"u8 proto_ver;u8 clt_ver;u8 srv_ver;$str sessname;"
has_fields "abi95-process_msg_open" rnbd_srv/process_msg_open \
	"u8 access_mode;$str sessname;$str dev_name;"
has_fields "abi95-process_msg_close" rnbd_srv/process_msg_close "u32 device_id;$str sessname;"
for end in clt srv; do
	has_fields "${end}_req_start" rtrs_$end/rtrs_${end}_req_start \
		"u32 slot;u32 cid;u8 dir;u32 usr_len;u32 data_len;$str path;$str sessname;"
done
has_fields "clt_req_done" rtrs_clt/rtrs_clt_req_done \
	"u32 slot;u32 cid;int err;u64 start_answer_ns;u64 answer_done_ns;"
has_fields "srv_req_done" rtrs_srv/rtrs_srv_req_done \
	"u32 slot;u32 cid;int err;u64 receive_hand_ns;u64 hand_answer_ns;"

test_start "a session with two paths, from its birth to its end"
trace_on 'rtrs_clt:*' 'rtrs_srv:*' 'rnbd_srv:*'
# shellcheck disable=SC2046 # a list
disk=$(rnbd_map $(path_args 0 1) "device_path=$disk0")
# shellcheck disable=SC2046 # a list
slow_disk=$(rnbd_map $(path_args 0 1) "device_path=$slow")
fio_run "/dev/$disk" randwrite 4k 8 1 200
fio_run "/dev/$disk" randread 4k-64k 8 1 200
fio_run "/dev/$disk" randrw 4k 16 1 4000 &
fio=$!
started() { [ "$(awk '{ print $1 + $5 }' "/sys/block/$disk/stat")" -gt 500 ]; }
wait_for 20 started
dmsetup suspend --nolockfs --noflush slow
defer dmsetup resume slow
for ((i = 0; i < 8; i++)); do # both paths have some of them, and no answer yet
	errno-op pread "/dev/$slow_disk" $((i * 4096)) 4096 direct >"$LAB_TMP/slow.$i" &
	slow_reads+=($!)
done
wait_for 20 under_way "$slow_disk" 8
expect_errno OK write "$(srv_path 0)/disconnect" 1
wait_for 20 path_is 0 disconnected
dmsetup resume slow
wait "${slow_reads[@]}" || :
check_equal "slow-reads-are-answered" "8 OK" "$(sort "$LAB_TMP"/slow.* | uniq -c | xargs)"
rc=0
wait "$fio" || rc=$?
check_equal "io-goes-on-over-the-other-path" 0 "$rc"
check "path-is-back" wait_for 30 path_is 0 connected
check_equal "disconnect" OK "$(path_do 1 disconnect)"
check_equal "reconnect" OK "$(path_up 1)"
rnbd_unmap "$disk"
rnbd_unmap "$slow_disk"
check "all-gone" wait_for 20 session_gone
server_freed() { [ "$(grep -c rtrs_srv_sess_freed: "$dir/trace")" = 1 ]; }
check "the-server-has-freed-the-session" wait_for 20 server_freed
trace=$LAB_TMP/trace
check "nothing-was-lost-from-the-trace" trace_off "$trace"

test_start "each has fired"
for event in rtrs_clt_reconnect_work rtrs_clt_close_conns rtrs_rdma_error_recovery \
	send_io_resp_imm create_sess destroy_sess process_rdma process_msg_sess_info \
	process_msg_open process_msg_close; do
	check "abi95-$event-fires" grep -qE " $event: .*(sessname=|sess )$RNBD_SESS " "$trace"
done
check "abi95-state-as-a-word" grep -qE " rtrs_rdma_error_recovery: .* state=RECONNECTING " "$trace"
check "abi95-a-write" grep -qE " process_rdma: .* dir=WRITE .* flags=WRITE.* datalen=4096 " "$trace"
check "abi95-a-read" grep -qE " process_rdma: .* dir=READ .* flags=READ" "$trace"
check "abi95-open" grep -qE " process_msg_open: .* dev_name=$disk0 access_mode=RW" "$trace"
check "answer-in-words" grep -qE " send_io_resp_imm: .* WRITE slot [0-9]+ err 0 .* CONNECTED" "$trace"

pairs() { # NAME LEAST EVENT-STEM BEGIN END KEYS [OVERLAP]: one result
	local name=$1 least=$2 stem=$3 out
	if out=$(awk -v "begin=${stem}_$4" -v "end=${stem}_$5" -v "keys=$6" -v "overlap=${7:-0}" \
		-f "$RNBD_TESTS/lib-trace-pairs.awk" "$trace") && [ "${out% pairs}" -ge "$least" ]; then
		note "$name: $out"
		test_ok "$name"
	else
		test_fail "$name" "$(head -5 <<<"$out")"
	fi
}

test_start "pairs"
pairs client-requests-come-in-pairs 4400 rtrs_clt_req start "done" "path slot"
pairs server-requests-come-in-pairs 4400 rtrs_srv_req start "done" "slot"
pairs client-paths-come-in-pairs 2 rtrs_clt_path created freed path
pairs client-sessions-come-in-pairs 1 rtrs_clt_sess created freed uuid
# one that comes back does not wait for the release of the one before it, which can be late
pairs server-paths-come-in-pairs 4 rtrs_srv_path created freed path 1
pairs server-sessions-come-in-pairs 1 rtrs_srv_sess created freed uuid
uuid_of() { sed -nE "s/.* $1: .*uuid[ =]([0-9a-f-]+).*/\1/p" "$trace"; }
check_equal "both-ends-show-one-uuid" "$(uuid_of rtrs_clt_sess_created)" \
	"$(uuid_of rtrs_srv_sess_freed)"
check_match "it-is-a-uuid" "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" \
	"$(uuid_of rtrs_clt_sess_created)"
moved=$(grep -c " rtrs_clt_req_done: .* err=-103 " "$trace" || :)
note "$moved requests were sent again"
check "requests-were-sent-again" test "$moved" -gt 0

# stages EVENT A B: one line for each answered request: the two times, with how much in a second.
stages() { sed -nE "s/.* $1: .*err[ =]0 $2[ =]([0-9]+) $3[ =]([0-9]+).*/\1 \2/p" "$trace"; }
stages_ok() { # all are there, and none is longer than the whole run
	awk '$1 < 0 || $2 < 0 || $1 > 1e11 || $2 > 1e11 { bad++ } { n++; a += $1; b += $2 }
		END { printf "%d requests, %.0f ns and %.0f ns on average\n", n, a / n, b / n
		exit bad > 0 || n < 4400 || a <= 0 || b <= 0 }'
}

test_start "stage times"
check "client-stages" stages_ok < <(stages rtrs_clt_req_done start_answer_ns answer_done_ns)
check "server-stages" stages_ok < <(stages rtrs_srv_req_done receive_hand_ns hand_answer_ns)

test_start "tracing that begins in the middle of a request"
disk=$(rnbd_map "$(path_args 0)" "device_path=$slow")
trace_on rtrs_clt:rtrs_clt_req_done rtrs_srv:rtrs_srv_req_done
fio_run "/dev/$disk" randread 4k 32 1 64 # leaves its stamps in all slots
trace_off "$trace"
check "they-have-times" test "$(stages rtrs_clt_req_done start_answer_ns answer_done_ns |
	awk '$1 > 1e9' | wc -l)" -ge 64
check "the-server-took-them" test "$(stages rtrs_srv_req_done receive_hand_ns hand_answer_ns |
	awk '$2 > 1e9' | wc -l)" -ge 64
dmsetup suspend --nolockfs --noflush slow
errno-op pread "/dev/$disk" 0 4096 direct >"$LAB_TMP/slow" &
reader=$!
wait_for 20 under_way "$disk" 1
trace_on rtrs_clt:rtrs_clt_req_done rtrs_srv:rtrs_srv_req_done
dmsetup resume slow
wait "$reader" || :
trace_off "$trace"
check_equal "the-request-was-answered" OK "$(<"$LAB_TMP/slow")"
check_match "its-beginning-is-unknown-to-the-client" "^0 [0-9]{1,9}$" \
	"$(stages rtrs_clt_req_done start_answer_ns answer_done_ns)"
check_equal "and-to-the-server" "0 0" "$(stages rtrs_srv_req_done receive_hand_ns hand_answer_ns)"
rnbd_unmap "$disk"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=240 kernel=any,uml
#
#	link 0 (IPv4), link 1 (IPv6), link 2 (IPv4): one session over three RDMA devices
#
# Sessions with several paths: their files at both ends, address families side by side, policies
# that spread and choose as they promise, statistics.
RNBD_SESS=box@store # of this form both ends know host names, and show them
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

rxe_up 3
mapfile -t ram < <(brd_up 2 16)
slow=$(dm_up slow "0 $(sectors "${ram[1]}") linear ${ram[1]} 0")
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
load_rnbd_client
events=$LAB_TMP/uevents
if uevents_start "$events"; then heard=1; else heard=; fi
v6="ip:fd00:0:1::1@ip:fd00:0:1::1" # link 1, as the kernel prints it
sess=$RTRS_CLT/$RNBD_SESS

test_start "three paths of two families in one line"
require "map-over-three-paths" rnbd_map "$(path_args 0) path=ip:$(addr6_of 1 1)" \
	"$(path_args 2)" "device_path=${ram[0]}"
disk=$(rnbd_disk_of "$RNBD_SESS" "${ram[0]}")
names="$(path_name 0) $(path_name 2) $v6"
check_equal "abi77-three-paths" "$names" "$(entries "$sess/paths")"
check_equal "abi77-the-same-names-on-the-server" "$names" "$(entries "$RTRS_SRV/$RNBD_SESS/paths")"
check_equal "all-connected" 3 "$(paths_connected)"
check_equal "abi78-IPv6-compressed" "$v6" "$(cd "$sess/paths" && echo ip:fd*)"
n=0
for path in 0 "$v6" 2; do
	name=$(path_name "$path")
	for dir in "$(clt_path "$path")" "$(srv_path "$path")"; do
		end=$(cut -d/ -f4 <<<"$dir")
		check "abi77-$end-$n-src_addr" attr_is "$dir/src_addr" "${name%@*}"
		check "abi77-$end-$n-dst_addr" attr_is "$dir/dst_addr" "${name#*@}"
		check "abi88-$end-$n-hca_name" attr_is "$dir/hca_name" "rxe_$(link_dev $n)"
		check "abi88-$end-$n-hca_port" attr_is "$dir/hca_port" 1
	done
	check "abi79-state-$n" attr_is "$(clt_path "$path")/state" connected
	check "abi87-cur_latency-$n" file_has "$(clt_path "$path")/cur_latency" '^[0-9]+ ns$'
	check "abi86-reconnects-$n" attr_is "$(clt_path "$path")/stats/reconnects" "0 0"
	n=$((n + 1))
done
check "fio-over-three-paths" fio_verify "/dev/$disk" randwrite 4k-64k 32 1 200

test_start "the files of both ends"
check_equal "client-session-files" "$(abi_entries rtrs-client '/sys/class/rtrs-client/<session>/')" \
	"$(own_entries "$sess")"
check_equal "abi92-server-session-files" \
	"$(abi_entries rtrs-server '/sys/class/rtrs-server/<session>/')" \
	"$(own_entries "$RTRS_SRV/$RNBD_SESS")"
for end in client server; do
	top=/sys/class/rtrs-$end/$RNBD_SESS/paths/$(path_name 0)
	doc="/sys/class/rtrs-$end/<session>/paths/<src>@<dst>/"
	check_equal "abi92-$end-path-files" "$(abi_entries "rtrs-$end" "$doc")" "$(own_entries "$top")"
	check_equal "abi92-$end-stats-files" "$(abi_entries "rtrs-$end" "${doc}stats/")" \
		"$(own_entries "$top/stats")"
	for name in hca_name hca_port src_addr dst_addr; do
		check "abi92-$end-$name-mode" mode_is "$top/$name" 444
	done
	check "abi92-$end-disconnect-mode" mode_is "$top/disconnect" 644
	check "abi92-$end-disconnect-usage" shows_usage "$top/disconnect"
	check "abi92-$end-stats-rdma-mode" mode_is "$top/stats/rdma" 644
	check "abi5-$end-every-file-ends-in-a-newline" all_end_in_newline "/sys/class/rtrs-$end/$RNBD_SESS"
	check "abi5-$end-every-file-opens" all_open_to_create "/sys/class/rtrs-$end/$RNBD_SESS"
done
for dir in "/sys/block/$disk/rnbd" "$RNBD_CTL" "$RNBD_SRV_CTL/devices/${ram[0]#/dev/}/sessions"; do
	check "abi5-every-file-of-$dir-ends-in-a-newline" all_end_in_newline "$dir"
	check "abi5-every-file-of-$dir-opens" all_open_to_create "$dir"
done
check "abi5-opening-changes-nothing" state_is "$disk" open
top=$(clt_path 0)
for name in reconnect remove_path; do
	check "client-$name-mode" mode_is "$top/$name" 644
	check "client-$name-usage" shows_usage "$top/$name"
done
check "client-add_path-usage" shows_usage "$sess/add_path"
check "client-add_path-address-line" \
	grep -qxF 'addr ::= [ ip:<ipv4> | ip:<ipv6> | gid:<gid> ]' "$sess/add_path"
for name in add_path max_reconnect_attempts mpath_policy mp_policy; do
	check "client-$name-mode" mode_is "$sess/$name" 644
done

test_start "mpath_policy as text"
check "abi72-default" attr_is "$sess/mpath_policy" "min-inflight (MI: 1)"
check "abi74-mp_policy-default" attr_is "$sess/mp_policy" "min-inflight (MI: 1)"
declare -A reads=(
	[0]="round-robin (RR: 0)" [1]="min-inflight (MI: 1)" [2]="min-latency (ML: 2)")
for pair in 0:0 1:1 2:2 rr:0 mi:1 ml:2 RR:0 Mi:1 round-robin:0 min-inflight:1 min-latency:2 \
	Round-Robin:0; do
	for how in write echo; do
		check_equal "abi73-$how-${pair%:*}" OK \
			"$(errno_of "$how" "$sess/mpath_policy" "${pair%:*}")"
		check "abi73-$how-${pair%:*}-reads" attr_is "$sess/mpath_policy" "${reads[${pair#*:}]}"
		check "abi74-mp_policy-mirrors-${pair%:*}" attr_is "$sess/mp_policy" \
			"${reads[${pair#*:}]}"
	done
done
expect_errno OK write "$sess/mp_policy" rr
check "abi74-mpath_policy-mirrors" attr_is "$sess/mpath_policy" "${reads[0]}"
for text in 3 -1 r minlat "" "rr x" rrr; do
	check_equal "abi73-refused-'$text'" EINVAL "$(errno_of echo "$sess/mpath_policy" "$text")"
	check_equal "abi74-refused-'$text'" EINVAL "$(errno_of echo "$sess/mp_policy" "$text")"
done
check "abi73-refused-changes-nothing" attr_is "$sess/mpath_policy" "${reads[0]}"

test_start "max_reconnect_attempts"
check "abi75-default" attr_is "$sess/max_reconnect_attempts" -1
for text in 0 9999 +5 -1; do
	check_equal "abi75-$text" OK "$(errno_of echo "$sess/max_reconnect_attempts" "$text")"
	check "abi75-$text-reads" attr_is "$sess/max_reconnect_attempts" "${text#+}"
done
for text in -2 10000 x "" "1 2"; do
	check_equal "abi75-refused-'$text'" EINVAL \
		"$(errno_of echo "$sess/max_reconnect_attempts" "$text")"
done
check_equal "abi75-overflow" ERANGE "$(errno_of write "$sess/max_reconnect_attempts" 99999999999)"
check "abi75-refused-changes-nothing" attr_is "$sess/max_reconnect_attempts" -1

test_start "round-robin spreads evenly"
# reads_on LINK...: how many reads each path has carried, as words
reads_on() {
	local p
	for p; do path_stat "$p" reads; done
}
# spread COUNT: the words of how many of COUNT reads each of the three paths carried
spread() {
	local before after
	mapfile -t before < <(reads_on 0 "$v6" 2)
	reads_by "$disk" "$1" || return 1
	mapfile -t after < <(reads_on 0 "$v6" 2)
	echo "$((after[0] - before[0])) $((after[1] - before[1])) $((after[2] - before[2]))"
}
expect_errno OK write "$sess/mpath_policy" round-robin
check_equal "round-robin-each-a-third" "40 40 40" "$(spread 120)"

test_start "min-inflight avoids the busy paths"
# a read of a suspended device stays under way; with paths 0 and 2 alone round-robin loads both
rnbd_map "device_path=$slow" >/dev/null
slow_disk=$(rnbd_disk_of "$RNBD_SESS" "$slow")
check_equal "path-1-rests" OK "$(path_do "$v6" disconnect)"
expect_errno OK write "$sess/request_timeout_ms" 600000
dmsetup suspend --noflush --nolockfs slow
fio_run "/dev/$slow_disk" randread 4k 8 1 8 --cpus_allowed=0 &
stuck=$!
loaded() { [ "$(path_stat 0 inflight)" = 4 ] && [ "$(path_stat 2 inflight)" = 4 ]; }
check "round-robin-loads-both-alike" wait_for 20 loaded
check_equal "path-1-is-back" OK "$(path_up "$v6")"
expect_errno OK write "$sess/mpath_policy" min-inflight
check_equal "min-inflight-takes-the-idle-path" "0 50 0" "$(spread 50)"
check "in-flight-counts-stay" loaded
dmsetup resume slow
rc=0; wait "$stuck" || rc=$?
check_equal "stuck-reads-end-well" 0 "$rc"
expect_errno OK write "$sess/request_timeout_ms" 30000
inflight_is_0() { [ "$(path_stat 0 inflight) $(path_stat 2 inflight)" = "0 0" ]; }
check "in-flight-is-0-again" wait_for 5 inflight_is_0
rnbd_unmap "$slow_disk"
check "min-inflight-under-load" fio_run "/dev/$disk" randread 4k 32 1 500

test_start "min-latency takes the quickest path"
latencies() { cat "$(clt_path 0)/cur_latency" "$(clt_path "$v6")/cur_latency" \
	"$(clt_path 2)/cur_latency" | cut -d' ' -f1; }
measured() { ! latencies | grep -qx 0; }
check "abi87-not-zero-after-the-first-heartbeats" wait_for 20 measured
expect_errno OK write "$sess/mpath_policy" min-latency
# A heartbeat may change the order between two looks, then the try says nothing: let there be few.
expect_errno OK write "$sess/heartbeat_interval_ms" 60000
for ((try = 0; try < 10; try++)); do
	mapfile -t before < <(latencies)
	got=$(spread 30)
	mapfile -t after < <(latencies)
	[ "${before[*]}" != "${after[*]}" ] || break
done
want=$(printf '%s\n' "${before[@]}" | awk '
	{ if (NR == 1 || $1 < least) { least = $1; best = NR } }
	END { for (n = 1; n <= 3; n++) printf "%s%s", n == best ? 30 : 0, n < 3 ? " " : "" }')
note "latencies: ${before[*]} ns"
check_equal "min-latency-takes-the-quickest" "$want" "$got"
expect_errno OK write "$sess/heartbeat_interval_ms" 2000
expect_errno OK write "$sess/mpath_policy" min-inflight

test_start "statistics"
for path in 0 "$v6" 2; do
	check "abi83-client-six-numbers" file_has "$(clt_path "$path")/stats/rdma" \
		'^[0-9]+( [0-9]+){5}$'
	check "abi83-server-four-numbers" file_has "$(srv_path "$path")/stats/rdma" \
		'^[0-9]+( [0-9]+){3}$'
done
possible=$(awk -F'[-,]' '{ print $NF + 1 }' /sys/devices/system/cpu/possible)
for name in cpu_migration_from cpu_migration_to; do
	check "abi85-$name" file_has "$top/stats/$name" "^([0-9]+ ){$possible}\$"
	check_equal "abi85-$name-one-line" 1 "$(wc -l <"$top/stats/$name")"
done
for path in "$v6" 2; do
	expect_errno OK write "$(clt_path "$path")/disconnect" 1
done
check_equal "abi84-reset-client" OK "$(errno_of echo "$top/stats/rdma" 1)"
check_equal "abi84-reset-server" OK "$(errno_of echo "$(srv_path 0)/stats/rdma" 1)"
check "abi84-client-reads-zero" attr_is "$top/stats/rdma" "0 0 0 0 0 0"
check "abi84-server-reads-zero" attr_is "$(srv_path 0)/stats/rdma" "0 0 0 0"
check "writes" fio_run "/dev/$disk" write 16k 4 1 20
reads_by "$disk" 30
check_equal "abi83-client-counts-reads" 30 "$(path_stat 0 reads)"
check_equal "abi83-client-counts-writes" 20 "$(path_stat 0 writes)"
# the header of a request counts as well, so there is more than the data
check "abi83-client-counts-read-bytes" \
	test "$(path_stat 0 read_bytes)" -ge $((30 * 4096))
check "abi83-client-counts-written-bytes" \
	test "$(path_stat 0 write_bytes)" -ge $((20 * 16384))
check_equal "abi83-server-counts-reads" 30 "$(srv_stat 0 reads)"
check_equal "abi83-server-counts-writes" 20 "$(srv_stat 0 writes)"
check_equal "abi83-ends-agree-about-bytes" "$(cut -d' ' -f1-4 "$top/stats/rdma")" \
	"$(cat "$(srv_path 0)/stats/rdma")"
for file in "$top/stats/"* "$(srv_path 0)/stats/rdma"; do
	for text in 0 2 " 1" "1 1" x ""; do
		check_equal "abi84-refused-${file##*/}-'$text'" EINVAL "$(errno_of echo "$file" "$text")"
	done
	check_equal "abi84-accepted-${file##*/}" OK "$(errno_of write "$file" 1)"
done
check "abi84-reset_all-text" ends_in_newline "$top/stats/reset_all"

test_start "reset under load"
fio_run "/dev/$disk" randrw 4k 32 1 100000 --time_based --runtime=3 &
fio=$!
resets() { # as long as fio runs: reset, and look at the number in flight
	local n=0 inflight
	while kill -0 "$fio" 2>/dev/null; do
		echo 1 >"$top/stats/reset_all"
		inflight=$(path_stat 0 inflight)
		if [ "$inflight" -gt 64 ]; then
			echo "$inflight requests in flight of a session with 64"
			return 1
		fi
		n=$((n + 1))
	done
	echo "$n resets"
}
check "abi84-in-flight-never-below-zero" resets
rc=0; wait "$fio" || rc=$?
check_equal "abi84-load-ends-well" 0 "$rc"
check "abi84-in-flight-is-0-at-the-end" wait_for 5 inflight_is_0

test_start "addresses of InfiniBand"
# Soft-RoCE has an Ethernet link layer, on which such addresses do not exist
check_match "gid-on-Soft-RoCE-is-refused" '^(EADDRNOTAVAIL|ENODEV|EHOSTUNREACH|EINVAL)$' \
	"$(errno_of write "$sess/add_path" gid:fe80::1)"
check_equal "gid-leaves-nothing" "$names" "$(entries "$sess/paths")"
test_skip "abi78-GID-uncompressed" "no InfiniBand link layer here; see the unit test rtrs_addr"

test_start "actions with a newline and without"
# Each file whose reading gives its usage, but map_device, for which all of the tests stand. What it
# does is undone where there is a reason to.
declare -A takes=([unmap_device]=normal [remap_device]=1 [resize]=16384 [force_close]=1
	[add_path]="$v6" [reconnect]=1 [disconnect]=1 [remove_path]=1 [reset_all]=1)
actions() { # name of each, of all that is there
	local file
	for file in $(own_writable "/sys/block/$disk/rnbd"; own_writable "$RNBD_CTL";
		own_writable "$RNBD_SRV_CTL/devices/${ram[0]#/dev/}/sessions"; own_writable "$sess";
		own_writable "$RTRS_SRV/$RNBD_SESS"); do
		if [[ $(<"$file") == "Usage: "* ]]; then echo "${file##*/}"; fi
	done | sort -u | paste -sd' '
}
check_equal "abi6-these-are-all" "$(printf '%s\n' map_device "${!takes[@]}" | sort | paste -sd' ')" \
	"$(actions)"
act() { # NAME FILE: what it takes, as the tool and as the shell write it
	check_equal "abi6-$how-$1" OK "$(errno_of "$how" "$2/$1" "${takes[$1]}")"
}
for how in write echo; do
	act disconnect "$(clt_path 2)"
	act reconnect "$(clt_path 2)"
	act remove_path "$(clt_path "$v6")"
	check "abi6-$how-server-has-let-go" wait_for 20 gone "$(srv_path "$v6")"
	act add_path "$sess"
	check_equal "abi6-$how-all-connected" 3 "$(paths_connected)"
	count=$(_reconnects 2)
	act disconnect "$(srv_path 2)"
	check "abi6-$how-path-is-back" wait_for 30 _came_back 2 "$count"
	act reset_all "$(clt_path 2)/stats"
	act resize "/sys/block/$disk/rnbd"
	check_equal "abi6-$how-size" 16384 "$(sectors "/dev/$disk")"
	act force_close "$RNBD_SRV_CTL/devices/${ram[0]#/dev/}/sessions/$RNBD_SESS"
	check_equal "abi6-$how-noticed" EIO "$(errno_of pread "/dev/$disk" 0 4096 direct)"
	check "abi6-$how-closed" wait_for 10 state_is "$disk" closed
	act remap_device "/sys/block/$disk/rnbd"
	check "abi6-$how-open-again" state_is "$disk" open
	act unmap_device "/sys/block/$disk/rnbd"
	wait_for 10 nothing_mapped
	wait_for 10 server_idle
	check_equal "abi6-$how-map_device" OK "$(errno_of "$how" "$MAP_DEVICE" \
		"$(map_text "$(path_args 0) path=$v6 $(path_args 2)" "device_path=${ram[0]}")")"
	disk=$(rnbd_disk_of "$RNBD_SESS" "${ram[0]}")
done

test_start "the end of the session"
check "unmap" rnbd_unmap "$disk"
check "nothing-left" wait_for 10 nothing_mapped
check "server-idle" wait_for 10 server_idle
if [ -n "$heard" ]; then
	uevents_sync "$events"
	check_equal "abi90-each-session-one-add-and-remove" "$(printf 'add remove %.0s' 1 2 3)" \
		"$(uevents_of "$events" "virtual/rtrs-server/$RNBD_SESS ")"
fi

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=240 kernel=any,uml
#
# What an administrator does to paths (add_path, disconnect, reconnect, remove_path, disconnect
# on the server), and what their loss means for the device above: nothing as long as one is left.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

rxe_up 3
null=$(null_blk_up 64)
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
load_rnbd_client
events=$LAB_TMP/uevents
if uevents_start "$events"; then heard=1; else heard=; fi
sess=$RTRS_CLT/$RNBD_SESS
disk=$(rnbd_map "$(path_args 0)" "device_path=$null")

# disk_events: what was told about the disk since the last call, on one line
disk_events() {
	uevents_sync "$events"
	uevents_of "$events" "block/$disk "
	sed -i '/rnbd\|rtrs/d' "$events"
}
told() { uevents_sync "$events" && [ "$(uevents_of "$events" "block/$disk ")" = "$1" ]; } # condition
check_disk_events() { # NAME WANT
	if [ -n "$heard" ]; then
		wait_for 10 told "$2" || :
		check_equal "$1" "$2" "$(disk_events)"
	else
		test_skip "$1" "busybox has no uevent reader"
	fi
}

# every state that path 0 shows from here on until it is removed
state_seen() {
	local state
	while read -r state 2>/dev/null <"$(clt_path 0)/state"; do
		echo "$state"
		sleep 0.05
	done
}
state_seen >"$LAB_TMP/states" &

test_start "add_path"
check_equal "abi76-second-address" OK "$(add_path 1)"
check "abi76-connected-on-return" path_is 1 connected
check_equal "abi76-both-listed" "$(path_name 0) $(path_name 1)" "$(entries "$sess/paths")"
check_equal "abi76-both-on-the-server" "$(path_name 0) $(path_name 1)" \
	"$(entries "$RTRS_SRV/$RNBD_SESS/paths")"
check_equal "abi76-the-same-again" EEXIST "$(add_path 1)"
# without a source the addresses are only known to be the same when they are resolved
check_equal "abi76-the-same-without-source" EEXIST \
	"$(errno_of write "$sess/add_path" "ip:$(addr_of 1 1)")"
for text in " ip:$(addr_of 1 2)" "ip:$(addr_of 1 2) " x ip: "ip:10.0.2.1,gid:fe80::1" ""; do
	check_equal "abi76-refused-'$text'" EINVAL "$(errno_of echo "$sess/add_path" "$text")"
done
check_match "add_path-that-leads-nowhere" '^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ENODEV)$' \
	"$(errno_of write "$sess/add_path" ip:10.99.0.1)"
check_equal "failed-add-leaves-nothing" 2 "$(find "$sess/paths" -mindepth 1 -maxdepth 1 | wc -l)"
check "failed-add-leaves-the-others" paths_are 2
check_equal "abi76-with-a-newline" OK "$(errno_of echo "$sess/add_path" "ip:$(addr_of 1 2)")"
check "abi76-three-paths" paths_are 3

test_start "refused values"
for name in reconnect disconnect remove_path; do
	for text in 0 2 " 1" "1 1" x ""; do
		check_equal "abi82-$name-'$text'" EINVAL \
			"$(errno_of echo "$(clt_path 1)/$name" "$text")"
	done
done
for text in 0 2 " 1" x ""; do
	check_equal "abi91-refused-'$text'" EINVAL \
		"$(errno_of echo "$(srv_path 1)/disconnect" "$text")"
done
check "refused-changes-nothing" paths_are 3

test_start "disconnect and reconnect"
check_equal "abi80-disconnect" OK "$(path_do 1 disconnect)"
check "abi80-disconnected-on-return" path_is 1 disconnected
check "abi80-server-has-let-go" wait_for 10 gone "$(srv_path 1)"
check_equal "abi80-disconnect-again" OK "$(path_do 1 disconnect)"
# an automatic attempt would come within 1.5 s
check_fails "abi80-stays-disconnected" within 4 path_is 1 connected
check_equal "abi80-reconnect" OK "$(path_do 1 reconnect)"
check "abi80-connected-on-return" path_is 1 connected
check_equal "reconnect-of-a-connected-path" OK "$(path_up 1)"
check "reconnect-of-a-connected-path-connects" path_is 1 connected
check_equal "newline-is-accepted" OK "$(errno_of echo "$(clt_path 1)/disconnect" 1)"
check_equal "newline-is-accepted-2" OK "$(errno_of echo "$(clt_path 1)/reconnect" 1)"

test_start "remove_path"
check_equal "remove-one" OK "$(path_do 2 remove_path)"
check "removed-on-return" gone "$(clt_path 2)"
check_equal "two-left" "$(path_name 0) $(path_name 1)" "$(entries "$sess/paths")"
check_equal "added-again-at-once" OK "$(add_path 2)"
check_equal "remove-a-disconnected-one" "OK OK" "$(path_do 2 disconnect) $(path_do 2 remove_path)"
check_disk_events "no-event-so-far" "add online "

test_start "disconnect on the server"
check "abi86-none-before" attr_is "$(clt_path 0)/stats/reconnects" "0 0"
start=$(now_ms)
check_equal "abi91-disconnect" OK "$(errno_of write "$(srv_path 0)/disconnect" 1)"
took=$(($(now_ms) - start))
note "the write took $took ms"
check "abi91-client-comes-back-by-itself" wait_for 30 _came_back 0 0
check "abi91-connected" path_is 0 connected
# Each may be spoiled by a stall: of the machine, or of the server, which then refuses the first attempt.
cut_at_once() { # condition; a path that waits for its client takes longer
	local start
	start=$(now_ms)
	[ "$(errno_of write "$(srv_path 0)/disconnect" 1)" = OK ] &&
		[ "$(since "$start")" -lt $((3000 * LAB_SLOW)) ]
}
one_reconnect() { # condition
	echo 1 >"$(clt_path 0)/stats/reconnects" && cut_at_once && wait_for 30 _came_back 0 0 &&
		attr_is "$(clt_path 0)/stats/reconnects" "1 0"
}
check "abi86-one-reconnect-abi91-at-once" wait_for 60 one_reconnect
check_equal "abi84-reset-reconnects" OK "$(errno_of write "$(clt_path 0)/stats/reconnects" 1)"
check "abi84-reset-reconnects-reads" attr_is "$(clt_path 0)/stats/reconnects" "0 0"

test_start "loss of one of two paths under load"
sess_attr mpath_policy round-robin
moved() { [ $(($(path_stat 0 failover) + $(path_stat 1 failover))) -gt 0 ]; } # condition
# lose: break one path after the other, never the last one, until a loss has met requests
lose() {
	local n=0
	while [ $n -lt 5 ] || ! moved; do
		load_runs && cut_by_server $((n % 2)) || return 1
		n=$((n + 1))
		[ $n -lt 50 ] || break
	done
	echo "$n losses"
}
load_start "$disk" --number_ios=3000 # long enough that most losses come in the middle of it
check "abi54-paths-come-back" lose
load_end "abi54-no-failed-io-and-data-right"
check "abi54-state" state_is "$disk" open
check_disk_events "abi54-no-uevent" ""
check "requests-did-move-to-the-other-path" moved
note "$(path_stat 0 failover) + $(path_stat 1 failover) requests were sent again"

test_start "loss of one RDMA device of two"
fio_run "/dev/$disk" randrw 4k-32k 16 1 100000 --time_based --runtime=8 &
fio=$!
check "rdma-link-del" timeout 60 rdma link delete "rxe_$(link_dev 1)"
check "path-is-lost" wait_for 10 path_is 1 disconnected
rxe_add "$(link_dev 1)"
check "path-is-back-with-its-device" wait_for 20 path_is 1 connected
rc=0; wait "$fio" || rc=$?
check_equal "no-failed-io" 0 "$rc"
check_disk_events "no-uevent" ""
sess_attr mpath_policy min-inflight

test_start "max_reconnect_attempts 0"
sess_attr max_reconnect_attempts 0
errno-op write "$(srv_path 1)/disconnect" 1 >/dev/null
check "abi89-disconnected" wait_for 10 path_is 1 disconnected
check_fails "abi89-stays-disconnected" within 4 path_is 1 connected
check_equal "abi89-reconnect" OK "$(path_up 1)"
check "abi89-connected" path_is 1 connected
sess_attr max_reconnect_attempts -1

test_start "the last path"
check_equal "remove-path-1" OK "$(path_do 1 remove_path)"
check_equal "abi81-remove-the-last" OK "$(path_do 0 remove_path)"
check_equal "abi81-no-path" "" "$(entries "$sess/paths")"
check "abi81-session-stays" test -d "$sess"
check "abi81-device-closed" wait_for 10 state_is "$disk" closed
check_equal "abi81-io-EIO" EIO "$(errno_of pread "/dev/$disk" 0 4096 direct)"
check_disk_events "abi81-offline" "offline "
check "abi90-server-session-gone" wait_for 10 server_idle
check_equal "abi81-add_path" OK "$(add_path 1)"
check "abi81-device-open" wait_for 10 state_is "$disk" open
check_disk_events "abi81-online" "online "
check "abi81-fio" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 50
check_equal "disconnect-the-only-one" OK "$(path_do 1 disconnect)"
check "closed-with-a-disconnected-path" wait_for 10 state_is "$disk" closed
check "server-has-forgotten-the-session" wait_for 10 server_idle
check_equal "add_path-beside-a-disconnected-one" OK "$(add_path 0)"
check "open-over-the-new-path" wait_for 10 state_is "$disk" open
check_equal "the-disconnected-one-again" OK "$(path_up 1)"

test_start "a server that has gone"
sess_attr max_reconnect_attempts 3
check "server-unload" unload rnbd_server 30
check "closed" wait_for 10 state_is "$disk" closed
check_equal "abi80-reconnect-with-the-peer-gone" ENOTCONN "$(path_try 0)"
check_equal "disconnect-with-the-peer-gone" OK "$(path_do 1 disconnect)"
check_equal "add_path-with-the-peer-gone" ECONNRESET "$(add_path 2)"
check "nothing-left-of-it" gone "$(clt_path 2)"
# Of the reconnect's attempts: a slow unloading may have cost all attempts once before. When they are used
# up nothing happens until somebody asks, though the server is back.
given_up() { dmesg | grep -F "$(path_name 0): " | tail -n 1 | grep -q "no attempts left after 3"; }
check "gives-up-after-three-attempts" wait_for 60 given_up
check "abi86-failed-attempts-are-counted" \
	test "$(cut -d' ' -f2 "$(clt_path 0)/stats/reconnects")" -ge 3
load_rnbd_server
check_fails "attempts-used-up" within 4 path_is 0 connected
check_equal "reconnect-revives-it" OK "$(path_up 0)"
check "open-again" wait_for 10 state_is "$disk" open
check "the-disconnected-one-stays-so" path_is 1 disconnected
sess_attr max_reconnect_attempts -1

test_start "the end"
check_equal "abi79-two-words-only" "connected disconnected" \
	"$(sort -u "$LAB_TMP/states" | paste -sd' ')"
check "unmap" rnbd_unmap "$disk"
check "nothing-left" wait_for 10 nothing_mapped
check "server-idle" wait_for 10 server_idle

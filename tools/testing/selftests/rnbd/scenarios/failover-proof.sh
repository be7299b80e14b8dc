#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=3 timeout=600 kernel=any debug=yes programs=held-disk
#
#	server: held-disk ===== three virtual cables, rxe at both ends ===== client: rnbd0
#
# Failover does not corrupt. An old write is stuck: in the server's disk, or received by the server
# and not looked at. Its path is cut, so that the server does not notice. Newer data are written to
# the same block as soon as the client lets one, and only then the old write goes on. The newer data
# must be there in the end. Each part runs once more with its safeguard switched off, and then the
# old data must win: else the part would prove nothing.
#
# The client tells the server what to do, one order at a time, by signals; see obey().
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

KNOBS=/sys/kernel/debug/rtrs_server
BLOCK=5 # all writes of the test go here

path_name() { echo "ip:$(addr_of 2 "$1" 1)@ip:$(addr_of 1 "$1" 2)"; }

# --- server -------------------------------------------------------------------------------------

srv_path() { echo "$RTRS_SRV/$RNBD_SESS/paths/$(path_name "$1")"; }

# One order; what it prints becomes part of the name of the answering signal.
obey() { # ORDER [ARG...]
	case $1 in
	hold)		held_disk_hold 1 ;;
	await-held)	wait_for 30 held_disk_holds 1 ;;
	held)		held_disk_held ;;
	release)	held_disk_release ;;
	content)	stamp_of "$disk" "$BLOCK" ;;
	await-content)	wait_for 30 stamp_is "$disk" "$BLOCK" "$2" >/dev/null && echo yes || echo no ;;
	cut)		link_cut "$2" ;;
	restore)	link_restore "$2" ;;
	knob)		echo "$3" >"$KNOBS/$2" ;;
	stall)		path_name "$2" >"$KNOBS/stall_path" ;;
	let_go)	echo >"$KNOBS/stall_path" ;;
	await-stalled)	wait_for 30 file_is "$KNOBS/stalled" "$2" ;;
	stalled)	cat "$KNOBS/stalled" ;;
	await-path)	wait_for 60 test -d "$(srv_path "$2")" ;;
	await-no-path)	wait_for 60 gone "$(srv_path "$2")" ;;
	has-path)	[ -d "$(srv_path "$2")" ] && echo yes || echo no ;;
	esac
}

server() {
	local n=0 answer
	local -a order=()
	disk=$(held_disk_up 16)
	modprobe rtrs_server heartbeat_interval_ms=60000 # does not notice a cut
	load_rnbd_server
	rxe_up
	check "knobs" test -d "$KNOBS"
	signal server-ready
	until [ "${order[2]:-}" = end ]; do
		n=$((n + 1))
		wait_for 200 heard "order:$n:*"
		IFS=: read -ra order <<<"$(heard "order:$n:*")"
		answer=$(obey "${order[@]:2}")
		signal "answer:$n:$answer"
	done
	check "server-idle" wait_for 10 server_idle
}

# --- client -------------------------------------------------------------------------------------

clt_path() { echo "$RTRS_CLT/$RNBD_SESS/paths/$(path_name "$1")"; }
path_is() { file_is "$(clt_path "$1")/state" "$2"; }
path_do() { errno_of write "$(clt_path "$1")/$2" 1; }
failed_over() { [ "$(cut -d' ' -f6 "$(clt_path 0)/stats/rdma")" -gt 0 ]; }

# tell ORDER [ARG...]: have the server do it, print what it answers.
echo 0 >"$LAB_TMP/orders"
tell() {
	local n answer
	n=$(($(<"$LAB_TMP/orders") + 1))
	echo $n >"$LAB_TMP/orders"
	answer=$*
	signal "order:$n:${answer// /:}"
	wait_for 100 heard "answer:$n:*" >/dev/null
	answer=$(heard "answer:$n:*")
	echo "${answer#"answer:$n:"}"
}

# put_bg TEXT: write it in the background; ends TEXT tells how, acknowledged is a condition.
put_bg() {
	local rc=0
	rm -f "$LAB_TMP/$1.rc"
	(stamp "/dev/$rnbd" "$BLOCK" "$1" || rc=$?
		echo $rc >"$LAB_TMP/$1.rc") 2>"$LAB_TMP/$1.err" &
}
ended() { [ -s "$LAB_TMP/$1.rc" ]; }
acknowledged() { file_is "$LAB_TMP/$1.rc" 0; }
put() { stamp "/dev/$rnbd" "$BLOCK" "$1"; }

cut_links() {
	local l
	for l; do
		tell cut "$l" >/dev/null
		link_cut "$l"
	done
}

restore_links() {
	local l
	for l; do
		tell restore "$l" >/dev/null
		link_restore "$l"
	done
}

# begin TITLE [KNOB...]: map with path 0 only connected, so that the next write takes it.
begin() {
	local knob
	test_start "$@"
	shift
	for knob; do
		tell knob "$knob" 1 >/dev/null
	done
	rnbd=$(rnbd_map device_path=/dev/nbd0 "path=$(path_name 0)" "path=$(path_name 1)")
	put before
	path_do 1 disconnect >/dev/null
	wait_for 30 path_is 1 disconnected
}

# finish [KNOB...]: back to nothing mapped, knobs off.
finish() {
	local knob
	rnbd_unmap "$rnbd" force
	wait_for 30 nothing_mapped
	for knob; do
		tell knob "$knob" 0 >/dev/null
	done
}

path_1_back() {
	path_do 1 reconnect >/dev/null
	wait_for 30 path_is 1 connected
}

# lose_path_0: the link is cut, and the client gives the path up. What was under way is sent again.
lose_path_0() {
	cut_links 0
	path_do 0 disconnect >/dev/null
	wait_for 60 failed_over
}

# --- (a) the old write is in the server's disk ------------------------------------------------------

stuck_in_disk() { # TEXT: a write that path 0 has brought and that does not end
	tell hold >/dev/null
	put_bg "$1"
	tell await-held >/dev/null
}

slot_fence() { # PREFIX [KNOB]
	local name=$1
	begin "$@"
	shift
	stuck_in_disk old
	path_1_back
	lose_path_0
	# Comes behind the repetition, on the same connection; so the server has looked at that.
	check "$name-other-block-passes" stamp "/dev/$rnbd" 9 marker
	if [ $# = 0 ]; then
		check_fails "$name-waits-for-the-old-copy" within 3 ended old
		tell release >/dev/null
		check "$name-acknowledged-then" wait_for 30 acknowledged old
		check "$name-newer" put new
	else
		check "$name-acknowledged-too-early" wait_for 30 acknowledged old
		check "$name-newer" put new
		check_equal "$name-newer-was-there" new "$(tell content)"
		tell release >/dev/null
	fi
	tell await-no-path 0 >/dev/null # which waits for the old copy
}

test_slot_fence() {
	slot_fence slot-fence
	check_equal "slot-fence-newer-data-stay" new "$(tell content)"
	restore_links 0
	finish
	slot_fence without-slot-fence no_slot_fence
	check_equal "without-slot-fence-old-data-win" old "$(tell content)"
	restore_links 0
	finish no_slot_fence
}

# --- (b) the old write was received, and not looked at ---------------------------------------------

path_fence() { # PREFIX [KNOB]
	local name=$1
	begin "$@"
	tell stall 0 >/dev/null
	put_bg old
	tell await-stalled 1 >/dev/null
	path_1_back
	lose_path_0
	check "$name-repetition-acknowledged" wait_for 30 acknowledged old
	check "$name-newer" put new
	check_equal "$name-newer-is-there" new "$(tell content)"
}

test_path_fence() {
	path_fence path-fence
	check_equal "path-fence-old-copy-is-gone" 0 "$(tell stalled)"
	tell let_go >/dev/null
	tell await-no-path 0 >/dev/null
	check_equal "path-fence-newer-data-stay" new "$(tell content)"
	restore_links 0
	finish

	path_fence without-path-fence no_path_fence
	check_equal "without-path-fence-old-copy-waits" 1 "$(tell stalled)"
	check_equal "without-path-fence-path-is-there" yes "$(tell has-path 0)"
	tell let_go >/dev/null
	check_equal "without-path-fence-old-data-win" yes "$(tell await-content old)"
	restore_links 0
	path_do 0 reconnect >/dev/null
	wait_for 60 path_is 0 connected
	finish no_path_fence
}

# --- (c), (d) all paths are lost with the old write in the server's disk -----------------------------

# come_back NAME KNOBS...: link 1 is all right again; the device must not open while the old write
# runs, unless KNOBS are set. Then newer data are written and stay, or not.
come_back() {
	local name=$1
	shift
	path_do 1 reconnect >/dev/null &
	if [ $# = 0 ]; then
		check_fails "$name-stays-closed" within 8 state_is "$rnbd" open
		check_equal "$name-old-copy-runs" 1 "$(tell held)"
		tell release >/dev/null
		check "$name-open-then" wait_for 60 state_is "$rnbd" open
		check "$name-newer" put new
	else
		check "$name-open-too-early" wait_for 60 state_is "$rnbd" open
		check "$name-newer" put new
		check_equal "$name-newer-was-there" new "$(tell content)"
		check_equal "$name-old-copy-runs" 1 "$(tell held)"
		tell release >/dev/null
	fi
}

lose_all() { # NAME
	path_do 1 disconnect >/dev/null
	path_do 0 disconnect >/dev/null
	check "$1-closed" wait_for 60 state_is "$rnbd" closed
	check "$1-write-ends" wait_for 60 ended old
	check_fails "$1-write-failed" acknowledged old
	check "$1-with-EIO" file_has "$LAB_TMP/old.err" "Input/output error"
}

# The links are cut: the server still believes in both paths.
all_cut() { # NAME [KNOB...]
	begin "$@"
	stuck_in_disk old
	path_1_back
	cut_links 0 1
	lose_all "$1"
	restore_links 0 1
	come_back "$@"
	path_do 0 reconnect >/dev/null
	check "$1-path-0-too" wait_for 60 path_is 0 connected
}

# The client has disconnected: the server closes both paths, and waits for the old write.
all_closed() { # NAME [KNOB...]
	tell knob no_path_fence 1 >/dev/null
	begin "$@"
	stuck_in_disk old
	path_1_back
	lose_all "$1"
	come_back "$@"
	tell await-no-path 0 >/dev/null
	tell knob no_path_fence 0 >/dev/null
}

test_all_paths() {
	all_cut all-cut
	check_equal "all-cut-newer-data-stay" new "$(tell content)"
	finish
	all_cut without-fence-all-cut no_path_fence
	check_equal "without-fence-all-cut-old-data-win" old "$(tell content)"
	finish no_path_fence

	all_closed all-closed
	check_equal "all-closed-newer-data-stay" new "$(tell content)"
	finish
	all_closed without-wait-all-closed no_new_path_wait
	check_equal "without-wait-all-closed-old-data-win" old "$(tell content)"
	finish no_new_path_wait
}

# --- (e) the old write times out on two paths of three ------------------------------------------------

paths_lost() { # HOW-MANY: condition
	local l lost=0
	for l in 0 1 2; do
		! path_is "$l" disconnected || lost=$((lost + 1))
	done
	[ "$lost" = "$1" ]
}

# A path that is connected all the time must not carry newer data while the old write can still run.
timed_out() { # NAME [KNOB]
	local name=$1
	begin "$@"
	shift
	errno_of write "$RTRS_CLT/$RNBD_SESS/add_path" "$(path_name 2)" >/dev/null
	path_do 2 disconnect >/dev/null
	wait_for 30 path_is 2 disconnected
	# twice that is how long the third path may take
	errno_of write "$RTRS_CLT/$RNBD_SESS/request_timeout_ms" \
		$((LAB_SLOW > 1 ? 16000 : 8000)) >/dev/null
	path_1_back
	path_do 2 reconnect >/dev/null
	check "$name-three-paths" wait_for 60 paths_lost 0
	stuck_in_disk old
	check "$name-two-are-given-up" wait_for 60 paths_lost 2
	if [ $# = 0 ]; then
		check_fails "$name-waits-for-the-old-copy" within 8 ended old
		check_equal "$name-old-copy-runs" 1 "$(tell held)"
		tell release >/dev/null
		check "$name-write-ends-then" wait_for 30 ended old
	else
		check "$name-write-ends-too-early" wait_for 30 ended old
		check_equal "$name-old-copy-runs" 1 "$(tell held)"
	fi
	check_fails "$name-write-failed" acknowledged old
	check "$name-with-ETIMEDOUT" file_has "$LAB_TMP/old.err" "Connection timed out"
	check "$name-newer" put new
	check_equal "$name-newer-was-there" new "$(tell content)"
	[ $# = 0 ] || tell release >/dev/null
	check "$name-paths-are-back" wait_for 60 paths_lost 0
}

test_timed_out() {
	timed_out timed-out
	check_equal "timed-out-newer-data-stay" new "$(tell content)"
	finish
	timed_out without-fence-timed-out no_path_fence
	check_equal "without-fence-timed-out-old-data-win" old "$(tell content)"
	finish no_path_fence
}

client() {
	modprobe rtrs_client request_timeout_ms=300000
	load_rnbd_client
	rxe_up
	await server-ready 60
	test_slot_fence
	test_path_fence
	test_all_paths
	test_timed_out
	tell end >/dev/null
}

"$LAB_ROLE"

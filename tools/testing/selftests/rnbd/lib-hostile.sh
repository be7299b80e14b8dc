#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A client against the hostile server of peer/server*.c: one fault at a time, and random damage.
# Sourced by a scenario behind lib-abi.sh and lib-path.sh.
#
#	THIN		run one fault of so many (1)
#	RECOVER		faults after which the recovery is waited for; "all"
#	FUZZ_SEED	for the random damage

THIN=${THIN:-1}
RECOVER=${RECOVER:-" answer-silence key-type batch-idle fence-errno-max fence-too-long "}

# server_up: start it; orders go to 7, answers come from 8. server_down: it ends with its input, and
# must before its RDMA devices can go.
server_up() {
	mkfifo "$LAB_TMP/orders" "$LAB_TMP/answers"
	trap '' PIPE # what a server that has died said last is worth more
	rnbd-peer server <"$LAB_TMP/orders" >"$LAB_TMP/answers" 2>&1 &
	hostile_pid=$!
	defer server_down
	exec 7>"$LAB_TMP/orders" 8<"$LAB_TMP/answers"
	answer
	[ "$reply" = ready ]
}

server_down() {
	exec 7>&- 8<&-
	wait "$hostile_pid"
}

# answer: the next line of the server is in $reply; ask WORD...: give an order.
answer() {
	while read -t 120 -r reply <&8; do
		[[ $reply == "#"* ]] || return 0
		echo "$reply"
	done
	echo "# the server is gone or says nothing"
	return 1
}
ask() {
	if ! echo "$*" >&7; then
		while read -r reply <&8; do echo "# the server: $reply"; done
		return 1
	fi
	answer
}

# use_mode ai|short|plain: what answers look like for the paths that connect from now on.
use_mode() {
	mode=$1
	ask mode "$mode"
}

# group NAME [own]: its faults for the present mode, in the array "faults": "NAME WANT" each.
group() {
	faults=()
	echo "list $*" >&7
	while answer && [ "$reply" != . ]; do
		faults+=("$reply")
	done
}

# map_errno LINK...: map over these, print the errno. read_errno, unmap_disk: of that disk.
map_errno() { errno_of write "$MAP_DEVICE" "$(map_text device_path=disk "$(path_args "$@")")"; }
read_errno() { errno_of pread /dev/rnbd0 0 4096 direct; }
unmap_disk() { errno-op write /sys/block/rnbd0/rnbd/unmap_device force >/dev/null; }

# works: condition; with an honest server a disk can be mapped, read and unmapped.
works() {
	ask honest
	[ "$(map_errno 0)" = OK ] && [ "$(read_errno)" = OK ] && unmap_disk && nothing_mapped
}

# verdict NAME WANT GOT: one result; the fault must have come to pass.
verdict() {
	ask fired 0
	if [[ $reply == "fired 0"* ]]; then
		test_fail "$1" "the server did not get to it; errno $3"
	elif [[ $3 =~ ^($2)$ ]]; then
		test_ok "$1"
	else
		test_fail "$1" "wanted $2, got $3"
	fi
}

# map_case NAME WANT: a mapping meets a fault, and leaves nothing.
map_case() {
	local got
	ask arm "$1"
	got=$(map_errno 0)
	if [ "$got" = OK ]; then
		unmap_disk
	fi
	nothing_mapped || got+=" and leaves something"
	verdict "$1-$mode" "$2" "$got"
}

# outcome MS: errno of a read, and " lost" if a path was lost by it within that time; why it was
# must be an errno, too.
outcome() {
	local got
	got=$(read_errno)
	ask left "$1"
	[[ $reply == *"left 0" ]] || got+=" lost"
	echo "$got$(cat "$RTRS_CLT/$RNBD_SESS"/paths/*/last_error |
		grep -vE '^(none|-E[0-9A-Z]+|-[0-9]+)$' || :)"
}

# recovered PATHS: condition; everything is as before.
recovered() { paths_are "$1" && state_is rnbd0 open && [ "$(read_errno)" = OK ]; }

# io_case NAME WANT LINK...: a read meets a fault, over one path or over two.
io_case() {
	local name=$1 want=$2 got ms=45000
	shift 2
	ask honest
	got=$(map_errno "$@")
	ask arm "$name"
	case $want-$# in
	lost-1 | silence-1) want="EIO lost" ;;
	lost-2 | silence-2) want="OK lost" ;;
	later-*) want="(OK|EIO) lost" ;;
	*" lost"-*) ;;
	*)	ms=0 ;;
	esac
	got=$(outcome "$ms")
	verdict "$name-$mode-$#" "$want" "$got"
	if [[ $RECOVER == *" $name "* || $RECOVER == all ]]; then
		check "$name-$mode-$#-recovers" wait_for 30 recovered $#
	fi
	unmap_disk
}

# heartbeat_case NAME WANT LINK: nobody reads, but the path is lost.
heartbeat_case() {
	map_errno "$3" >/dev/null
	sess_attr heartbeat_interval_ms 100
	sess_attr heartbeat_missed_max 2
	ask arm "$1"
	ask left 20000
	verdict "$1-$mode" "fired 1 left 1" "$reply"
	check "$1-$mode-recovers" wait_for 30 recovered 1
	unmap_disk
}

# reconnect_case NAME: one path of two meets a fault when it comes back; the other one goes on.
reconnect_case() {
	local got
	ask arm "$1"
	got="$(path_do 0 reconnect), $(paths_connected) left, $(read_errno)"
	verdict "$1-again" "ENOTCONN, 1 left, OK" "$got"
	ask honest
	check_equal "$1-again-then-honest" "OK 2" "$(path_try 0) $(paths_connected)"
}

# reopen_case NAME: the link comes back, but the device cannot be used until it is opened again.
reopen_case() {
	local got
	ask arm "$1"
	got=$(path_do 0 reconnect)
	ask fired 20000
	got+=" $(rnbd_attr rnbd0 state) $(read_errno)"
	verdict "$1-again" "OK closed EIO" "$got"
	ask honest
	got=$(errno_of write /sys/block/rnbd0/rnbd/remap_device 1)
	check_equal "$1-again-then-honest" "OK open OK" "$got $(rnbd_attr rnbd0 state) $(read_errno)"
}

# killed_case FAULT: who waits for a connection that does not come can be killed; the path is of use yet.
killed_case() {
	local waiter
	ask honest
	map_errno 0 >/dev/null
	ask arm "$1"
	errno-op write "$(clt_path 0)/reconnect" 1 >/dev/null 2>&1 &
	waiter=$!
	ask fired 20000
	check "$1-killed-waits" kill "$waiter"
	check "$1-killed-ends" wait_for 5 eval "! kill -0 $waiter"
	ask honest
	check_equal "$1-killed-disconnect" OK "$(path_do 0 disconnect)"
	check_equal "$1-killed-reconnect" OK "$(path_do 0 reconnect)"
	check "$1-killed-works" wait_for 10 recovered 1
	unmap_disk
}

# reject_case NAME WANT: of the three connections of a path the last one is rejected. The errno reaches
# who maps and who adds a path, at once, whatever the other connections do.
reject_case() {
	local start
	test_start "$1"
	ask arm "$1"
	start=$(now_ms)
	verdict "$1-map" "$2" "$(errno_of write "$MAP_DEVICE" "$(polled_text)")"
	check "$1-map-at-once" test "$(($(now_ms) - start))" -lt $((10000 * LAB_SLOW))
	check "$1-map-leaves-nothing" nothing_mapped
	ask honest
	check_equal "$1-map-then-honest" OK "$(errno_of write "$MAP_DEVICE" "$(polled_text)")"
	ask arm "$1"
	start=$(now_ms)
	verdict "$1-add_path" "$2" "$(add_path 1)"
	check "$1-add_path-at-once" test "$(($(now_ms) - start))" -lt $((10000 * LAB_SLOW))
	check_equal "$1-add_path-leaves-the-other" "$(path_name 0) OK" \
		"$(entries "$RTRS_CLT/$RNBD_SESS/paths") $(read_errno)"
	ask honest
	unmap_disk
}
polled_text() { map_text device_path=disk "$(path_args 0)" nr_poll_queues=1; }

# close_case NAME WANT LINK...: a path is lost with the CLOSE of a disk. Over another path it is sent
# again; without one there is no need to.
close_case() {
	local name=$1 want=$2 before got
	shift 2
	ask honest
	map_errno "$@" >/dev/null
	ask closes
	before=$reply
	ask arm "$name"
	got=$(errno_of write /sys/block/rnbd0/rnbd/unmap_device normal)
	ask closes
	# What is not answered in time is not sent again: the end of the session closes the disk. With a path
	# left the link work may be faster than that end, and have another CLOSE answered.
	if [ "$name-$#" = close-silence-2 ]; then
		verdict "$name-$#" OK "$got"
	else
		verdict "$name-$#" "OK, $(($# - 1)) answered" "$got, $((reply - before)) answered"
	fi
	check "$name-$#-leaves-nothing" nothing_mapped
	check "$name-$#-server-knows-nobody" wait_for 10 paths_at_server 0
}

# close_late_case NAME WANT: a CLOSE has no answer, and costs the link. As another disk keeps the session,
# the server is told again when the link is back.
close_late_case() {
	local a b before
	ask honest
	a=$(rnbd_map device_path=a "$(path_args 0)") b=$(rnbd_map device_path=b "$(path_args 0)")
	ask closes
	before=$reply
	ask arm "$1"
	verdict "$1" "$2" "$(errno_of write "/sys/block/$a/rnbd/unmap_device" normal)"
	ask honest
	check "$1-the-other-is-open" wait_for 20 state_is "$b" open
	check "$1-told-again" wait_for 10 closes_after "$before"
	rnbd_unmap "$b"
	check "$1-leaves-nothing" wait_for 10 nothing_mapped
}
closes_after() { ask closes && [ "$reply" -gt "$1" ]; } # condition: BEFORE

# given_up_case NAME WANT: no CLOSE has an answer. When the link is back the server is told once more,
# which costs that link too, and then no more: the other disk is to be of use.
given_up_case() {
	local a b
	ask honest
	a=$(rnbd_map device_path=a "$(path_args 0)") b=$(rnbd_map device_path=b "$(path_args 0)")
	ask arm "$1"
	check_equal "$1-unmap" OK "$(errno_of write "/sys/block/$a/rnbd/unmap_device" normal)"
	check "$1-is-given-up" wait_for 20 log_has "<a@$RNBD_SESS> may stay open on the server"
	check "$1-the-link-was-lost-twice" wait_for 20 losses_are 2
	check "$1-the-other-is-open" wait_for 20 state_is "$b" open
	check_fails "$1-and-no-more" within $((LAB_SLOW > 1 ? 8 : 5)) losses_are 3
	check_equal "$1-the-other-works" OK "$(errno_of pread "/dev/$b" 0 4096 direct)"
	ask fired 0
	verdict "$1" "$2" "$reply"
	rnbd_unmap "$b"
	check "$1-leaves-nothing" wait_for 10 nothing_mapped
}
losses_are() { ask left 0 && [[ $reply == *"left $1" ]]; } # condition

# silent_case NAME WANT: the link comes back, and what the client says first has no answer: it tries
# another link.
silent_case() {
	local got
	ask honest
	map_errno 0 >/dev/null
	ask arm "$1"
	got=$(path_do 0 reconnect)
	ask fired 20000
	verdict "$1" "$2" "$got"
	check "$1-the-link-was-lost" wait_for 20 losses_are 1
	check "$1-recovers" wait_for 20 recovered 1
	unmap_disk
}

# tear_down_case NAME WANT RESULT: a mapping meets the tear-down of its session, which goes on for as long
# as the server does not answer the disconnect.
tear_down_case() {
	local unmapper
	ask honest
	map_errno 0 >/dev/null
	ask arm "$1"
	errno_of write /sys/block/rnbd0/rnbd/unmap_device normal >"$LAB_TMP/unmap" &
	unmapper=$!
	ask fired 20000
	# no request is sent any more, and the paths are being closed
	check "$3-has-begun" wait_for 10 path_is 0 disconnected
	check "$3-goes-on" kill -0 "$unmapper"
	verdict "$3" "$2" "$(map_errno 0)"
	wait "$unmapper"
	check_equal "$3-unmap" OK "$(<"$LAB_TMP/unmap")"
	check_equal "$3-new-disk" OK "$(read_errno)"
	unmap_disk
}

# ids_case: while the link is down every disk gets the id that another one had. A disk keeps its data,
# and a write that was held meanwhile reaches its own disk.
ids_case() {
	local a b writer rc=0
	test_start "device ids that move"
	ask honest
	a=$(rnbd_map device_path=a "$(path_args 0)") b=$(rnbd_map device_path=b "$(path_args 0)")
	sess_attr hold_time_ms 60000
	stamp "/dev/$a" 3 "data of a"
	stamp "/dev/$b" 3 "data of b"
	check_equal "ids-disconnect" OK "$(path_do 0 disconnect)"
	ask shift
	printf '%-4096s' "held data of a" >"$LAB_TMP/held"
	dd "if=$LAB_TMP/held" "of=/dev/$a" bs=4096 seek=4 oflag=direct conv=notrunc status=none &
	writer=$!
	check "ids-a-write-is-held" wait_for 5 file_has "/proc/$writer/status" '^State:.D'
	check_equal "ids-reconnect" OK "$(path_do 0 reconnect)"
	wait "$writer" || rc=$?
	check_equal "ids-held-write" 0 "$rc"
	check "ids-open" wait_for 10 state_is "$b" open
	check_equal "ids-data" "data of a, data of b, held data of a, " \
		"$(stamp_of "/dev/$a" 3), $(stamp_of "/dev/$b" 3), $(stamp_of "/dev/$a" 4), $(stamp_of "/dev/$b" 4)"
	rnbd_unmap "$a"
	rnbd_unmap "$b"
}

# fuzz_round N: a session with a server of which many messages are damaged. Whatever happens to
# it, everything ends.
fuzz_round() {
	local paths=0
	[ $(($1 % 2)) = 0 ] || paths="0 1"
	use_mode "$(cut -d' ' -f$(($1 % 3 + 1)) <<<"ai short plain")"
	ask fuzz $((FUZZ_SEED + $1)) $(($1 % 4 * 12 + 6))
	# shellcheck disable=SC2086 # a list
	results+="$(map_errno $paths) "
	if [ -n "$(rnbd_disks)" ]; then
		read_errno >/dev/null
		errno_of pwrite /dev/rnbd0 0 8192 direct >/dev/null
		path_do 0 reconnect >/dev/null
		read_errno >/dev/null
		unmap_disk
	fi
	nothing_mapped || test_fail "fuzz-round-$1" "something is left"
}

# each CASE GROUP [own|"" [LINK...]]: run the faults of a group, all or only the mode's own; of THIN
# faults only the first.
each() {
	local how=$1 part=$2 fault n=0
	group "$part" "${3:-}"
	shift $(($# < 3 ? 2 : 3))
	echo "peer-server: $part" >/dev/kmsg
	for fault in "${faults[@]}"; do
		[ $((n++ % THIN)) = 0 ] || continue
		"$how" "${fault%% *}" "${fault#* }" "$@"
	done
	check "works-after-$part-$mode" works
	check "log-of-$part-$mode" log_is_short $((${#faults[@]} * 20 + 20))
	test_start "end of $part"
}

# log_is_short LINES: condition; not more lines since the last mark.
log_is_short() {
	local lines
	lines=$(dmesg | tac | sed '/peer-server: /q' | wc -l)
	echo "$lines lines"
	[ "$lines" -le "$1" ]
}

# session_cases: what else a session may meet.
session_cases() {
	each heartbeat_case heartbeat "" 0
	each reject_case reject
	each close_case close "" 0
	each close_case close "" 0 1
	each close_late_case close-late
	each given_up_case given-up
	each silent_case silent
	killed_case accept-silence
	ids_case
}

# again_cases [RECONNECT FAULT...] -- [REOPEN FAULT...]: sessions that come back.
again_cases() {
	test_start "coming back"
	use_mode ai
	map_errno 0 1 >/dev/null
	while [ "$1" != -- ]; do
		reconnect_case "$1"
		shift
	done
	shift
	unmap_disk
	map_errno 0 >/dev/null
	while [ $# -gt 0 ]; do
		reopen_case "$1"
		shift
	done
	unmap_disk
}

# fuzz MESSAGES: sessions until so many messages were damaged.
fuzz() {
	local n results=""
	test_start "random damage"
	: "${FUZZ_SEED:=$RANDOM}"
	note "FUZZ_SEED=$FUZZ_SEED"
	echo "peer-server: fuzz" >/dev/kmsg
	for ((n = 0; ; n++)); do
		fuzz_round "$n"
		ask fuzzed
		[ "$reply" -lt "$1" ] || break
	done
	note "$reply messages in $n sessions; map_device:" \
		"$(tr ' ' '\n' <<<"$results" | sort | uniq -c | xargs)"
	use_mode ai
	check "works-after-fuzz" works
	check "log-after-fuzz" log_is_short $((n * 30 + 60))
}

# hostile_up: links, the client, the server.
hostile_up() {
	rxe_up 2
	modprobe rtrs_client request_timeout_ms=$((LAB_SLOW > 1 ? 3000 : 1500)) reconnect_delay_ms=1000
	path_pairs_start
	load_rnbd_client
	server_up
}

# paths_at_server N: condition; so many are what the server knows of.
paths_at_server() { ask paths; [ "$reply" = "$1" ]; }

# hostile_end PATHS: what must be true at the end; the client had so many paths at least.
hostile_end() {
	ask honest
	check "server-knows-nobody" wait_for 10 paths_at_server 0
	check "no-line-that-alarms" log_is_calm
	check_path_pairs "all-paths-are-freed" "$1"
}

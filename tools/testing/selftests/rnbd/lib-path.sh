#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Paths of the session RNBD_SESS: names, states, statistics, actions. Sourced by a scenario
# behind lib-abi.sh.
#
# A path is named by its link (0, 1, ...), which stands for the IPv4 addresses of that link, or by
# the name of its directory. Guest 1 is the server unless LAB_SERVER says otherwise; the client
# is this guest, or the other one if this is the server (LAB_CLIENT tells which with three).

_server_n() { echo "${LAB_SERVER:-1}"; }
_client_n() {
	if [ "$LAB_GUESTS" = 1 ]; then
		echo 1
	elif [ "$LAB_N" = "$(_server_n)" ]; then
		echo "${LAB_CLIENT:-$((LAB_N == 1 ? 2 : 1))}"
	else
		echo "$LAB_N"
	fi
}

# client_addr LINK, server_addr_on LINK: addresses of both ends of that link.
client_addr() { addr_of "$(_client_n)" "$1" "$(_server_n)"; }
server_addr_on() { addr_of "$(_server_n)" "$1" "$(_client_n)"; }

# path_name PATH: name of its directory, the same on both ends.
path_name() {
	case $1 in
	*@*)	echo "$1" ;;
	*)	echo "ip:$(client_addr "$1")@ip:$(server_addr_on "$1")" ;;
	esac
}

# path_args PATH...: the path= options for map_device.
path_args() {
	local p text=
	for p; do
		text+=" path=$(path_name "$p")"
	done
	echo "${text# }"
}

# clt_path PATH, srv_path PATH: its directories.
clt_path() { echo "$RTRS_CLT/$RNBD_SESS/paths/$(path_name "$1")"; }
srv_path() { echo "$RTRS_SRV/$RNBD_SESS/paths/$(path_name "$1")"; }

# path_is PATH STATE: condition.
path_is() { [ "$(cat "$(clt_path "$1")/state")" = "$2" ]; }

# paths_connected: how many paths are connected; paths_are COUNT: condition.
paths_connected() { cat "$RTRS_CLT/$RNBD_SESS/paths/"*/state 2>/dev/null | grep -cx connected || :; }
paths_are() { [ "$(paths_connected)" = "$1" ]; }

# path_do PATH ACTION: write 1 to reconnect, disconnect or remove_path; prints OK or an errno.
path_do() { errno_of write "$(clt_path "$1")/$2" 1; }

# path_try PATH: "reconnect", and again as long as it meets an attempt that the client makes by itself.
path_try() {
	local err
	wait_for 10 _not_busy "$1" >/dev/null || :
	echo "$err"
}
_not_busy() { err=$(path_do "$1" reconnect) && [ "$err" != EBUSY ]; }

# path_up PATH: path_try; OK also if that attempt fails, as it does when the server still has the path
# from before, and one of those behind it succeeds.
path_up() {
	local err
	err=$(path_try "$1")
	if [ "$err" = ENOTCONN ] && wait_for 30 path_is "$1" connected >/dev/null; then
		err=OK
	fi
	echo "$err"
}

# add_path PATH: prints OK or an errno.
add_path() { errno_of write "$RTRS_CLT/$RNBD_SESS/add_path" "$(path_name "$1")"; }

# sess_attr NAME [VALUE]: show or set an attribute of the session on the client.
sess_attr() {
	if [ $# = 1 ]; then
		cat "$RTRS_CLT/$RNBD_SESS/$1"
	else
		errno-op write "$RTRS_CLT/$RNBD_SESS/$1" "$2" >/dev/null
	fi
}

# path_stat PATH FIELD: a number of the client's stats/rdma; srv_stat: of the server's.
path_stat() { _field "$(clt_path "$1")/stats/rdma" "$2"; }
srv_stat() { _field "$(srv_path "$1")/stats/rdma" "$2"; }

_field() { # FILE FIELD
	local reads read_bytes writes write_bytes inflight failover
	# shellcheck disable=SC2034 # one of them is wanted
	read -r reads read_bytes writes write_bytes inflight failover <"$1"
	echo "${!2}"
}

# reads_by DISK COUNT [FIO OPTION...]: COUNT reads of 4 KiB, one at a time, all on one CPU.
reads_by() { fio_run "/dev/$1" randread 4k 1 1 "$2" --cpus_allowed=0 "${@:3}"; }

# serve_disk: all that a server guest does: a disk, /dev/nullb0, and what the client orders.
serve_disk() {
	null_blk_up 64 >/dev/null
	modprobe rtrs_server sess_queue_depth=64
	load_rnbd_server
	rxe_up
	signal server-ready
	serve_orders 400
	check "server-idle" wait_for 20 server_idle
}

# --- load -----------------------------------------------------------------------------------------

# cut_by_server LINK: condition; the server has disconnected the path, and it has come back.
cut_by_server() {
	local before
	before=$(_reconnects "$1")
	[ "$(errno_of write "$(srv_path "$1")/disconnect" 1)" = OK ] &&
		wait_for 30 _came_back "$1" "$before"
}
_reconnects() { cut -d' ' -f1 "$(clt_path "$1")/stats/reconnects"; }
_came_back() { [ "$(_reconnects "$1")" -gt "$2" ] && path_is "$1" connected; }

# load_start DISK [FIO OPTION...]: in the background write and verify 200 requests again and again, until
# load_end.
load_start() {
	rm -f "$LAB_TMP/load.stop"
	_load "/dev/$1" "${@:2}" >"$LAB_TMP/load.out" 2>&1 &
	_load_pid=$!
}
_load() { # NODE [FIO OPTION...]
	local n=0
	until [ -e "$LAB_TMP/load.stop" ]; do
		fio_verify "$1" randwrite 4k-32k 16 1 200 "${@:2}" || return 1
		n=$((n + 1))
	done
	echo "$n times 200 requests"
}

# load_runs: condition; it has not failed so far.
load_runs() { kill -0 "$_load_pid" || { cat "$LAB_TMP/load.out" && return 1; }; }

# load_end NAME: end it; one result, ok if no request failed and all data was right.
load_end() {
	local rc=0
	: >"$LAB_TMP/load.stop"
	wait "$_load_pid" || rc=$?
	_quote "$(<"$LAB_TMP/load.out")"
	check_equal "$1" 0 "$rc"
}

# reader_start DISK: in the background read 4 KiB again and again, one request at a time.
reader_start() {
	rm -f "$LAB_TMP/reader.stop"
	_reader "/dev/$1" >"$LAB_TMP/reader.out" 2>&1 &
	_reader_pid=$!
}
_reader() {
	local start result
	until [ -e "$LAB_TMP/reader.stop" ]; do
		start=$(now_ms)
		result=$(errno_of pread "$1" 0 4096 direct)
		echo "$(($(now_ms) - start)) $result"
	done
}

# reader_end: end it. reader_longest: milliseconds of the longest read. reader_failed: how many failed.
reader_end() {
	: >"$LAB_TMP/reader.stop"
	wait "$_reader_pid"
}
reader_longest() { sort -n "$LAB_TMP/reader.out" | tail -n 1 | cut -d' ' -f1; }
reader_failed() { grep -cv ' OK$' "$LAB_TMP/reader.out" || :; }

# since MS: milliseconds that have passed since then.
since() { echo $(($(now_ms) - $1)); }

# session_gone: condition; nothing of the session RNBD_SESS is left at either end, whoever unmaps.
session_gone() { gone "$RTRS_CLT/$RNBD_SESS" && gone "$RTRS_SRV/$RNBD_SESS"; }

# --- pairs ----------------------------------------------------------------------------------------
# The client tells of every path object that it creates and frees. Recording is left out where
# there is more than one CPU (see smp= in lab/scenario.py).

_PAIRS=/sys/kernel/tracing/instances/rnbd-pairs

# path_pairs_start: begin to record; behind the load of rtrs_client, before the first path. Once more
# after the module was loaded again: what was recorded went with the old one.
path_pairs_start() {
	local event
	[ "$(nproc)" = 1 ] || return 0
	[ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing
	if [ ! -d "$_PAIRS" ]; then
		mkdir "$_PAIRS"
		defer rmdir "$_PAIRS"
	fi
	for event in rtrs_clt_path_created rtrs_clt_path_freed; do
		echo 1 >"$_PAIRS/events/rtrs_clt/$event/enable"
	done
}

_pairs() { grep -c "rtrs_clt_path_$1:" "$_PAIRS/trace" || :; }
_paired() { [ "$(_pairs created)" = "$(_pairs freed)" ]; }

# check_path_pairs NAME LEAST: one result; ok if all paths that were created have been freed, and
# there were LEAST of them. When nothing is mapped, before rtrs_client is unloaded.
check_path_pairs() {
	if [ "$(nproc)" != 1 ]; then
		test_skip "$1" "trace events only with one CPU"
	elif ! wait_for 10 _paired || [ "$(_pairs created)" -lt "$2" ] ||
		grep -q LOST "$_PAIRS/trace"; then
		test_fail "$1" "$(_pairs created) created, $(_pairs freed) freed"
	else
		note "$(_pairs created) path objects"
		test_ok "$1"
	fi
}

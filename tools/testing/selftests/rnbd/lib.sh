#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Helpers for scenarios: results (KTAP), waiting, errno checks, cleanup. Sourcing this file also
# brings in lib-net.sh (links, Soft-RoCE, signals between guests), lib-rnbd.sh (modules, map,
# unmap) and lib-backing.sh (disks to export, fio).
#
# A scenario is a bash script in scenarios/ that begins
#
#	# lab: guests=1 timeout=60 kernel=any
#	. "${0%/*}/../lib.sh"
#
# and then just acts: any command that fails unexpectedly ends it as failed, with the line
# named. Results come from `check`, `check_fails`, `expect_errno`, `test_ok` and their like.
# Deferred cleanup and the unloading of the modules run at the end in any case. The exit status
# is 0 (all passed), 1 (something failed) or 4 (nothing but skips), as kselftest wants it.
#
# In the lab these are set; on a real machine they have the values of a lone guest:
#	LAB_ROLE	this guest's role (roles= in the header; default "solo")
#	LAB_N		its number from 1, LAB_GUESTS their count
#	LAB_BOOT	how often this guest was started, itself included (guest_reboot)
#	LAB_TMP		scratch directory (tmpfs in the lab), removed at the end
#	LAB_KERNEL	the kernel asked for: 6.12, 6.1, uml, ...; "host" outside the lab
#	LAB_SLOW	how many times slower it is than usual, 1 or more; bounds of waits follow

set -eEu

RNBD_TESTS=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
LAB_ROLE=${LAB_ROLE:-solo}
LAB_N=${LAB_N:-1}
LAB_GUESTS=${LAB_GUESTS:-1}
LAB_KERNEL=${LAB_KERNEL:-host}
LAB_BOOT=${LAB_BOOT:-1}
LAB_SLOW=${LAB_SLOW:-1}
LAB_CTL=${LAB_CTL:-}
LAB_TMP=$(mktemp -d "${TMPDIR:-/tmp}/rnbd-test.XXXXXX")
export LAB_ROLE LAB_N LAB_GUESTS LAB_KERNEL LAB_BOOT LAB_SLOW LAB_TMP
export PATH=$RNBD_TESTS/bin:$PATH:/usr/sbin:/sbin

# --- results ------------------------------------------------------------------------------------
# Counters live in files, so that results reported from subshells count too.

echo 0 >"$LAB_TMP/.tests"
echo 0 >"$LAB_TMP/.failed"
echo 0 >"$LAB_TMP/.skipped"

_bump() {
	local n
	n=$(<"$LAB_TMP/.$1")
	echo $((n + 1)) >"$LAB_TMP/.$1"
}

# note TEXT...: a diagnostic line.
note() { echo "# $*"; }

# test_start TEXT...: say what comes next; makes logs readable, has no other effect.
test_start() { echo "# --- $* [$(cut -d' ' -f1 /proc/uptime)]"; }

# test_ok NAME / test_fail NAME [WHY...] / test_skip NAME WHY...: report one result.
test_ok() {
	_bump tests
	echo "ok $(<"$LAB_TMP/.tests") $1"
}

test_fail() {
	_bump tests
	_bump failed
	[ $# -lt 2 ] || note "${@:2}"
	echo "not ok $(<"$LAB_TMP/.tests") $1"
}

test_skip() {
	_bump tests
	_bump skipped
	echo "ok $(<"$LAB_TMP/.tests") $1 # SKIP ${*:2}"
}

# skip_all WHY...: end the scenario as skipped.
skip_all() {
	test_skip "${0##*/}" "$@"
	exit 0
}

_quote() { # OUTPUT: as diagnostics
	[ -z "$1" ] || echo "# ${1//$'\n'/$'\n'# }"
}

# check NAME CMD...: one result; ok if CMD succeeds. The scenario goes on either way. CMD runs in
# a subshell: what it assigns is lost.
check() {
	local name=$1 out err=0
	shift
	out=$("$@" 2>&1) || err=$?
	_quote "$out"
	if [ $err = 0 ]; then
		test_ok "$name"
	else
		test_fail "$name" "status $err of: $*"
	fi
}

# check_fails NAME CMD...: ok if CMD fails.
check_fails() {
	local name=$1 out err=0
	shift
	out=$("$@" 2>&1) || err=$?
	_quote "$out"
	if [ $err = 0 ]; then
		test_fail "$name" "succeeded: $*"
	else
		test_ok "$name"
	fi
}

# check_equal NAME WANT GOT: ok if both texts are the same.
check_equal() {
	if [ "$2" = "$3" ]; then
		test_ok "$1"
	else
		test_fail "$1" "wanted '$2', got '$3'"
	fi
}

# check_match NAME REGEX TEXT: ok if TEXT matches the extended regular expression.
check_match() {
	if [[ $3 =~ $2 ]]; then
		test_ok "$1"
	else
		test_fail "$1" "'$3' does not match '$2'"
	fi
}

# require NAME CMD...: like check, but a failure ends the scenario.
require() {
	local before
	before=$(<"$LAB_TMP/.failed")
	check "$@"
	[ "$before" = "$(<"$LAB_TMP/.failed")" ] || exit 1
}

# --- errno --------------------------------------------------------------------------------------
# errno-op is a small static program that makes exactly one system call after the open and prints
# "OK" or the name of the errno. Operations (see errno-op.c):
#	write FILE TEXT		one write(2) of TEXT without a newline, as the rnbd tool writes
#	echo FILE TEXT		one write(2) of TEXT and a newline, as a shell user writes
#	open FILE r|w|rw	open(2) only
#	read FILE		one read(2)
#	poll FILE SECONDS	read(2), a line on stderr, poll(2) for a change; ETIMEDOUT if none
#	pread|pwrite FILE OFFSET LENGTH [direct]
#				one pread(2) or pwrite(2) of LENGTH bytes (zeros)

# errno_of OP ARGS...: print OK or the errno name; always succeeds.
errno_of() { errno-op "$@" || :; }

# expect_errno NAME OP ARGS...: one result; ok if the operation ends in errno NAME (or "OK").
expect_errno() {
	local want=$1 got
	shift
	got=$(errno_of "$@")
	check_equal "$want from: $*" "$want" "$got"
}

# fails_at_once ERRNO OP ARGS...: condition; the operation ends in that errno each time, and within a
# second one of five times: the machine may stall for longer.
fails_at_once() {
	local want=$1 start n
	shift
	for ((n = 0; n < 5; n++)); do
		start=$(now_ms)
		[ "$(errno_of "$@")" = "$want" ] || return 1
		[ $(($(now_ms) - start)) -ge $((1000 * LAB_SLOW)) ] || return 0
	done
	return 1
}

# --- waiting ------------------------------------------------------------------------------------

# now_ms: milliseconds of a monotonic clock.
now_ms() {
	local up
	read -r up _ </proc/uptime
	up=${up/./}
	echo "$((10#$up * 10))"
}

# wait_for SECONDS CMD...: poll until CMD succeeds; fails after SECONDS, not without a look behind that.
wait_for() {
	local limit=$(($1 * LAB_SLOW)) end last
	shift
	end=$(($(now_ms) + limit * 1000))
	while :; do
		last=$(($(now_ms) >= end))
		! "$@" >/dev/null 2>&1 || return 0
		if [ $last = 1 ]; then
			note "not within $limit s: $*"
			return 1
		fi
		sleep 0.1
	done
}

# within SECONDS CMD...: wait_for by the clock, however slow the machine is: for what must not happen.
within() {
	local LAB_SLOW=1
	wait_for "$@"
}

# file_is FILE TEXT, file_has FILE REGEX, gone PATH: conditions for wait_for and check.
file_is() { [ "$(cat "$1")" = "$2" ]; }
file_has() { grep -qE -- "$2" "$1"; }
gone() { [ ! -e "$1" ]; }

# settle: let udev (if any runs here) finish with new block devices, so that it holds none open.
settle() {
	if [ -S /run/udev/control ]; then
		udevadm settle -t 10 || :
	fi
}

# --- cleanup ------------------------------------------------------------------------------------

# Kept in files, so that functions called as $(...) can add to them: "defer" runs before the
# modules are unloaded, "undo" after.
: >"$LAB_TMP/.defer"
: >"$LAB_TMP/.undo"

# defer CMD...: run CMD at the end, last in first out; its failure is noted, not counted.
defer() { printf '%q ' "$@" >>"$LAB_TMP/.defer"; echo >>"$LAB_TMP/.defer"; }
_undo_later() { printf '%q ' "$@" >>"$LAB_TMP/.undo"; echo >>"$LAB_TMP/.undo"; }

_run_list() { # FILE
	local cmd
	while read -r cmd <&3; do
		[ -n "$cmd" ] || continue
		eval "$cmd" >/dev/null 2>&1 || note "cleanup failed: $cmd"
	done 3< <(tac "$1")
	: >"$1"
}

_on_err() {
	local rc=$? line=$1 cmd=$2
	# subshells report too, each level on its way up: count only the outermost
	[ "$BASH_SUBSHELL" = 0 ] || return "$rc"
	test_fail "scenario-runs" "line $line of ${BASH_SOURCE[1]##*/}: status $rc: $cmd"
	_err_reported=1
}

# A debug kernel (DEBUG_KOBJECT_RELEASE) calls release functions up to four seconds late: those that
# are in the code or the data of a module that is gone betray themselves then.
_releases_are_late() { [ "$LAB_KERNEL" = kasan ]; }

# await_releases DEPTH: what was put before has been released, and so has what DEPTH such objects hold
# one behind the other.
await_releases() { if _releases_are_late; then sleep $((4 * $1 + 1)); fi; }

_on_exit() {
	local rc=$? tests failed skipped
	trap - ERR
	set +e
	if [ "$rc" != 0 ] && [ "$(<"$LAB_TMP/.failed")" = 0 ] && [ -z "${_err_reported:-}" ]; then
		test_fail "scenario-runs" "exit status $rc"
	fi
	_run_list "$LAB_TMP/.defer"
	unload_all >/dev/null || test_fail "modules-unload" "$(lsmod | grep -E '^(rnbd|rtrs)_')"
	_run_list "$LAB_TMP/.undo"
	_net_down
	await_releases 1
	tests=$(<"$LAB_TMP/.tests") failed=$(<"$LAB_TMP/.failed")
	skipped=$(<"$LAB_TMP/.skipped")
	cd /
	rm -rf "$LAB_TMP"
	echo "1..$tests"
	echo "# totals: pass:$((tests - failed - skipped)) fail:$failed skip:$skipped"
	[ "$failed" = 0 ] || exit 1
	[ "$tests" -gt 0 ] || exit 1
	[ "$tests" -gt "$skipped" ] || exit 4
	exit 0
}

# shellcheck source=lib-net.sh
. "$RNBD_TESTS/lib-net.sh"
# shellcheck source=lib-rnbd.sh
. "$RNBD_TESTS/lib-rnbd.sh"
# shellcheck source=lib-backing.sh
. "$RNBD_TESTS/lib-backing.sh"

trap '_on_err "$LINENO" "$BASH_COMMAND"' ERR
trap _on_exit EXIT
trap 'exit 143' TERM INT

echo "KTAP version 1"
note "${0##*/} as $LAB_ROLE on $(uname -r)"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Allocations that fail, one after the other. Sourced by a scenario behind lib-abi.sh. Needs a
# kernel with the failslab and fail_page_alloc knobs and their stack filter: uml, uml-kasan, kasan.
#
# /proc/<task>/fail-nth reaches one task only, and half of our work is done by work items. The
# knobs in debugfs reach every task: an allocation counts if a function of ours is on its stack.
# They have no knob "the Nth from now", but "every interval-th since boot", so the scenario keeps
# count: after C allocations an interval of C + N hits the Nth, and times=1 makes it the only one.

FAULT_KINDS="failslab fail_page_alloc"
_fault_dir=/sys/kernel/debug
declare -A _fault_count
_fault_kind=

# fault_available: condition.
fault_available() {
	[ -e "$_fault_dir/failslab/require-start" ] && [ -e "$_fault_dir/fail_page_alloc/times" ]
}

# Without a new process: there are thousands of failures to set.
_fault_set() { echo "$2" >"$_fault_dir/$_fault_kind/$1"; }

# fault_up: make both knobs fit for use, once since boot; they stay off until fault_arm.
fault_up() {
	echo 0 >"$_fault_dir/fail_page_alloc/min-order"
	echo N >"$_fault_dir/fail_page_alloc/ignore-gfp-highmem"
	for _fault_kind in $FAULT_KINDS; do
		_fault_set probability 0
		_fault_set verbose "${FAULT_VERBOSE:-0}"
		_fault_set ignore-gfp-wait N
		_fault_set stacktrace-depth 32
		# an interval of 1 would not count
		_fault_count[$_fault_kind]=0
		fault_in 0 18446744073709551615
		fault_arm "$_fault_kind" 2 Y
		_fault_use_up
		_fault_count[$_fault_kind]=2
	done
}

# fault_in START END: what counts has a return address between the two on its stack.
fault_in() { _fault_start=$1 _fault_end=$2; }

# text_of NAME: "START END NAME" of the code of that function of the kernel, whose symbols come in the
# order of their addresses, several for one address among them; fails if it has none of that name.
text_of() {
	awk -v name="$1" '
		start && $1 != start { print "0x" start, "0x" $1, name; exit }
		$3 == name { start = $1 }
		END { exit !start }' /proc/kallsyms
}

# our_text: "START END NAME..." of the code of our modules, one line for those that lie side by side.
our_text() {
	grep -i ' t .*\[' /proc/kallsyms | sort | awk '
		function finish() {
			# the code ends with the page of its last function
			if (names)
				printf "0x%s 0x%s%s\n", start, last, names
			names = ""
		}
		{ module = substr($NF, 2, length($NF) - 2) }
		module !~ /^(rtrs|rnbd)_/ { finish(); next }
		!names { start = $1; before = "" }
		{ last = $1; sub(/...$/, "fff", last) }
		module != before { names = names " " module; before = module }
		END { finish() }'
}

# fault_arm KIND N [Y]: the Nth allocation from now fails, once. Y: only tasks with make-it-fail.
fault_arm() {
	_fault_kind=$1 _fault_goal=$((_fault_count[$1] + $2))
	_fault_set require-start "$_fault_start"
	_fault_set require-end "$_fault_end"
	_fault_set interval "$_fault_goal"
	_fault_set times 1
	_fault_set task-filter "${3:-N}"
	_fault_set probability 100
}

_fault_fired() {
	local times
	read -r times <"$_fault_dir/$_fault_kind/times" && [ "$times" = 0 ]
}

# fault_disarm: no allocation fails any more; succeeds if one has failed since fault_arm.
fault_disarm() {
	local fired=0
	_fault_set probability 0
	_fault_fired || fired=1
	[ "$fired" = 0 ] || _fault_use_up
	_fault_count[$_fault_kind]=$_fault_goal
	return "$fired"
}

# Fewer allocations came than were counted on, and nobody knows how many: have a task of no
# importance make the others, so that the count is known again. A here-string is a pipe with one
# page of text. Not a fork: one that fails halfway ends a UML kernel (its flush_tlb_mm() takes
# the mark XA_ZERO_ENTRY that dup_mmap() leaves for an area).
_fault_use_up() {
	_fault_set task-filter Y
	_fault_set require-start 0
	_fault_set require-end 18446744073709551615
	_fault_set probability 100
	until _fault_fired; do
		(
			echo 1 >/proc/self/make-it-fail
			for ((n = 0; n < 20; n++)); do
				_fault_fired || read -r _ <<<"text"
			done
		) >/dev/null 2>&1 || :
	done
	_fault_set probability 0
	_fault_set task-filter N
}

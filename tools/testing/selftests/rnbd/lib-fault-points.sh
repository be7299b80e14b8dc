#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The fault points of a debugging build (rtrs/rtrs-fault.c). Sourced by a scenario behind lib.sh; its
# header has debug=yes. The kernel must have fault injection in debugfs: then $FAULTS exists.

FAULTS=/sys/kernel/debug/rtrs_fault

# fault NAME TIMES: it happens from now on, so many times (-1: always). fault_left NAME: how many are left.
fault() {
	echo 0 >"$FAULTS/$1/verbose"
	echo "$2" >"$FAULTS/$1/times"
	echo 100 >"$FAULTS/$1/probability"
}
fault_left() { cat "$FAULTS/$1/times"; }
all_happened() { [ "$(fault_left "$1")" = 0 ]; } # condition
fault_end() { echo 0 >"$FAULTS/$1/probability"; }

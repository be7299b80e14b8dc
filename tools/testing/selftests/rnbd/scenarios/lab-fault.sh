#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=60 kernel=uml modules=no
#
# Proves the failing allocations of lib-fault.sh: the one that is named fails and no other, and a
# failure that met nobody is used up without harm. Uses none of the project's modules.
. "${0%/*}/../lib.sh"
. "$RNBD_TESTS/lib-fault.sh"

fault_available || skip_all "this kernel has no knobs for failing allocations"

# What is counted is kept by the shell that arms and disarms: nothing here in a subshell.

# the search ends at another allocation of the task that uses the failure up each time
use_up_each() { # KIND: sets met, how many met somebody
	local n
	met=0
	fault_in 1 2
	for ((n = 1; n <= 30; n++)); do
		fault_arm "$1" "$n"
		! fault_disarm || met=$((met + 1))
	done
}

# the first allocation of a change of directory fails, the second, and so on until there are no more
one_after_the_other() { # sets count to how many there are
	# shellcheck disable=SC2046 # two numbers and a name
	fault_in $(text_of sys_chdir)
	for ((count = 0; count < 10; count++)); do
		fault_arm failslab "$((count + 1))"
		cd /proc 2>/dev/null || note "allocation $((count + 1)) is needed"
		fault_disarm || break
	done
}

fault_up
test_start "failures that nobody met"
for kind in $FAULT_KINDS; do
	use_up_each "$kind"
	check_equal "$kind" 0 "$met"
done

test_start "one after the other"
one_after_the_other
first=$count
check "some" [ "$first" -gt 0 ]
check "not without end" [ "$first" -lt 10 ]
for round in 2 3 4; do
	one_after_the_other
	check_equal "as many in round $round" "$first" "$count"
done

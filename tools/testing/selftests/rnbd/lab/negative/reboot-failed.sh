#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=90 smp=1 modules=no
# expect: solo: not ok one is two
#
# A failure in the first life counts.
. "${0%/*}/../lib.sh"
if [ "$LAB_BOOT" = 1 ]; then
	check_equal "one is two" 1 2
	guest_reboot "$LAB_ROLE"
	sleep 60
fi
test_ok "the second life is content"

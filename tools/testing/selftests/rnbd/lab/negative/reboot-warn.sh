#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=90 smp=1 modules=no
# expect: solo: kernel: .*WARNING: made for this test
#
# The kernel log of the first life counts.
. "${0%/*}/../lib.sh"
if [ "$LAB_BOOT" = 1 ]; then
	echo "WARNING: made for this test" >/dev/kmsg
	wait_for 10 eval 'dmesg | grep "made for this test"'
	# the console is slower than the channel
	sleep 1
	guest_reboot "$LAB_ROLE"
	sleep 60
fi
test_ok "the second life is content"

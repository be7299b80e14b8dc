#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=90 smp=1 modules=no
# expect: (kernel: .*Kernel panic|no end mark)
#
# A crash in the second life is a crash.
. "${0%/*}/../lib.sh"
test_ok "so far"
if [ "$LAB_BOOT" = 1 ]; then
	guest_reboot "$LAB_ROLE"
	sleep 60
fi
echo c >/proc/sysrq-trigger

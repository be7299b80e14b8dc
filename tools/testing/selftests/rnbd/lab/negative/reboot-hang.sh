#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=25 smp=1 modules=no
# expect: not finished after
#
# A hang in the second life is a hang.
. "${0%/*}/../lib.sh"
test_ok "so far"
if [ "$LAB_BOOT" = 1 ]; then
	guest_reboot "$LAB_ROLE"
fi
sleep 1000

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=60 smp=1 modules=no
# expect: (kernel: .*Kernel panic|no end mark)
. "${0%/*}/../lib.sh"
test_ok "so far"
sync
echo c >/proc/sysrq-trigger

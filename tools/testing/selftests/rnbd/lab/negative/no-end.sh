#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=60 smp=1 modules=no
# expect: no end mark
. "${0%/*}/../lib.sh"
test_ok "a machine that switches itself off has not passed"
busybox poweroff -f
sleep 10

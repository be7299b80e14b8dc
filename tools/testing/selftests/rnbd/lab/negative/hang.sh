#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=15 smp=1 modules=no
# expect: not finished after
. "${0%/*}/../lib.sh"
test_ok "before the hang"
sleep 1000

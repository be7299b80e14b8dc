#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=60 smp=1 modules=no
# expect: not ok one is two \(wanted '1', got '2'\)$
. "${0%/*}/../lib.sh"
test_ok "a good one"
check_equal "one is two" 1 2

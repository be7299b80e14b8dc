#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=60 smp=1 modules=no
# expect: not ok scenario-runs
. "${0%/*}/../lib.sh"
test_ok "before the command that fails"
cat /does/not/exist
test_ok "never reached"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=60 smp=1 modules=no
# expect: kernel: .*WARNING: made for this test
. "${0%/*}/../lib.sh"
echo "WARNING: made for this test" >/dev/kmsg
test_ok "the scenario itself is content"

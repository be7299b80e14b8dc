#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=90 smp=1 modules=no
# expect: nobody: is not there to be killed
. "${0%/*}/../lib.sh"
guest_kill nobody
test_ok "everything else is well"

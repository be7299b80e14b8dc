#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=60 smp=1 kernel=uml-kasan,kasan
# expect: kernel: .*ODEBUG: free active
#
# A timer that still runs when its memory is freed.
. "${0%/*}/../lib.sh"
check "the module loads" modprobe lab_defects what=free-active
check "and goes" rmmod lab_defects

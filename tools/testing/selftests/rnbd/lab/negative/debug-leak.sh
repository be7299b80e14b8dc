#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=60 smp=1 kernel=uml-kasan,kasan
# expect: left in the kernel: kmemleak reports
#
# Memory that nobody points to is noticed at the end of a run.
. "${0%/*}/../lib.sh"
check "the module loads" modprobe lab_defects what=leak
check "and goes" rmmod lab_defects

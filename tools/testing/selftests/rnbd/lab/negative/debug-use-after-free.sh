#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=60 smp=1 kernel=uml-kasan,kasan
# expect: kernel: .*KASAN: .*use-after-free
#
# A look at memory that was freed.
. "${0%/*}/../lib.sh"
check "the module loads" modprobe lab_defects what=use-after-free
check "and goes" rmmod lab_defects

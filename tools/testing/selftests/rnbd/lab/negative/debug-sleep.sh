#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=60 smp=1 kernel=uml-kasan,kasan
# expect: kernel: .*sleeping function called
#
# Sleeping while a spinlock is held.
. "${0%/*}/../lib.sh"
check "the module loads" modprobe lab_defects what=sleep
check "and goes" rmmod lab_defects

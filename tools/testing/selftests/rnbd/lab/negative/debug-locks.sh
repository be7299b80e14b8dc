#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=60 smp=1 kernel=uml-kasan,kasan
# expect: kernel: .*possible circular locking
#
# Two locks taken in both orders.
. "${0%/*}/../lib.sh"
check "the module loads" modprobe lab_defects what=locks
check "and goes" rmmod lab_defects

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=90 smp=1
# expect: left in the kernel: module rtrs_core is loaded
#
# The lab gives this one a module of that name that cannot be unloaded (stuck-module.c).
. "${0%/*}/../lib.sh"
check "the module loads" modprobe rtrs_core

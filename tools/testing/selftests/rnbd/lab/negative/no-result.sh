#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=60 smp=1 modules=no
# expect: no result was reported
. "${0%/*}/../lib.sh"
note "nothing is tested here"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=3600 kernel=uml mem=2G tier=deep allow=Call.Trace:|kobject_add_internal.failed.*-12
#
# Every allocation that a path makes which comes back fails once: by a hand and by itself, which takes
# seconds each (lib-fail-nth.sh).
. "${0%/*}/../lib.sh"
FAIL_WALKS=${FAIL_WALKS:-reconnect recover}
. "${0%/*}/../lib-fail-nth.sh"

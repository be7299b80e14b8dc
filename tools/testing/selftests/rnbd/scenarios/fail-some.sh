#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=240 kernel=uml mem=2G allow=Call.Trace:|kobject_add_internal.failed.*-12
#
# The same as fail-nth for every day: one allocation in 17, and no walks that wait for pauses between
# attempts to connect.
. "${0%/*}/../lib.sh"
: "${FAIL_STEP:=17}"
: "${FAIL_WALKS:=load map io resize more remap add_path unmap unload}"
. "${0%/*}/../lib-fail-nth.sh"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=1800 kernel=uml mem=2G tier=full allow=Call.Trace:|kobject_add_internal.failed.*-12
#
# Every allocation that mapping, a new path, loading and so on make fails once (lib-fail-nth.sh).
. "${0%/*}/../lib.sh"
FAIL_WALKS=${FAIL_WALKS:-load map io resize more remap add_path unmap unload}
. "${0%/*}/../lib-fail-nth.sh"

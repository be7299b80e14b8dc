#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=240 kernel=uml programs=rnbd-peer
#
# A server in user space that is hostile when told (peer/server*.c) against the client: what a user
# sees of a fault, and what works as soon as the server behaves; then random damage. Of the modules
# only those of the client are loaded. All faults are in peer-server-all.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"
. "${0%/*}/../lib-hostile.sh"

command -v rnbd-peer >/dev/null || skip_all "rnbd-peer is not built"
hostile_up

use_mode ai
test_start "mapping"
for part in accept info sess-info open; do
	THIN=5 each map_case "$part"
done
test_start "requests"
THIN=3 each io_case answer "" 0
use_mode short
each io_case answer own 0 1
THIN=2 each io_case fence "" 0 1
session_cases
each tear_down_case tear-down "" abi31-map-during-tear-down
again_cases accept-depth-unlike-info -- open-block-0
fuzz "${FUZZ:-20}"
hostile_end 60

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=900 kernel=uml programs=rnbd-peer tier=full
#
# The hostile server of peer-server: every fault in every mode of answers where it differs, over one
# path and over two, and more random damage.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"
. "${0%/*}/../lib-hostile.sh"

command -v rnbd-peer >/dev/null || skip_all "rnbd-peer is not built"
hostile_up

# What does not depend on the mode is done in one of them.
own=""
for mode in ai plain; do
	test_start "mapping, $mode"
	use_mode "$mode"
	for part in accept info sess-info open; do
		each map_case "$part" "$own"
	done
	own=own
done

own=""
for mode in ai plain short; do
	test_start "requests, $mode"
	use_mode "$mode"
	each io_case answer "$own" 0
	own=own
done
each io_case answer "" 0 1
each io_case fence "" 0 1
use_mode ai
each map_case slow-map
each io_case slow-fence "" 0 1
session_cases
each tear_down_case tear-down "" abi31-map-during-tear-down
again_cases accept-magic accept-depth-unlike-info reject-ebusy info-type info-cut -- \
	open-block-0 open-physical-small open-errno open-type
fuzz "${FUZZ:-200}"
hostile_end 300

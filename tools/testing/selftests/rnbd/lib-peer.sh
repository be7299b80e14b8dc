#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The client in user space, rnbd-peer (peer/).

# peer_report SUFFIX < what rnbd-peer prints: its results become ours.
peer_report() {
	local line name end=""
	while IFS= read -r line; do
		case $line in
		"ok "*) test_ok "${line#ok }-$1" ;;
		"skip "*)
			name=${line#skip }
			test_skip "${name%% #*}-$1" "${name#* # }"
			;;
		"not ok "*)
			name=${line#not ok }
			test_fail "${name%% #*}-$1" "${name#* # }"
			;;
		done) end=1 ;;
		*) echo "${line/#[!#]/# &}" ;;
		esac
	done
	[ -n "$end" ] || test_fail "rnbd-peer-$1" "ended early"
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=900 kernel=6.12,uml,kasan full=6.12 mem=2G programs=rnbd-peer
#
# A client in user space that knows only the wire specification (peer/) against the server: what
# a mainline client does, and what a hostile one might do, in the three ways of the server to
# treat its buffers. After each case a second client must still find its data.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-peer.sh"

command -v rnbd-peer >/dev/null || skip_all "rnbd-peer is not built"
rxe_up 2
dev=$(null_blk_up 64 cache_size=16 discard=1)
big=$(null_blk_up 16 blocksize=4096)
modprobe -q dm_delay || :
late_ms=$((LAB_SLOW > 1 ? 1500 * LAB_SLOW : 3000))
late="delay $(null_blk_up 64) 0 $late_ms"
slow=$(dm_up slow "0 $(sectors "$dev") $late")
stable=$(dm_up stable "0 $(sectors "$dev") $late")
want_stable_writes "$stable"

# one_way NAME GROUPS [PARAMETER...]: load the server with these, run the cases, unload.
one_way() {
	local name=$1 groups=$2
	shift 2
	test_start "$name"
	modprobe rtrs_server "$@"
	load_rnbd_server
	# shellcheck disable=SC2086 # a list
	timeout $((600 * LAB_SLOW)) rnbd-peer "addr=$(addr_of 1)" "addr2=$(addr_of 1 1)" \
		"dev=$dev" "slow=$slow" "stable=$stable" "late_ms=$late_ms" "big=$big" $groups \
		>"$LAB_TMP/peer.out" || :
	peer_report "$name" <"$LAB_TMP/peer.out"
	unload rnbd_server 40
	unload rtrs_server 40
}

groups=${PEER_GROUPS:-interop answers refuse info hostile rnbd}
one_way default "$groups fence stable ${PEER_SLOW:-slow}"
one_way always_invalidate=N "$groups fence" always_invalidate=N sess_queue_depth=48
one_way invalidate=always "$groups" invalidate=always sess_queue_depth=100
one_way extensions=N answers extensions=N
one_way limits limits max_sessions=3 max_half_open=1
one_way max_half_open half-open max_half_open=2

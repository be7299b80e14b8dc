#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml full=any mem=2G programs=rnbd-peer
#
# Paths whose requests wait for a disk that does not answer take nothing from the others: 300 of
# them are closing, and another session closes as ever. When the disk answers they are all gone,
# also if the server is being unloaded meanwhile, which waits for them.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-peer.sh"

command -v rnbd-peer >/dev/null || skip_all "rnbd-peer is not built"
rxe_up 2
dev=$(null_blk_up 16)
big=$(null_blk_up 16 blocksize=4096)
stuck=$(dm_up stuck "0 $(sectors "$dev") linear $(null_blk_up 16) 0")
modprobe rtrs_server sess_queue_depth=8 max_chunk_size=8192
load_rnbd_server
load_rnbd_client

sessions() { find "$RTRS_SRV" -mindepth 1 -maxdepth 1 | wc -l; }
sessions_are() { [ "$(sessions)" = "$1" ]; }
disk_answers() { dmsetup resume stuck; }
disk_is_stuck() { dmsetup suspend --nolockfs --noflush stuck; }

HANGS_MS=1000000 # until it is told to go on
# crowd NAME: 300 sessions whose clients go while their read is in the disk.
crowd() {
	timeout $((200 * LAB_SLOW)) rnbd-peer "addr=$(addr_of 1)" "addr2=$(addr_of 1 1)" \
		"dev=$dev" "slow=$stuck" "late_ms=$HANGS_MS" "stable=$dev" "big=$big" stuck \
		>"$LAB_TMP/peer.out" || :
	peer_report "$1" <"$LAB_TMP/peer.out"
	check "$1-they-wait-for-the-disk" wait_for 20 sessions_are 300
}

disk_is_stuck
defer disk_answers

test_start "others close"
crowd first
disk=$(rnbd_map "device_path=$dev" access_mode=ro)
check "one-more" sessions_are 301
check "unmap" rnbd_unmap "$disk"
check "its-session-goes" wait_for 10 sessions_are 300
disk_answers
check "all-go-when-the-disk-answers" wait_for 60 server_idle

test_start "unloading waits for them"
disk_is_stuck
crowd second
rmmod rnbd_server &
check_fails "it-waits" within 5 gone /sys/module/rnbd_server
check "none-has-gone" sessions_are 300
disk_answers
check "unloaded" wait_for 60 gone /sys/module/rnbd_server
check "all-have-gone" sessions_are 0
wait

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=240 kernel=any,uml full=any
#
# A server that comes back without the extensions that it had, as one does whose administrator has
# gone back to another version, and later with them: all paths come back each time, there is one
# session on the server, and the data are right. (That a session without extensions begins with one
# path alone is a courtesy to other servers; this one would not mind.)
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

PATHS=4
ROUNDS=2

rxe_up $PATHS
server_has() { # VALUE: the server's modules, with that for extensions
	modprobe rtrs_server sess_queue_depth=32 extensions="$1"
	load_rnbd_server
}
server_goes() { unload rnbd_server 30 && unload rtrs_server 10; }

# comes_back NAME: the disk of the session, all of its paths in one session there, and the data.
comes_back() {
	check "$1-open" wait_for 20 state_is "$disk" open
	check "$1-all-paths" wait_for 40 paths_are $PATHS
	check_equal "$1-paths-of-the-server" $PATHS \
		"$(find "$RTRS_SRV/$RNBD_SESS/paths" -mindepth 1 -maxdepth 1 | wc -l)"
	check_equal "$1-content" "$sum" "$(sum_of "/dev/$disk")"
	check "$1-fio" fio_verify "/dev/$disk" randwrite 4k-64k 16 1 100
	sum=$(fill_random "/dev/$disk")
}

server_has Y
load_rnbd_client
# shellcheck disable=SC2046 # a list
disk=$(rnbd_map $(path_args 0 1 2 3) "device_path=$(null_blk_up 16)")
sum=$(fill_random "/dev/$disk")
for ((round = 1; round <= ROUNDS; round++)); do
	for extensions in N Y; do
		test_start "round $round, extensions=$extensions"
		server_goes
		check "$round-$extensions-closed" wait_for 40 state_is "$disk" closed
		server_has $extensions
		comes_back "$round-$extensions"
	done
done
check "unmap" rnbd_unmap "$disk"
check "nothing-left" wait_for 20 nothing_mapped
check "server-idle" wait_for 20 server_idle

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=240 kernel=any,uml mem=2G
#
# As many paths as the protocol allows: 128 in one map_device line, spread over the addresses of
# two links. Buffers are as few and small as they can be.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

MOST=128

rxe_up 2
mapfile -t ram < <(brd_up 2 16)
modprobe rtrs_server sess_queue_depth=16 max_chunk_size=8192
load_rnbd_server
load_rnbd_client
sess=$RTRS_CLT/$RNBD_SESS

# many_args FROM TO: path= options over further addresses of both links
many_args() {
	local n text=
	for ((n = $1; n <= $2; n++)); do
		text+=" path=ip:10.0.$((n % 2)).$((n + 1))"
	done
	echo "${text# }"
}
for ((n = 1; n <= MOST + 1; n++)); do
	ip addr add "10.0.$((n % 2)).$((n + 1))/24" dev "$(link_dev $((n % 2)))"
done

test_start "$((MOST + 1)) paths are too many"
check_equal "too-many" EINVAL "$(errno_of write "$MAP_DEVICE" \
	"sessname=$RNBD_SESS $(many_args 1 $((MOST + 1))) device_path=${ram[0]}")"
check "too-many-leaves-nothing" wait_for 10 nothing_mapped

test_start "32 paths"
start=$(now_ms)
check_equal "abi25-32-paths" OK "$(errno_of write "$MAP_DEVICE" \
	"sessname=$RNBD_SESS $(many_args 1 32) device_path=${ram[0]}")"
note "32 paths were connected within $(($(now_ms) - start)) ms"
disk=$(rnbd_disk_of "$RNBD_SESS" "${ram[0]}")
check "abi25-all-connected" paths_are 32
check_equal "abi25-a-second-device-names-them-again" OK "$(errno_of write "$MAP_DEVICE" \
	"sessname=$RNBD_SESS $(many_args 1 32) device_path=${ram[1]}")"
check "abi25-and-they-are-ignored" paths_are 32
check "unmap-the-second" rnbd_unmap "$(rnbd_disk_of "$RNBD_SESS" "${ram[1]}")"
check "fio-over-32-paths" fio_verify "/dev/$disk" randwrite 4k 32 1 500
start=$(now_ms)
check "unmap-32" rnbd_unmap "$disk"
check "nothing-left" wait_for 10 nothing_mapped
note "unmap took $(($(now_ms) - start)) ms"
check "server-idle" wait_for 20 server_idle

test_start "$MOST paths"
start=$(now_ms)
check_equal "most-paths" OK "$(errno_of write "$MAP_DEVICE" \
	"sessname=$RNBD_SESS $(many_args 1 $MOST) device_path=${ram[0]}")"
note "$MOST paths were connected within $(($(now_ms) - start)) ms"
disk=$(rnbd_disk_of "$RNBD_SESS" "${ram[0]}")
check "most-all-connected" paths_are $MOST
check_equal "one-more-is-refused" ECONNRESET \
	"$(errno_of write "$sess/add_path" "ip:10.0.$(((MOST + 1) % 2)).$((MOST + 2))")"
check_equal "one-more-leaves-nothing" $MOST "$(find "$sess/paths" -mindepth 1 -maxdepth 1 | wc -l)"

# used COUNT: every path has carried COUNT reads at least
used() {
	local file n
	for file in "$sess/paths/"*/stats/rdma; do
		read -r n _ <"$file"
		if [ "$n" -lt "$1" ]; then
			echo "$n reads: $file"
			return 1
		fi
	done
}
for file in "$sess/paths/"*/stats/rdma; do echo 1 >"$file"; done
sess_attr mpath_policy round-robin
check "reads" reads_by "$disk" $((MOST * 4))
check "round-robin-uses-every-path" used 4
check "fio-over-$MOST-paths" fio_verify "/dev/$disk" randwrite 4k 32 1 500

test_start "half of them are lost at once"
for dir in "$RTRS_SRV/$RNBD_SESS/paths/"ip:10.0.0.*; do
	echo 1 >"$dir/disconnect"
done
check "the-others-carry-on" fio_verify "/dev/$disk" randwrite 4k 32 1 200
check "device-stays-open" state_is "$disk" open
check "all-come-back" wait_for 60 paths_are $MOST

test_start "all of them are lost"
start=$(now_ms)
check "server-unload" unload rnbd_server 30
note "the server unloaded within $(($(now_ms) - start)) ms"
check "closed" wait_for 20 state_is "$disk" closed
load_rnbd_server
start=$(now_ms)
check "open-again" wait_for 60 state_is "$disk" open
note "open $(($(now_ms) - start)) ms after the server was back"
check "most-come-back" wait_for 120 paths_are $MOST
note "all paths $(($(now_ms) - start)) ms after the server was back"
check "fio-afterwards" fio_verify "/dev/$disk" randwrite 4k 32 1 200
start=$(now_ms)
check "unmap-$MOST" rnbd_unmap "$disk"
check "nothing-left-2" wait_for 20 nothing_mapped
note "unmap took $(($(now_ms) - start)) ms"
check "server-idle-2" wait_for 30 server_idle

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=900 kernel=any,uml full=any mem=2G
#
# The same again and again, under load: 500 times a path is disconnected and reconnected, on ten
# paths at once, since the transport pauses for a second in between. Then the same by the server,
# and paths that are removed and added at once. ROUNDS=... is another number.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

: "${ROUNDS:=500}"
WIDTH=10

rxe_up 2
null=$(null_blk_up 64)
modprobe rtrs_server sess_queue_depth=32
load_rnbd_server
load_rnbd_client
path_pairs_start
sess=$RTRS_CLT/$RNBD_SESS
memory() { awk '/^(Slab|Percpu):/ { kb += $2 } END { print kb }' /proc/meminfo; }
disk=$(rnbd_map "$(path_args 0)" "device_path=$null")

paths=()
for ((n = 0; n < WIDTH; n++)); do
	ip addr add "10.0.1.1$n/24" dev "$(link_dev 1)"
	paths+=("ip:10.0.1.1$n@ip:10.0.1.1$n")
done

# Each round is as little as the shell can do beside it.
state() { # FILE WANT
	local now
	read -r now <"$1"
	if [ "$now" != "$2" ]; then
		echo "$1 is $now, not $2"
		return 1
	fi
}
reconnects() { # PATH COUNT
	local n dir
	dir=$(clt_path "$1")
	for ((n = 0; n < $2; n++)); do
		echo 1 >"$dir/disconnect" && state "$dir/state" disconnected &&
			{ echo 1 >"$dir/reconnect" || wait_for 30 file_is "$dir/state" connected; } &&
			state "$dir/state" connected || return 1
	done
}
server_disconnects() { # PATH COUNT: the client comes back by itself
	local n
	for ((n = 0; n < $2; n++)); do
		# once more when the path has just been lost for another reason, as under load it may
		wait_for 60 cut_by_server "$1" || return 1
	done
}
removes() { # PATH COUNT
	local n dir
	dir=$(clt_path "$1")
	for ((n = 0; n < $2; n++)); do
		echo 1 >"$dir/remove_path" && gone "$dir" &&
			echo "$1" >"$sess/add_path" && state "$dir/state" connected || return 1
	done
}
# on_all CMD COUNT: CMD PATH for every path at once, COUNT rounds in all
on_all() {
	local path start rc=0 pids=()
	start=$(now_ms)
	for path in "${paths[@]}"; do
		"$1" "$path" $(($2 / WIDTH)) &
		pids+=("$!")
	done
	for path in "${pids[@]}"; do
		wait "$path" || rc=1
	done
	echo "$2 rounds within $(($(now_ms) - start)) ms"
	return $rc
}

test_start "one path"
check "the-only-path" reconnects 0 3
check "device-open" wait_for 10 state_is "$disk" open
for path in "${paths[@]}"; do
	expect_errno OK write "$sess/add_path" "$path"
done
check "fio" fio_verify "/dev/$disk" randwrite 4k-32k 16 1 50
before=$(memory)

test_start "$ROUNDS rounds under load"
load_start "$disk"
check "disconnect-and-reconnect" on_all reconnects "$ROUNDS"
check "disconnect-by-the-server" on_all server_disconnects $((ROUNDS / 10))
check "remove-and-add" on_all removes $((ROUNDS / 5))
load_end "no-failed-io-and-data-right"
check "device-open-2" state_is "$disk" open
check "all-paths-connected" paths_are $((WIDTH + 1))
note "slab and per-CPU memory: $before KiB before, $(memory) KiB after"

check "unmap" rnbd_unmap "$disk"
check "nothing-left" wait_for 20 nothing_mapped
check "server-idle" wait_for 20 server_idle
check_path_pairs "every-path-object-was-freed" $((WIDTH + 1 + ROUNDS / 5))

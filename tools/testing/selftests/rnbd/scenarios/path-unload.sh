#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=400 kernel=any,uml
#
# The modules of either end are unloaded while a path is in each of its states, and while path
# actions run at the same time. Unloading ends within bounds, leaves nothing, and everything works
# after the next load. That a module can go is the proof that its objects have gone: sessions hold
# it, and paths hold their session.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

rxe_up 3
null=$(null_blk_up 64)
hold=$(dm_up hold "0 $(sectors "$null") linear $null 0")
sess=$RTRS_CLT/$RNBD_SESS
# nobody answers there: on this kind of link every address seems to exist
silent="ip:$(addr_of 1 0)@ip:10.0.0.77"

loaded() {
	modprobe rtrs_server sess_queue_depth=32
	load_rnbd_server
	load_rnbd_client
}
mapped() { disk=$(rnbd_map "$(path_args "$@")" "device_path=$hold"); }

# client_unloads NAME SECONDS: all of the client's modules go, and the server notices.
client_unloads() {
	local start
	start=$(now_ms)
	check "$1-client-unloads" unload rnbd_client "$2"
	check "$1-transport-unloads" unload rtrs_client 5
	note "$1: $(($(now_ms) - start)) ms"
	check "$1-no-disk-left" test -z "$(rnbd_disks)"
	if module_loaded rnbd_server; then
		check "$1-server-idle" wait_for 40 server_idle
	fi
}

# server_unloads NAME SECONDS
server_unloads() {
	local start
	start=$(now_ms)
	check "$1-server-unloads" unload rnbd_server "$2"
	check "$1-transport-unloads" unload rtrs_server 5
	note "$1: $(($(now_ms) - start)) ms"
}

# works NAME: what is loaded now maps and carries data.
works() {
	mapped 0 1
	check "$1-works-again" fio_verify "/dev/$disk" randwrite 4k-32k 16 1 30
}

loaded
test_start "client: connected"
mapped 0 1
client_unloads connected 20
loaded
works connected

test_start "client: disconnected"
path_do 1 disconnect >/dev/null
path_do 0 disconnect >/dev/null
check "disconnected-closed" wait_for 10 state_is "$disk" closed
client_unloads disconnected 20
loaded
works disconnected

test_start "client: no path left"
path_do 1 remove_path >/dev/null
path_do 0 remove_path >/dev/null
client_unloads removed 20
loaded
works removed

test_start "client: waits for a server that has gone"
server_unloads gone 30
check "gone-closed" wait_for 10 state_is "$disk" closed
client_unloads gone 20
loaded
works gone

test_start "client: attempts against a server that has gone"
server_unloads attempts 30
# tries PATH: reconnect it again and again until it has gone
tries() { while [ -e "$(clt_path "$1")" ]; do path_do "$1" reconnect; done >/dev/null 2>&1; }
tries 0 &
one=$!
tries 1 &
two=$!
client_unloads attempts 40
check "attempts-end" wait_for 40 eval "! kill -0 $one && ! kill -0 $two"
loaded
works attempts

test_start "client: add_path to an address that does not answer"
add_path "$silent" >"$LAB_TMP/add" &
add=$!
asks() { rdma resource show cm_id | grep -F 10.0.0.77; }
check "connecting-is-under-way" wait_for 10 asks
client_unloads connecting 40
check "connecting-add_path-ends" wait_for 40 eval "! kill -0 $add"
check_match "connecting-add_path-fails" '^(ENODEV|ENOENT|ECONNABORTED|ECONNRESET|ETIMEDOUT)$' \
	"$(cat "$LAB_TMP/add")"
loaded
works connecting

test_start "client: map_device to an address that does not answer"
errno-op write "$MAP_DEVICE" "sessname=other path=$silent device_path=/dev/none" >"$LAB_TMP/map" &
map=$!
check "mapping-is-under-way" wait_for 10 asks
# waits for who writes to map_device; that would take 30 s, and a signal ends it
rmmod rnbd_client &
rmmod=$!
check "mapping-unload-waits" wait_for 10 grep -q "^rnbd_client .* Unloading" /proc/modules
kill "$map"
check "mapping-ends" wait_for 20 eval "! kill -0 $map"
check "mapping-client-unloads" wait_for 20 eval "! kill -0 $rmmod"
check "mapping-transport-unloads" unload rtrs_client 5
loaded
works mapping

test_start "client: actions at the same time"
actions() { # PATH: as long as the session is there
	while [ -e "$sess" ]; do
		add_path "$1"
		path_do "$1" disconnect
		path_do "$1" reconnect
		path_do "$1" remove_path
	done >/dev/null 2>&1
}
for round in 1 2 3; do
	actions 1 &
	one=$!
	actions 2 &
	two=$!
	changes() { [ "$(paths_connected)" -ge 2 ]; }
	check "actions-$round-run" wait_for 20 changes
	client_unloads "actions-$round" 40
	check "actions-$round-end" wait_for 40 eval "! kill -0 $one && ! kill -0 $two"
	loaded
	works "actions-$round"
done

test_start "server: connected, under load"
fio_run "/dev/$disk" randrw 4k-32k 16 1 100000 --time_based --runtime=20 \
	--continue_on_error=none >"$LAB_TMP/fio" 2>&1 &
fio=$!
busy() { [ "$(srv_stat 0 reads)" -gt 20 ]; }
check "load-runs" wait_for 20 busy
server_unloads load 30
check "load-io-ends" wait_for 30 eval "! kill -0 $fio"
loaded
check "load-open-again" wait_for 20 state_is "$disk" open
check "load-fio" fio_verify "/dev/$disk" randwrite 4k-32k 16 1 30

test_start "server: requests that its disk does not answer"
check "all-connected" wait_for 20 paths_are 2
dmsetup suspend --noflush --nolockfs hold
fio_run "/dev/$disk" randread 4k 4 1 4 >"$LAB_TMP/fio" 2>&1 &
fio=$!
stuck() { [ $(($(path_stat 0 inflight) + $(path_stat 1 inflight))) = 4 ]; }
check "stuck-requests" wait_for 20 stuck
rmmod rnbd_server &
rmmod=$!
check "stuck-client-is-told" wait_for 20 state_is "$disk" closed
check "stuck-unload-waits-for-the-disk" kill -0 "$rmmod"
dmsetup resume hold
check "stuck-unload-ends" wait_for 30 eval "! kill -0 $rmmod"
check "stuck-io-ends" wait_for 40 eval "! kill -0 $fio"
check "stuck-transport-unloads" unload rtrs_server 10
loaded
check "stuck-open-again" wait_for 20 state_is "$disk" open

test_start "server: while clients connect"
for round in 1 2 3; do
	tries 0 &
	one=$!
	tries 1 &
	two=$!
	sleep "0.$((RANDOM % 10))"
	server_unloads "connects-$round" 40
	loaded
	check "connects-$round-open-again" wait_for 40 state_is "$disk" open
	kill "$one" "$two"
	wait "$one" "$two" || :
done

test_start "server: disconnected paths, disconnects at the same time"
path_do 0 reconnect >/dev/null
path_do 1 disconnect >/dev/null
cuts() { # as long as the server's session is there
	while [ -e "$RTRS_SRV" ]; do
		errno_of write "$(srv_path "$1")/disconnect" 1
	done >/dev/null 2>&1
}
cuts 0 &
one=$!
server_unloads cuts 40
check "cuts-end" wait_for 20 eval "! kill -0 $one"
loaded
check "cuts-open-again" wait_for 40 state_is "$disk" open
check "cuts-fio" fio_verify "/dev/$disk" randwrite 4k-32k 16 1 30

test_start "both at once"
rmmod rnbd_server &
one=$!
check "both-client-unloads" unload rnbd_client 30
check "both-server-unloads" wait_for 30 eval "! kill -0 $one"
check "both-everything-unloads" unload_all
loaded
works both
check "unmap" rnbd_unmap "$disk"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=120 kernel=any,uml
#
# Log lines begin with what people filter for, the device or the session, and none alarms; and
# modinfo tells all parameters.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

# parameters MODULE: NAME:TYPE of its parameters, on one line
parameters() {
	modinfo -p "$1" | sed -n 's/^\([a-z_]*\):.*(\([a-z]*\))$/\1:\2/p' | sort | tr '\n' ' '
}
test_start "parameters"
check_equal "abi93-rtrs_core" "" "$(parameters rtrs_core)"
check_match "abi93-rtrs_server" \
	'always_invalidate:bool .*max_chunk_size:int .*sess_queue_depth:int ' "$(parameters rtrs_server)"
# with what Documentation/rtrs.rst adds
names() { modinfo -p "$1" | cut -d: -f1 | sort | paste -sd' '; }
check_equal "abi93-rtrs_server-names" "always_invalidate extensions heartbeat_interval_ms \
heartbeat_missed_max invalidate max_chunk_size max_connections max_half_open max_memory max_paths \
max_peer_memory max_sessions sess_queue_depth" "$(names rtrs_server)"
check_equal "abi93-rtrs_client-names" "heartbeat_interval_ms heartbeat_missed_max hold_time_ms \
reconnect_delay_ms request_timeout_ms" "$(names rtrs_client)"
check_equal "abi93-rnbd_client" "device_links:charp " "$(parameters rnbd_client)"
# what the interface has, and what Documentation/rnbd.rst adds
check_equal "abi93-rnbd_server" \
	"dev_search_path:charp max_prio_class:charp max_sess_devices:uint port_nr:ushort " \
	"$(parameters rnbd_server)"
for module in $RNBD_MODULES; do
	check "description-of-$module" test -n "$(modinfo -F description "$module")"
	check_equal "license-of-$module" GPL "$(modinfo -F license "$module")"
done

test_start "a life"
rxe_up
null=$(null_blk_up 32)
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
load_rnbd_client
disk=$(rnbd_map "device_path=$null")
path=$(echo "$RTRS_CLT/$RNBD_SESS"/paths/*)
errno-op write "$path/disconnect" 1 >/dev/null
wait_for 10 state_is "$disk" closed
errno_of pread "/dev/$disk" 0 4096 direct >/dev/null
errno-op write "$path/reconnect" 1 >/dev/null || : # or soon after
wait_for 30 state_is "$disk" open
map_gives "refused" ENOENT "sessname=$RNBD_SESS device_path=/dev/not-there"
before=$(cut -d' ' -f1 "$path/stats/reconnects")
errno-op write "$(echo "$RTRS_SRV/$RNBD_SESS"/paths/*)/disconnect" 1 >/dev/null
is_back() { [ "$(cut -d' ' -f1 "$path/stats/reconnects")" -gt "$before" ] && state_is "$disk" open; }
wait_for 30 is_back
rnbd_unmap "$disk"
wait_for 10 server_idle
unload_all

test_start "its log"
dmesg | sed 's/^\[[^]]*\] //' | grep -E '^(rnbd|rtrs)_' >"$LAB_TMP/log"
device="<$null@$RNBD_SESS>"
addr="ip:10.0.0.1@ip:10.0.0.1"
logged() { check "abi96-$1" grep -qE -- "$2" "$LAB_TMP/log"; }
logged mapping-requested "^rnbd_client: $device mapping requested"
logged mapped "^rnbd_client: $device mapped as $disk"
logged disconnected "^rnbd_client: $device disconnected"
logged open-again "^rnbd_client: $device open again"
logged unmap-requested "^rnbd_client: $device unmap requested"
logged unmapped "^rnbd_client: $device unmapped"
logged refused "^rnbd_client: </dev/not-there@$RNBD_SESS> map_device: "
logged opened-on-the-server "^rnbd_server: $device: device opened"
logged closed-on-the-server "^rnbd_server: $device: device closed"
logged refused-on-the-server "^rnbd_server: </dev/not-there@$RNBD_SESS>: open refused"
logged session-of-the-server "^rnbd_server: <$RNBD_SESS>: session disconnected"
logged rtrs-client-path "^rtrs_client: <$RNBD_SESS>: $addr: "
logged rtrs-server-path "^rtrs_server: <$RNBD_SESS>: .*$addr"
# of our lines none is without a name but those of modules (one of them the kernel's own, where it
# knows signatures), listeners and RDMA devices
others=$(grep -v "$RNBD_SESS" "$LAB_TMP/log" |
	grep -vE '^[a-z_]*: (dev_search_path|protocol|loading out-of-tree|module verification|.*listen|.*rxe_)' || :)
check_equal "abi96-no-line-without-a-name" "" "$others"
check "no-line-that-alarms" log_is_calm

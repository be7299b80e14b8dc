#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=120 kernel=any,uml
#
# Only the initial network and mount namespaces count, and writers from elsewhere are told so.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up 2
mapfile -t ram < <(brd_up 2 16)
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
load_rnbd_client
elsewhere() { unshare --net "$@"; }
check "network-namespaces-are-there" elsewhere true

test_start "writers in another network namespace"
text=$(map_text "device_path=${ram[0]}")
check_equal "map_device-elsewhere" EOPNOTSUPP "$(elsewhere errno-op write "$MAP_DEVICE" "$text" || :)"
check "map_device-elsewhere-leaves-nothing" nothing_mapped
check "map_device-elsewhere-is-logged" eval \
	'dmesg | grep -q "map_device: only from the initial network namespace"'
disk=$(rnbd_map "device_path=${ram[0]}" path=ip:10.0.0.1@ip:10.0.0.1)
check_equal "map_device-over-a-session-elsewhere" EOPNOTSUPP "$(elsewhere errno-op write \
	"$MAP_DEVICE" "sessname=$RNBD_SESS device_path=${ram[1]}" || :)"
check_equal "add_path-elsewhere" EOPNOTSUPP "$(elsewhere errno-op write \
	"$RTRS_CLT/$RNBD_SESS/add_path" ip:10.0.1.1@ip:10.0.1.1 || :)"
check_equal "add_path-elsewhere-adds-nothing" 1 "$(entries "$RTRS_CLT/$RNBD_SESS/paths" | wc -w)"
check_equal "add_path-at-home" OK "$(errno_of write "$RTRS_CLT/$RNBD_SESS/add_path" \
	ip:10.0.1.1@ip:10.0.1.1)"

test_start "what has no addresses works everywhere"
check "I/O-elsewhere" elsewhere dd "if=/dev/$disk" of=/dev/null bs=4k count=16 iflag=direct
check_equal "attributes-elsewhere" open "$(elsewhere cat "/sys/block/$disk/rnbd/state")"
check_equal "remap_device-elsewhere" EALREADY \
	"$(elsewhere errno-op write "/sys/block/$disk/rnbd/remap_device" 1 || :)"
check_equal "unmap_device-elsewhere" OK \
	"$(elsewhere errno-op write "/sys/block/$disk/rnbd/unmap_device" normal || :)"
check "nothing-left" wait_for 10 nothing_mapped

test_start "the server resolves names in the initial mount namespace"
mkdir "$LAB_TMP/devs"
ln -s "${ram[0]}" "$LAB_TMP/devs/one"
check_equal "link-of-another-mount-namespace" ENOENT "$(unshare --mount bash -c "
	mount -t tmpfs tmpfs $LAB_TMP/devs && ln -s ${ram[1]} $LAB_TMP/devs/two &&
	errno-op write $MAP_DEVICE '$(map_text "device_path=$LAB_TMP/devs/two")'" || :)"
check_equal "link-of-the-initial-mount-namespace" OK "$(unshare --mount bash -c "
	mount -t tmpfs tmpfs $LAB_TMP/devs &&
	errno-op write $MAP_DEVICE '$(map_text "device_path=$LAB_TMP/devs/one")'" || :)"
rnbd_unmap "$(rnbd_disks)"
check "nothing-left-2" wait_for 10 nothing_mapped

test_start "an address of another network namespace"
mkfifo "$LAB_TMP/fifo"
unshare --net cat "$LAB_TMP/fifo" & # not the function: of that, $! would be a shell at home
holder=$!
there=/proc/$holder/ns/net
is_elsewhere() { [ "$(readlink "$there")" != "$(readlink /proc/self/ns/net)" ]; }
wait_for 10 is_elsewhere
exec 7>"$LAB_TMP/fifo"
# made there, the link is never here, and goes with the namespace
nsenter --net="$there" ip link add rnbd-there type dummy
nsenter --net="$there" ip addr add 10.77.0.1/24 dev rnbd-there
nsenter --net="$there" ip link set rnbd-there up
has_address() { ip -o addr show | grep -F " 10.77.0.1/"; }
export -f has_address
check "the-address-is-there" nsenter --net="$there" bash -c has_address
check_fails "the-address-is-not-here" has_address
check_match "address-elsewhere" '^(EHOSTUNREACH|ENETUNREACH)$' "$(errno_of write "$MAP_DEVICE" \
	"$(map_text "device_path=${ram[0]}" path=ip:10.77.0.1)")"
exec 7>&-
wait $holder || :
check "all-gone" wait_for 10 nothing_mapped

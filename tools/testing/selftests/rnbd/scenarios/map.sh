#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml mem=2G
#
# Mapping and unmapping: the trees of both ends, every attribute of a mapped disk, uevents, the
# errors of a refused mapping, numbers and their reuse, unmap while in use, two sessions.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up
mapfile -t ram < <(brd_up 4 16)
load_rnbd_server
load_rnbd_client
events=$LAB_TMP/uevents

test_start "the trees after load"
for class in rnbd-client rnbd-server rtrs-client rtrs-server; do
	check "abi1-class-$class" test -d "/sys/class/$class"
done
for end in rnbd-client rnbd-server; do
	check_equal "abi2-$end-ctl" "/sys/devices/virtual/$end/ctl" \
		"$(realpath "/sys/class/$end/ctl")"
	check_equal "abi4-$end-devices-empty" "" "$(entries "/sys/class/$end/ctl/devices")"
done
check "abi7-major-registered" grep -qE '^ *[0-9]+ rnbd$' /proc/devices
check "abi5-map_device-mode" mode_is "$MAP_DEVICE" 644
usage=$(<"$MAP_DEVICE")
check_match "abi8-usage-begins" '^Usage: echo "' "$usage"
for word in sessname= path= device_path= 'access_mode=<ro|rw|migration>' dest_port= nr_poll_queues=; do
	check "abi8-usage-$word" grep -qF -- "$word" "$MAP_DEVICE"
done
check "abi8-usage-address-line" \
	grep -qxF 'addr ::= [ ip:<ipv4> | ip:<ipv6> | gid:<gid> ]' "$MAP_DEVICE"
check "abi8-usage-newline" ends_in_newline "$MAP_DEVICE"

test_start "refused mappings"
map_gives abi21-no-path-unknown-session ENXIO "sessname=none device_path=${ram[0]}"
check "abi21-leaves-nothing" nothing_mapped
refused abi26-missing-device ENOENT device_path=/dev/no-such-disk
touch "$LAB_TMP/file"
refused abi26-regular-file ENOTBLK "device_path=$LAB_TMP/file"
mknod /dev/rnbd-test-nodriver b 240 200
defer rm /dev/rnbd-test-nodriver
refused enxio-no-driver ENXIO device_path=/dev/rnbd-test-nodriver
blockdev --setro "${ram[3]}"
refused abi26-read-only-backing EACCES "device_path=${ram[3]}"
refused abi26-read-only-backing-migration EACCES "device_path=${ram[3]}" access_mode=migration
blockdev --setrw "${ram[3]}"
refused abi27-dotdot EINVAL device_path=/dev/../dev/ram0
refused abi27-dotdot-inside EINVAL device_path=/dev/a..b
refused abi28-wrong-port ECONNRESET "device_path=${ram[0]}" dest_port=4999
check "abi32-server-keeps-nothing" wait_for 10 server_idle

test_start "the first mapping"
if uevents_start "$events"; then heard=1; else heard=; fi
require "abi9-map" rnbd_map "device_path=${ram[0]}"
disk=$(rnbd_disk_of "$RNBD_SESS" "${ram[0]}")
dir=/sys/block/$disk
check_equal "abi47-first-is-0" rnbd0 "$disk"
check "abi9-access-rw" attr_is "$dir/rnbd/access_mode" rw
check "abi36-state" attr_is "$dir/rnbd/state" open
check "abi36-session" attr_is "$dir/rnbd/session" "$RNBD_SESS"
check "abi37-mapping_path" attr_is "$dir/rnbd/mapping_path" "${ram[0]}"
check "abi36-nr_poll_queues" attr_is "$dir/rnbd/nr_poll_queues" 0
for name in state session mapping_path access_mode nr_poll_queues; do
	check "abi36-$name-mode" mode_is "$dir/rnbd/$name" 444
done
for name in unmap_device remap_device resize; do
	check "abi38-$name-mode" mode_is "$dir/rnbd/$name" 644
	check "abi38-$name-usage" shows_usage "$dir/rnbd/$name"
done
link=$RNBD_CTL/devices/!dev!ram0
check_equal "abi34-link-name" "!dev!ram0" "$(entries "$RNBD_CTL/devices")"
check_equal "abi34-link-target" "../../../block/$disk" "$(readlink "$link")"
check_equal "abi34-link-dev" "$(stat -c '%Hr:%Lr' "/dev/$disk")" "$(cat "$link/dev")"
check_equal "abi34-link-session" "$RNBD_SESS" "$(cat "$link/rnbd/session")"
check_equal "size-is-the-backing-disk's" "$(sectors "${ram[0]}")" "$(cat "$dir/size")"
for pair in range:64 ext_range:256 removable:0 hidden:0 ro:0; do
	check "disk-${pair/:/-is-}" attr_is "$dir/${pair%:*}" "${pair#*:}"
done

test_start "queue limits"
for pair in logical_block_size:512 optimal_io_size:126976 max_hw_sectors_kb:124 \
	max_sectors_kb:124 max_segment_size:4294967295 virt_boundary_mask:4095 \
	max_discard_segments:1 rotational:0 io_poll:0 io_timeout:30000 \
	read_ahead_kb:248 iostats:1 add_random:0 nomerges:0 zoned:none chunk_sectors:0 \
	dma_alignment:511 stable_writes:0 dax:0 "write_cache:write through" fua:0; do
	# 6.1 has no attribute for some of these
	[ -e "$dir/queue/${pair%%:*}" ] || continue
	check_equal "abi51-${pair%%:*}" "${pair#*:}" "$(cat "$dir/queue/${pair%%:*}")"
done
check_equal "abi51-physical_block_size" "$(queue_attr "${ram[0]#/dev/}" physical_block_size)" \
	"$(queue_attr "$disk" physical_block_size)"
check_equal "abi51-minimum_io_size" "$(queue_attr "$disk" physical_block_size)" \
	"$(queue_attr "$disk" minimum_io_size)"
check "abi51-max_segments" test "$(queue_attr "$disk" max_segments)" -ge 31 \
	-a "$(queue_attr "$disk" max_segments)" -le 128
check_equal "abi51-mq-queues" "$(nproc)" "$(find "$dir/mq" -mindepth 1 -maxdepth 1 | wc -l)"
if [ "$(nproc)" -gt 1 ]; then
	check_match "abi51-scheduler" '\[none\]' "$(queue_attr "$disk" scheduler)"
	check_equal "abi51-nr_requests" 512 "$(queue_attr "$disk" nr_requests)"
fi

test_start "the same device again"
check_equal "abi22-EEXIST" EEXIST \
	"$(errno_of write "$MAP_DEVICE" "$(map_text "device_path=${ram[0]}")")"
check "abi22-first-untouched" state_is "$disk" open
expect_errno OK pread "/dev/$disk" 0 4096 direct
check_equal "abi22-one-disk" "$disk" "$(rnbd_disks)"
ln -s "${ram[0]}" /dev/rnbd-test-alias
defer rm -f /dev/rnbd-test-alias
check_equal "abi64-second-name-of-one-disk" EEXIST \
	"$(errno_of write "$MAP_DEVICE" "$(map_text device_path=/dev/rnbd-test-alias)")"
rm /dev/rnbd-test-alias

test_start "a second device on the session"
check_equal "abi21-no-path-live-session" OK \
	"$(errno_of write "$MAP_DEVICE" "sessname=$RNBD_SESS device_path=${ram[1]}")"
second=$(rnbd_disk_of "$RNBD_SESS" "${ram[1]}")
check_equal "abi47-second-is-1" rnbd1 "$second"
check_match "abi47-minor-of-1" ':64$' "$(cat "/sys/block/$second/dev")"
check_match "abi47-minor-of-0" ':0$' "$(cat "$dir/dev")"
check_equal "one-session-for-both" "$RNBD_SESS" "$(entries "$RTRS_CLT")"
check_equal "abi35-one-link-each" "!dev!ram0 !dev!ram1" "$(entries "$RNBD_CTL/devices")"
sum=$(fill_random "/dev/$second")
check_equal "data-reaches-the-right-disk" "$sum" "$(sum_of "${ram[1]}")"
check "unmap-0" rnbd_unmap "$disk"
check_equal "abi47-0-again" rnbd0 "$(map_again "device_path=${ram[0]}")"

test_start "unmap"
for word in Force 1 "" normals "no rmal"; do
	check_equal "abi41-refused-'$word'" EINVAL \
		"$(errno_of echo "$dir/rnbd/unmap_device" "$word")"
done
exec 7<"/dev/$disk"
check_equal "abi39-busy" EBUSY "$(errno_of write "$dir/rnbd/unmap_device" normal)"
check "abi39-still-open" state_is "$disk" open
expect_errno OK pread "/dev/$disk" 0 4096 direct
exec 7<&-
check_equal "abi39-after-close" OK "$(errno_of write "$dir/rnbd/unmap_device" normal)"
check "unmap-disk-gone" gone "$dir"
check "unmap-node-gone" wait_for 5 gone "/dev/$disk"
check "unmap-link-gone" gone "$link"
map_again "device_path=${ram[0]}" >/dev/null
check_equal "abi6-newline" OK "$(errno_of echo "$dir/rnbd/unmap_device" normal)"
map_again "device_path=${ram[0]}" >/dev/null
check_equal "abi41-blanks" OK "$(errno_of write "$dir/rnbd/unmap_device" " force ")"

test_start "forced unmap under an open descriptor"
map_again "device_path=${ram[0]}" >/dev/null
exec 7<>"/dev/$disk" 8<>"/dev/$disk"
check "abi42-force" rnbd_unmap "$disk" force
check "abi42-disk-gone" gone "$dir"
check "abi42-link-gone" gone "$link"
check_equal "abi42-read-is-end-of-file" "0 bytes" \
	"$(if dd bs=512 count=1 of="$LAB_TMP/read" status=none <&7; then stat -c '%s bytes' "$LAB_TMP/read"; fi)"
check_match "abi42-write-ENOSPC" "No space left" \
	"$(dd if=/dev/zero bs=512 count=1 2>&1 >&8 || :)"
other=$(rnbd_map "device_path=${ram[2]}")
check_equal "abi43-another-number" rnbd2 "$other"
exec 7<&- 8<&-
check_equal "abi43-number-free-again" rnbd0 "$(map_again "device_path=${ram[0]}")"
rnbd_unmap "$other"

test_start "two unmaps at once"
exec 8>"$dir/rnbd/unmap_device" 9>"$dir/rnbd/unmap_device"
unmap_on() { # DESCRIPTOR FILE: one write; its outcome into FILE
	# shellcheck disable=SC2261 # standard output to a descriptor, errors to a file
	printf normal >&"$1" 2>"$2" && echo success >>"$2"
}
unmap_on 8 "$LAB_TMP/one" &
one=$!
unmap_on 9 "$LAB_TMP/two" || :
wait "$one" || :
exec 8>&- 9>&-
check_equal "abi44-one-success" 1 "$(cat "$LAB_TMP"/{one,two} | grep -c success)"
check_equal "abi44-one-EALREADY-or-ENODEV" 1 \
	"$(cat "$LAB_TMP"/{one,two} | grep -cE 'already in progress|No such device')"

test_start "last device, last session"
check "unmap-1" rnbd_unmap "$second"
check "abi46-client-session-gone" wait_for 10 nothing_mapped
check "abi46-server-session-gone" wait_for 10 server_idle

if [ -n "$heard" ]; then
	test_start "uevents"
	uevents_sync "$events"
	: >"$events"
	disk=$(map_again "device_path=${ram[0]}")
	uevents_sync "$events" # read the state while the disk is there
	check_equal "abi50-resize" OK "$(errno_of write "$dir/rnbd/resize" 8192)"
	check_equal "abi50-resize-same" OK "$(errno_of write "$dir/rnbd/resize" 0x2000)"
	check_equal "abi50-size" 8192 "$(cat "$dir/size")"
	rnbd_unmap "$disk"
	wait_for 10 nothing_mapped
	wait_for 10 server_idle
	uevents_sync "$events"
	check_match "abi52-add-online" "^add online " "$(uevents_of "$events" "block/$disk ")"
	check "abi52-files-there-at-online" grep -q "^online .*STATE=open" "$events"
	check_equal "abi50-change-RESIZE=1-once" 1 "$(grep -c "^change .*RESIZE=1" "$events")"
	check_match "remove-is-sent" "remove $" "$(uevents_of "$events" "block/$disk ")"
	check_equal "session-add-remove" "add remove " \
		"$(uevents_of "$events" "virtual/rtrs-client/$RNBD_SESS ")"
	check_equal "abi90-server-session-add-remove" "add remove " \
		"$(uevents_of "$events" "virtual/rtrs-server/$RNBD_SESS ")"
else
	test_skip "uevents" "busybox has no uevent reader"
fi

test_start "resize and remap"
disk=$(map_again "device_path=${ram[0]}")
for text in abc -1 " 8" ""; do
	check_equal "abi50-refused-'$text'" EINVAL "$(errno_of echo "$dir/rnbd/resize" "$text")"
done
check_equal "abi50-overflow" ERANGE \
	"$(errno_of write "$dir/rnbd/resize" 18446744073709551616)"
check_equal "abi50-refused-changes-nothing" "$(sectors "${ram[0]}")" "$(cat "$dir/size")"
check_equal "abi49-open" EALREADY "$(errno_of write "$dir/rnbd/remap_device" 1)"
for text in 0 x ""; do
	check_equal "abi49-refused-'$text'" EINVAL \
		"$(errno_of echo "$dir/rnbd/remap_device" "$text")"
done
rnbd_unmap "$disk"

test_start "a disk without sectors"
modprobe -q loop || :
empty=$(losetup -f)
disk=$(map_again "device_path=$empty")
check_equal "abi30-size-0" 0 "$(cat "$dir/size")"
check "abi30-unmap" rnbd_unmap "$disk"

test_start "one device over two sessions"
one=$(map_again "device_path=${ram[0]}" access_mode=ro)
two=$(rnbd_map sessname=other "device_path=${ram[0]}" access_mode=ro)
check_equal "abi23-two-disks" "rnbd0 rnbd1" "$one $two"
check_equal "abi23-two-links" "!dev!ram0 !dev!ram0@other" "$(entries "$RNBD_CTL/devices")"
check_equal "abi23-link-leads-to-its-disk" "$two" \
	"$(basename "$(realpath "$RNBD_CTL/devices/!dev!ram0@other")")"
rnbd_unmap "$one"
rnbd_unmap "$two"

test_start "device_links"
links=/sys/module/rnbd_client/parameters/device_links
check "device_links-default" attr_is "$links" plain
check "device_links-mode" mode_is "$links" 644
check_equal "device_links-refused" EINVAL "$(errno_of echo "$links" nonsense)"
expect_errno OK echo "$links" session
one=$(rnbd_map "device_path=${ram[0]}")
check_equal "abi35-session-link" "!dev!ram0@$RNBD_SESS" "$(entries "$RNBD_CTL/devices")"
expect_errno OK echo "$links" both
two=$(rnbd_map "device_path=${ram[1]}")
check_equal "device_links-both" "!dev!ram0@$RNBD_SESS !dev!ram1 !dev!ram1@$RNBD_SESS" \
	"$(entries "$RNBD_CTL/devices")"
rnbd_unmap "$one"
rnbd_unmap "$two"
check_equal "links-all-gone" "" "$(entries "$RNBD_CTL/devices")"
check "abi46-all-gone" wait_for 10 nothing_mapped

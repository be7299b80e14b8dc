#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=400 kernel=any tools=yes
#
# udev with the rules of dist/udev: links of disks, partitions and file systems appear with the
# mapping, stay while the server is away, and are gone after unmap.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-udev.sh"

command -v rnbdmap >/dev/null || skip_all "dist/ is not installed (make tools_install)"
rxe_up
mapfile -t ram < <(brd_up 2 64)
udev_start
load_rnbd_server
load_rnbd_client

SESSION=udev-test
paths=$RTRS_CLT/$SESSION/paths
by_session=/dev/rnbd/by-session/$SESSION
by_id=/dev/disk/by-id/rnbd-udev\\x2dtest
uuid=5f6a7c52-8f0d-4a3e-9e55-0123456789ab
escaped='\x2fdev\x2fram' # a "/" of the device path in a link

links_of() { # all links to a node, sorted, in one line
	find /dev -type l -lname "*/$1" | grep -v '^/dev/\(block\|root\)' | sort | tr '\n' ' '
}

# go_offline, go_online: cut the only path of the session and restore it.
go_offline() {
	errno-op write "$(echo "$paths"/*/disconnect)" 1
	wait_for 20 file_is "/sys/block/$disk/rnbd/state" closed
	settle
}
go_online() {
	errno-op write "$(echo "$paths"/*/reconnect)" 1 || : # or soon after
	wait_for 20 file_is "/sys/block/$disk/rnbd/state" open
	settle
}

test_start "a disk with a file system"
disk=$(rnbd_map "sessname=$SESSION" "device_path=${ram[0]}")
check "link-by-session" wait_for 10 link_to "$by_session/${escaped}0" "/dev/$disk"
check "link-by-id" link_to "$by_id-${escaped}0" "/dev/$disk"
check "link-by-diskseq" link_to "/dev/disk/by-diskseq/$(cat "/sys/block/$disk/diskseq")" "/dev/$disk"
check_equal "property-session" "$SESSION" "$(udev_of "/dev/$disk" ID_RNBD_SESSION)"
check_equal "property-mapping-path" "${ram[0]}" "$(udev_of "/dev/$disk" ID_RNBD_MAPPING_PATH)"
check_equal "property-access-mode" rw "$(udev_of "/dev/$disk" ID_RNBD_ACCESS_MODE)"
check "no-link-by-uuid-before-mkfs" gone "/dev/disk/by-uuid/$uuid"
# no settle: it is the watch on the device that must bring the event
mkfs.ext4 -q -U "$uuid" -L "rnbd label" "/dev/$disk"
check "abi101-by-uuid" wait_for 10 link_to "/dev/disk/by-uuid/$uuid" "/dev/$disk"
check "by-label" wait_for 10 link_to '/dev/disk/by-label/rnbd\x20label' "/dev/$disk"
settle
before=$(links_of "$disk")
note "$before"

test_start "offline and online"
go_offline
check "abi101-by-uuid-while-offline" link_to "/dev/disk/by-uuid/$uuid" "/dev/$disk"
check_equal "links-while-offline" "$before" "$(links_of "$disk")"
check_equal "ID_FS_TYPE-while-offline" ext4 "$(udev_of "/dev/$disk" ID_FS_TYPE)"
check_equal "never-not-ready" "" "$(udev_of "/dev/$disk" SYSTEMD_READY)"
udevadm trigger --action=change --settle "/sys/block/$disk"
check_equal "links-after-change-while-offline" "$before" "$(links_of "$disk")"
go_online
check "abi101-by-uuid-after-online" link_to "/dev/disk/by-uuid/$uuid" "/dev/$disk"
check_equal "links-after-online" "$before" "$(links_of "$disk")"

test_start "the file system goes, its links go"
wipefs -qa "/dev/$disk"
check "by-uuid-gone-after-wipefs" wait_for 10 gone "/dev/disk/by-uuid/$uuid"
check "by-session-stays" link_to "$by_session/${escaped}0" "/dev/$disk"

test_start "partitions"
sfdisk -q "/dev/$disk" <<-END
	label: gpt
	size=8M, uuid=$uuid, name="first one"
	size=8M
END
part=${disk}p1
check "partition-by-session" wait_for 10 link_to "$by_session/${escaped}0-part1" "/dev/$part"
check "partition-2-by-session" wait_for 10 link_to "$by_session/${escaped}0-part2" "/dev/${disk}p2"
settle
check "partition-by-id" link_to "$by_id-${escaped}0-part1" "/dev/$part"
check "by-partuuid" link_to "/dev/disk/by-partuuid/$uuid" "/dev/$part"
check "by-partlabel" link_to '/dev/disk/by-partlabel/first\x20one' "/dev/$part"
mkfs.ext4 -q -U "$uuid" "/dev/$part"
check "partition-by-uuid" wait_for 10 link_to "/dev/disk/by-uuid/$uuid" "/dev/$part"
check_equal "partition-property" "${ram[0]}" "$(udev_of "/dev/$part" ID_RNBD_MAPPING_PATH)"
settle
before=$(links_of "$part")
go_offline
udevadm trigger --action=change --settle "/sys/class/block/$part"
check_equal "partition-links-while-offline" "$before" "$(links_of "$part")"
go_online
check_equal "partition-links-after-online" "$before" "$(links_of "$part")"

test_start "a mounted file system keeps its links over a short loss"
mkdir -p "$LAB_TMP/mnt"
mount "/dev/disk/by-uuid/$uuid" "$LAB_TMP/mnt"
defer sh -c "! mountpoint -q $LAB_TMP/mnt || umount $LAB_TMP/mnt"
go_offline
check "mounted-by-uuid-while-offline" link_to "/dev/disk/by-uuid/$uuid" "/dev/$part"
go_online
check "mounted-readable-after-online" ls "$LAB_TMP/mnt/lost+found"
umount "$LAB_TMP/mnt"

test_start "two disks, one name each"
second=$(rnbd_map "sessname=$SESSION" "device_path=${ram[1]}" access_mode=ro)
check "second-link" wait_for 10 link_to "$by_session/${escaped}1" "/dev/$second"
check_equal "second-access-mode" ro "$(udev_of "/dev/$second" ID_RNBD_ACCESS_MODE)"
rnbd_unmap "$second"
check "second-link-gone" wait_for 10 gone "$by_session/${escaped}1"
check "first-link-stays" link_to "$by_session/${escaped}0" "/dev/$disk"

test_start "unmap"
check "unmap-right-after-use" rnbd_unmap "$disk"
settle
check "abi101-by-uuid-gone" wait_for 10 gone "/dev/disk/by-uuid/$uuid"
check_equal "all-links-gone" "" "$(links_of "$disk")$(links_of "$part")"
check "directory-gone" wait_for 10 gone "$by_session"

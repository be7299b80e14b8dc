#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=400 kernel=any,uml mem=2G programs=lvm
#
# Other drivers on top of mapped disks: md RAID-1 that loses a leg and gets it back, dm-crypt, LVM
# with a thin pool and a snapshot.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-md.sh"

rxe_up
modprobe rtrs_server sess_queue_depth=128
load_rnbd_server
load_rnbd_client

# --- md RAID-1 -------------------------------------------------------------------------------------

md_writes() { awk '{ print $5 }' /sys/block/md77/stat; }
md_has_written() { [ "$(md_writes)" -gt "$before" ]; } # condition
raid1() {
	local leg0 leg1 a b rc=0 verify path before
	leg0=$(null_blk_up 48) leg1=$(null_blk_up 48)
	# as from two servers: a session for each leg
	a=$(rnbd_map sessname=left "device_path=$leg0")
	b=$(rnbd_map sessname=right "device_path=$leg1")
	check "md-create" md_create "$a" "$b"
	defer md_stop
	check "md-fio" fio_verify /dev/md77 randwrite 4k-64k 16 1 200
	before=$(md_writes)
	fio_verify /dev/md77 randwrite 4k-64k 16 1 1500 >"$LAB_TMP/fio.out" 2>&1 &
	verify=$!
	wait_for 20 md_has_written
	path=$(echo "$RTRS_CLT"/right/paths/*)
	errno-op write "$path/disconnect" 1 >/dev/null
	check "md-leg-closed" wait_for 10 state_is "$b" closed
	wait $verify || rc=$?
	check_equal "md-no-error-with-one-leg" 0 $rc
	expect_errno OK pwrite /dev/md77 4096 4096 direct # so that md tries both legs in any case
	check "md-runs-on-one-leg" wait_for 20 md_is '[U_]'
	errno-op write "$path/reconnect" 1 >/dev/null
	check "md-leg-open-again" wait_for 20 state_is "$b" open
	md_again md "$b"
	md_check md
	check_equal "md-unmap-refused" EBUSY "$(errno_of write "/sys/block/$a/rnbd/unmap_device" normal)"
	check "md-stop" md_stop
	check "md-unmap-left" rnbd_unmap "$a"
	check "md-unmap-right" rnbd_unmap "$b"
}
test_start "md RAID-1"
if modprobe -q raid1 && command -v mdadm >/dev/null; then raid1; else test_skip "md" "no raid1 here"; fi

# --- dm-crypt --------------------------------------------------------------------------------------

crypt() {
	local null disk dm key sum table
	null=$(null_blk_up 32)
	disk=$(rnbd_map "device_path=$null")
	key=$(printf '%0128d' 7)
	table="0 $(sectors "/dev/$disk") crypt aes-xts-plain64 $key 0 /dev/$disk 0"
	if ! dmsetup create rnbd-crypt --noudevsync --table "$table" 2>/dev/null; then
		rnbd_unmap "$disk"
		test_skip "crypt" "this kernel has no aes-xts"
		return
	fi
	dmsetup mknodes rnbd-crypt
	dm=/dev/mapper/rnbd-crypt
	check "crypt-fio" fio_verify $dm randwrite 4k-64k 16 1 300
	dd if=/dev/zero "of=$dm" bs=64k count=64 oflag=direct status=none
	check_fails "crypt-server-sees-no-plaintext" cmp -s -n 65536 "$null" /dev/zero
	sum=$(fill_random $dm)
	dmsetup remove --noudevsync rnbd-crypt
	check "crypt-unmap" rnbd_unmap "$disk"
	disk=$(rnbd_map "device_path=$null")
	table="0 $(sectors "/dev/$disk") crypt aes-xts-plain64 $key 0 /dev/$disk 0"
	dmsetup create rnbd-crypt --noudevsync --table "$table"
	dmsetup mknodes rnbd-crypt
	check_equal "crypt-content-after-mapping-again" "$sum" "$(sum_of $dm)"
	dmsetup remove --noudevsync rnbd-crypt
	rnbd_unmap "$disk"
}
test_start "dm-crypt"
if modprobe -q dm_crypt; then crypt; else test_skip "crypt" "this kernel has no dm-crypt"; fi

# --- LVM with a thin pool --------------------------------------------------------------------------

# without udev, without a configuration file; the device type is the one that the documentation
# tells administrators to add
lvm_base='devices { use_devicesfile=0 scan="/dev" obtain_device_list_from_udev=0 filter=["a|^/dev/rnbd|","r|.*|"] }
activation { udev_sync=0 udev_rules=0 monitoring=0 thin_pool_autoextend_threshold=100 }
global { thin_check_executable="" use_lvmpolld=0 }
backup { backup=0 archive=0 }'
lvm_() { # VERB ARGS...
	local verb=$1
	shift
	local rc=0
	lvm "$verb" -y --config "$lvm_base devices { types=[\"rnbd\",64] }" "$@" >"$LAB_TMP/lvm" 2>&1 || rc=$?
	grep -v 'leaked on' "$LAB_TMP/lvm" || :
	return "$rc"
}
thin() {
	local null disk mnt=$LAB_TMP/mnt
	null=$(null_blk_up 128 discard=1)
	disk=$(rnbd_map "device_path=$null")
	check_fails "lvm-does-not-know-rnbd-by-itself" lvm pvcreate -y --config "$lvm_base" "/dev/$disk"
	check "lvm-pvcreate-with-the-type" lvm_ pvcreate "/dev/$disk"
	check "lvm-vgcreate" lvm_ vgcreate -s 1M rnbdvg "/dev/$disk"
	check "lvm-thin-pool" lvm_ lvcreate -L 80M --poolmetadatasize 4M --poolmetadataspare n \
		-T rnbdvg/pool
	check "lvm-thin-volume" lvm_ lvcreate -V 300M -T rnbdvg/pool -n vol
	check "lvm-node" wait_for 10 test -b /dev/mapper/rnbdvg-vol
	check "lvm-mkfs" mkfs.ext4 -q -E nodiscard /dev/mapper/rnbdvg-vol
	mkdir -p "$mnt"
	mount /dev/mapper/rnbdvg-vol "$mnt"
	defer umount -l "$mnt"
	for n in {1..10}; do head -c $((n * 30000)) /dev/urandom >"$mnt/file$n"; done
	(cd "$mnt" && sha256sum file*) >"$LAB_TMP/SHA256"
	sync
	check "lvm-snapshot" lvm_ lvcreate -s -n snap -kn rnbdvg/vol
	rm "$mnt"/file[1-5]
	echo changed >"$mnt/file6"
	check "lvm-fstrim" fstrim "$mnt"
	umount "$mnt"
	check "lvm-fsck" fsck.ext4 -f -n /dev/mapper/rnbdvg-vol
	# to the same pool from another mapping
	check "lvm-deactivate" lvm_ vgchange -an rnbdvg
	check "lvm-unmap" rnbd_unmap "$disk"
	disk=$(rnbd_map "device_path=$null")
	check "lvm-activate-again" lvm_ vgchange -ay rnbdvg
	wait_for 10 test -b /dev/mapper/rnbdvg-snap
	mount -o noload,ro /dev/mapper/rnbdvg-snap "$mnt" || mount /dev/mapper/rnbdvg-snap "$mnt"
	check "lvm-snapshot-content" env -C "$mnt" sha256sum --quiet -c "$LAB_TMP/SHA256"
	umount "$mnt"
	check "lvm-remove" lvm_ vgremove -f rnbdvg
	check "lvm-unmap-again" rnbd_unmap "$disk"
}
test_start "LVM thin"
if ! modprobe -q dm_thin_pool; then
	test_skip "lvm" "this kernel has no dm-thin-pool"
elif ! command -v lvm >/dev/null; then
	test_skip "lvm" "no lvm here"
else
	thin
fi
check "all-gone" wait_for 10 server_idle

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# md RAID-1, /dev/md77, over two mapped disks. Sourced by a scenario behind lib-abi.sh.

export MDADM_NO_UDEV=1

_md_state() { awk '/^md77 /{ getline; print $NF }' /proc/mdstat; }
md_is() { [ "$(_md_state)" = "$1" ]; } # condition: [UU], [U_], ...
md_idle() { ! grep -qE 'recovery|resync' /proc/mdstat; }

# md_create DISK DISK: a mirror with a bitmap; defer md_stop.
md_create() {
	mdadm --create /dev/md77 --run --level=1 --raid-devices=2 --metadata=1.2 \
		--bitmap=internal --assume-clean "/dev/$1" "/dev/$2"
}

md_stop() { [ ! -e /sys/block/md77/md ] || mdadm --stop /dev/md77; }

# md_again NAME DISK: take a leg that failed and is open again back, and wait for the resync.
md_again() {
	mdadm /dev/md77 --remove "/dev/$2" >/dev/null 2>&1 || :
	check "$1-re-add" mdadm /dev/md77 --re-add "/dev/$2"
	check "$1-recovered" wait_for 60 md_is '[UU]'
	check "$1-idle" wait_for 60 md_idle
}

# md_check NAME: have md compare the legs.
md_check() {
	echo check >/sys/block/md77/md/sync_action
	check "$1-check-finished" wait_for 60 file_is /sys/block/md77/md/sync_action idle
	check_equal "$1-legs-are-equal" 0 "$(cat /sys/block/md77/md/mismatch_cnt)"
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml
#
# Access modes: who may write beside whom, over sessions and over names of one disk; read-only
# mappings on both ends.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up
mapfile -t ram < <(brd_up 2 16)
modprobe rtrs_server sess_queue_depth=32
load_rnbd_server
load_rnbd_client
ln -s "${ram[0]}" /dev/rnbd-test-alias
defer rm -f /dev/rnbd-test-alias

# want ERRNO SESSION MODE [NAME]: map ram0 (by that name) over SESSION; one result.
want() {
	check_equal "${label}-$3-on-$2-gives-$1" "$1" "$(errno_of write "$MAP_DEVICE" \
		"$(map_text "sessname=$2" "device_path=${4:-${ram[0]}}" "access_mode=$3")")"
}

# drop SESSION...: unmap what the sessions have.
drop() {
	local sess disk
	for sess; do
		for disk in $(rnbd_disks); do
			[ "$(rnbd_attr "$disk" session)" != "$sess" ] || rnbd_unmap "$disk"
		done
	done
}

label=abi62-two-writers
test_start "$label"
want OK s1 rw
want EPERM s2 rw
check "abi62-refused-session-is-gone" wait_for 10 gone "$RTRS_CLT/s2"
want OK s2 migration
want EPERM s3 migration
want EPERM s3 rw
want OK s3 ro
want OK s4 ro
drop s1
label=abi62-one-migration-left
want EPERM s1 rw
want OK s1 migration
want EPERM s5 migration
drop s1 s2 s3 s4

label=abi62-migration-first
test_start "$label"
want OK s1 migration
want EPERM s2 rw
want OK s2 migration
want EPERM s3 migration
drop s1 s2

label=abi62-readers-do-not-count
test_start "$label"
want OK s1 ro
want OK s2 ro
want OK s3 rw
drop s1 s2
want EPERM s1 rw
drop s3
want OK s1 rw
drop s1

label=abi63-names
test_start "$label"
want OK s1 rw
want EPERM s2 rw /dev/rnbd-test-alias
want OK s2 migration /dev/rnbd-test-alias
want EPERM s3 migration
check_equal "abi63-one-directory" ram0 "$(entries "$RNBD_SRV_CTL/devices")"
check_equal "abi63-two-sessions" "s1 s2" "$(entries "$RNBD_SRV_CTL/devices/ram0/sessions")"
drop s1 s2

test_start "attributes of the three modes on the server"
for mode in ro rw migration; do
	disk=$(rnbd_map "sessname=s-$mode" "device_path=${ram[0]}" "access_mode=$mode")
	dir=$RNBD_SRV_CTL/devices/ram0/sessions/s-$mode
	check "server-access_mode-$mode" attr_is "$dir/access_mode" "$mode"
	check "abi61-read_only-$mode" attr_is "$dir/read_only" "$([ $mode = ro ] && echo 1 || echo 0)"
	check "client-access_mode-$mode" attr_is "/sys/block/$disk/rnbd/access_mode" "$mode"
	check "client-ro-$mode" attr_is "/sys/block/$disk/ro" "$([ $mode = ro ] && echo 1 || echo 0)"
	expect_errno OK pread "/dev/$disk" 0 4096 direct
	if [ $mode = ro ]; then
		check_equal "abi48-open-for-writing" EPERM "$(errno_of open "/dev/$disk" w)"
		check_equal "abi48-open-for-both" EPERM "$(errno_of open "/dev/$disk" rw)"
		check_equal "abi48-open-for-reading" OK "$(errno_of open "/dev/$disk" r)"
	else
		expect_errno OK pwrite "/dev/$disk" 0 4096 direct
	fi
	drop "s-$mode"
done

test_start "a read-only mapping stays read-only"
sum=$(fill_random "${ram[0]}")
disk=$(rnbd_map "device_path=${ram[0]}" access_mode=ro)
check_equal "ro-reads" "$sum" "$(sum_of "/dev/$disk")"
blockdev --setrw "/dev/$disk" 2>/dev/null || :
check_equal "ro-write-after-setrw" EPERM "$(errno_of pwrite "/dev/$disk" 0 4096 direct)"
check_equal "ro-content-unchanged" "$sum" "$(sum_of "${ram[0]}")"
rnbd_unmap "$disk"

test_start "a read-only backing disk"
blockdev --setro "${ram[1]}"
check_equal "abi26-rw-EACCES" EACCES "$(errno_of write "$MAP_DEVICE" \
	"$(map_text "device_path=${ram[1]}" access_mode=rw)")"
disk=$(rnbd_map "device_path=${ram[1]}" access_mode=ro)
expect_errno OK pread "/dev/$disk" 0 4096 direct
rnbd_unmap "$disk"
blockdev --setrw "${ram[1]}"
disk=$(rnbd_map "device_path=${ram[1]}" access_mode=rw)
check "rw-when-writable-again" fio_verify "/dev/$disk" randwrite 4k-32k 8 1 100
rnbd_unmap "$disk"
check "all-gone" wait_for 10 server_idle

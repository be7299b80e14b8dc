#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml
#
# What goes wrong on the server's disk is seen by the application as if the disk were local: each
# row makes one block status, and the errno of the same read or write is compared on both ends.
# Producers that a kernel lacks are skipped; the tables of the conversion are tested by KUnit.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
load_rnbd_client

# same NAME ERRNO OP OFFSET [LENGTH]: OP (pread or pwrite) of the disks $backing and $disk. Two
# results: the local errno is ERRNO, and the remote one is the same.
same() {
	local name=$1 want=$2 op=$3 offset=$4 len=${5:-4096} here there
	here=$(errno_of "$op" "$backing" "$offset" "$len" direct)
	check_equal "$name-at-the-server" "$want" "$here"
	there=$(errno_of "$op" "/dev/$disk" "$offset" "$len" direct)
	check_equal "$name" "$want" "$there"
}

# begin BACKING: map it; done_with NAME: it is open as ever, unmap it.
begin() {
	backing=$1
	disk=$(rnbd_map "device_path=$backing")
}
done_with() {
	check "$1-still-open" state_is "$disk" open
	check "$1-unmap" rnbd_unmap "$disk"
}

null=$(null_blk_up 16)
len=$(sectors "$null")

test_start "dm-error: no answer but an error"
begin "$(dm_up rnbd-error "0 2048 linear $null 0
2048 2048 error
4096 $((len - 4096)) linear $null 4096")"
same error-read EIO pread 1048576
same error-write EIO pwrite 1048576
same error-read-beside-it OK pread $((1048576 - 4096))
same error-write-beside-it OK pwrite 2097152
same error-read-half-in-it EIO pread $((1048576 - 4096)) 8192
done_with error

if modprobe -q dm_flakey; then
	test_start "dm-flakey: down, and down for writes only"
	begin "$(dm_up rnbd-flakey "0 $len flakey $null 0 0 3600")"
	same flakey-read EIO pread 0
	same flakey-write EIO pwrite 0
	done_with flakey
	begin "$(dm_up rnbd-flakey-w "0 $len flakey $null 0 0 3600 1 error_writes")"
	same flakey-w-read OK pread 0
	same flakey-w-write EIO pwrite 0
	done_with flakey-w
else
	test_skip "flakey" "this kernel has no dm-flakey"
fi

if modprobe -q dm_dust; then
	test_start "dm-dust: a bad block that a write repairs"
	begin "$(dm_up rnbd-dust "0 $len dust $null 0 4096")"
	dmsetup message rnbd-dust 0 addbadblock 3
	dmsetup message rnbd-dust 0 enable
	same dust-read EIO pread $((3 * 4096))
	same dust-read-beside-it OK pread $((4 * 4096))
	expect_errno OK pwrite "/dev/$disk" $((3 * 4096)) 4096 direct
	same dust-read-after-the-write OK pread $((3 * 4096))
	done_with dust
else
	test_skip "dust" "this kernel has no dm-dust"
fi

test_start "null_blk with bad blocks"
begin "$(null_blk_up 16 badblocks=+8-15)"
same badblocks-read EIO pread 4096
same badblocks-write EIO pwrite 4096
same badblocks-read-beside-it OK pread 0
done_with badblocks

if modprobe -q dm_thin_pool; then
	test_start "a thin pool without room"
	meta=$(null_blk_up 4) data=$(null_blk_up 4)
	dm_up rnbd-pool "0 8192 thin-pool $meta $data 128 0 1 error_if_no_space" >/dev/null
	dmsetup message rnbd-pool 0 create_thin 0
	begin "$(dm_up rnbd-thin "0 65536 thin /dev/mapper/rnbd-pool 0")"
	check "thin-fill" dd if=/dev/zero "of=/dev/$disk" bs=64k count=64 oflag=direct status=none
	same thin-write ENOSPC pwrite $((8 * 1048576))
	same thin-rewrite OK pwrite 0
	same thin-read-of-nothing OK pread $((8 * 1048576))
	done_with thin
else
	test_skip "thin" "this kernel has no dm-thin-pool"
fi

if modprobe -q dm_integrity; then
	test_start "dm-integrity: content and checksum differ"
	under=$(null_blk_up 8)
	# formats itself when it finds zeros; the first table is small as its size is not known yet
	dmsetup create rnbd-format --noudevsync \
		--table "0 8 integrity $under 0 4 J 1 internal_hash:crc32"
	size=$(dmsetup status rnbd-format | cut -d' ' -f5)
	dmsetup remove --noudevsync rnbd-format
	begin "$(dm_up rnbd-integrity "0 $size integrity $under 0 4 D 1 internal_hash:crc32")"
	check "integrity-fill" dd if=/dev/zero "of=/dev/$disk" bs=64k count=16 oflag=direct status=none
	same integrity-read-good OK pread 65536
	# behind its back: whatever is there, some of the data change
	dd if=/dev/zero bs=1M count=2 status=none | tr '\0' x |
		dd "of=$under" bs=1M seek=5 oflag=direct status=none
	for ((bad = 0; bad < size * 512; bad += 65536)); do
		[ "$(errno_of pread "$backing" $bad 4096 direct)" = OK ] || break
	done
	same integrity-read-bad EILSEQ pread $bad
	done_with integrity
else
	test_skip "integrity" "this kernel has no dm-integrity"
fi

test_start "a disk that went away"
backing=$(null_blk_up 16)
disk=$(rnbd_map "device_path=$backing")
config=/sys/kernel/config/nullb/${backing#/dev/}
exec 7<"$backing" 8<"/dev/$disk"
echo 0 >"$config/power"
read_fd() { dd bs=4k count=1 iflag=direct status=none of=/dev/null; }
gone_here=$(read_fd <&7 2>&1 | sed 's/.*: //') || :
gone_there=$(read_fd <&8 2>&1 | sed 's/.*: //') || :
note "at the server: $gone_here"
check_equal "gone-read" "Input/output error" "$gone_there"
exec 7<&- 8<&-
expect_errno EIO pwrite "/dev/$disk" 0 4096 direct
done_with gone
check "gone-server-lets-go" wait_for 10 server_idle
echo 1 >"$config/power"
wait_for 5 test -b "$backing"
disk=$(rnbd_map "device_path=$backing")
expect_errno OK pwrite "/dev/$disk" 0 4096 direct
rnbd_unmap "$disk"

test_start "a disk that has shrunk"
backing=$(loop_up 16)
disk=$(rnbd_map "device_path=$backing")
file=$(losetup -n -O BACK-FILE "$backing")
truncate -s 8M "$file"
losetup -c "$backing"
expect_errno EIO pread "/dev/$disk" $((12 * 1048576)) 4096 direct
expect_errno EIO pwrite "/dev/$disk" $((8 * 1048576 - 4096)) 8192 direct
expect_errno OK pwrite "/dev/$disk" $((8 * 1048576 - 4096)) 4096 direct
done_with shrunk

# --- SCSI: all that a disk can report -------------------------------------------------------------

# sectors 64 to 71 cannot be read
if scsi=$(scsi_debug_up medium_error_start=64 medium_error_count=8 opts=2); then
	test_start "SCSI: medium error"
	begin "$scsi"
	same scsi-medium-read ENODATA pread $((64 * 512))
	same scsi-medium-read-beside-it OK pread 0

	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
	address=$(basename "$(realpath "/sys/block/${scsi#/dev/}/device")")
	inject=/sys/kernel/debug/scsi_debug/$address/error
	if [ -e "$inject" ]; then
		test_start "SCSI: statuses made to order"
		# each row: name, errno, then host byte, driver byte, status, sense key, asc, ascq
		while read -r name want bytes; do
			for op in pread:0x28 pwrite:0x2a; do
				# type 2: end the command so; 1: always
				echo "2 1 ${op#*:} $bytes" >"$inject"
				same "scsi-$name-${op%:*}" "$want" "${op%:*}" 1048576
				echo "- 2 ${op#*:}" >"$inject"
			done
		done <<-ROWS
			target EREMOTEIO 0 0 0x2 0x4 0x44 0
			reservation EBADE 0 0 0x18 0 0 0
			transport ENOLINK 0xf 0 0 0 0 0
			nospace ENOSPC 0 0 0x2 0x7 0x27 0x7
			protection EILSEQ 0 0 0x2 0x5 0x10 0x1
			io-error EIO 7 0 0 0 0 0
		ROWS
		same scsi-well-again OK pread 1048576
	else
		test_skip "scsi-statuses" "scsi_debug of this kernel cannot be told what to answer"
	fi

	test_start "SCSI: offline"
	echo offline >"/sys/block/${scsi#/dev/}/device/state"
	expect_errno EIO pread "/dev/$disk" 0 4096 direct
	expect_errno EIO pwrite "/dev/$disk" 0 4096 direct
	echo running >"/sys/block/${scsi#/dev/}/device/state"
	same scsi-running-again OK pread 0
	done_with scsi
else
	test_skip "scsi" "this kernel has no scsi_debug"
fi
check "all-gone" wait_for 10 server_idle

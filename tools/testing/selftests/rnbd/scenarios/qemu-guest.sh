#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=uml tier=full mem=2G programs=qemu-system-x86_64,grub-mkimage machine=6.12
#
#	server: null_blk ---- two links, rxe on each ---- client: a virtual machine on /dev/rnbd0
#
# A virtual machine whose only disk is a mapped device: SeaBIOS starts GRUB from it, GRUB loads
# Debian's kernel from its first partition, and that makes a file system on the second one and
# writes files there while paths flap. Then its host looks at the disk, and after the link was lost
# and found again a second start reads the files back. Only where the outer guest runs natively: an
# emulator inside of an emulator takes minutes to boot (there: qemu-disk).
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

FILES=12 # of 1 MiB, written in turn
serial=$LAB_TMP/serial
machine=$RNBD_TESTS/machine

rxe_up 2
modprobe rtrs_server sess_queue_depth=128
load_rnbd_server
load_rnbd_client
backing=$(null_blk_up 128 discard=1 cache_size=4)
disk=$(rnbd_map "device_path=$backing" "$(path_args 0 1)")
sess_attr hold_time_ms 60000

# --- what the machine boots from ------------------------------------------------------------------

# put PROGRAM...: with its libraries into the machine's root
put() {
	local program file
	for program; do
		for file in "$(command -v "$program")" $(/lib64/ld-linux-x86-64.so.2 --list \
			"$(command -v "$program")" | grep -o '/[^ ]*'); do
			mkdir -p "$LAB_TMP/root${file%/*}"
			cp "$file" "$LAB_TMP/root$file"
		done
	done
}

# The first process of the machine. What it says to the serial line begins with "machine:"; a line
# that comes from there ends the writing.
init_of_machine() {
	cat <<-'INIT'
	#!/bin/busybox sh
	/bin/busybox --install -s /bin
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs devtmpfs /dev
	say() { echo "machine: $*" >/dev/ttyS0; }
	off() { say "$@"; poweroff -f; }
	trap 'off "ended early"' EXIT
	for file in /modules/*.ko; do insmod "$file" || say "insmod $file failed"; done
	disk=/dev/vda2
	for n in 1 2 3 4 5 6 7 8 9; do [ -b $disk ] || sleep 1; done
	say "up, disk of $(cat /sys/block/vda/size) sectors"

	read_back() {
		cd /mnt && sha256sum -c sums >/tmp/bad && say "read $(wc -l <sums) files" && cd / ||
			off "bad files: $(grep -v OK /tmp/bad)"
	}
	write_until() { # FILE is there, and for at least one round
		n=0
		while [ ! -e "$1" ] || [ $n -lt $FILES ]; do
			file=file$((n % FILES))
			head -c 1M /dev/urandom >/tmp/new
			dd if=/tmp/new of=/mnt/$file bs=64k conv=fsync 2>/dev/null || off "write failed"
			(cd /tmp && sha256sum new) | sed "s/new/$file/" >/tmp/sum.$((n % FILES))
			n=$((n + 1))
			say "wrote $n"
		done
		cat /tmp/sum.* >/mnt/sums && sync
	}

	if mount -t ext4 $disk /mnt; then
		read_back
	else
		mkfs.ext4 -q -F $disk && mount -t ext4 $disk /mnt || off "no file system"
		(read -r line </dev/ttyS0; : >/tmp/stop) &
		write_until /tmp/stop
		say "wrote all"
		umount /mnt && mount -t ext4 $disk /mnt || off "cannot mount again"
		read_back
	fi
	umount /mnt || off "cannot unmount"
	trap - EXIT
	off "done"
	INIT
}

initrd() {
	mkdir -p "$LAB_TMP"/root/{bin,dev,proc,sys,tmp,mnt,modules,etc}
	cp "$(command -v busybox)" "$LAB_TMP/root/bin/busybox"
	cp "$machine"/*.ko "$LAB_TMP/root/modules"
	put mkfs.ext4
	init_of_machine | sed "s/\$FILES/$FILES/g; s/% FILES/% $FILES/g" >"$LAB_TMP/root/init"
	chmod 755 "$LAB_TMP/root/init"
	(cd "$LAB_TMP/root" && find . | busybox cpio -o -H newc 2>/dev/null)
}

# GRUB without its menu: BIOS loads boot.img from the first sector, that the sectors behind it.
grub() {
	cat >"$LAB_TMP/grub.cfg" <<-'CONFIG'
		serial --unit=0
		terminal_output serial
		echo GRUB has started from the disk
		set root=(hd0,msdos1)
		linux /vmlinuz console=ttyS0 loglevel=4 panic=-1 nokaslr mitigations=off tsc=reliable no_timer_check tsc_early_khz=2000000 cryptomgr.notests random.trust_cpu=on
		initrd /initrd
		boot
	CONFIG
	grub-mkimage -O i386-pc -d /usr/lib/grub/i386-pc -p / -o "$LAB_TMP/core.img" \
		-c "$LAB_TMP/grub.cfg" boot linux biosdisk part_msdos ext2 serial terminal echo
	dd if=/usr/lib/grub/i386-pc/boot.img "of=/dev/$disk" bs=440 count=1 conv=fsync status=none
	dd if="$LAB_TMP/core.img" "of=/dev/$disk" seek=1 conv=fsync status=none
}

install_machine() {
	sfdisk -q "/dev/$disk" <<-END
		label: dos
		start=2048, size=48MiB, type=83, bootable
		type=83
	END
	wait_for 10 test -b "/dev/${disk}p2"
	mkfs.ext4 -q -O ^metadata_csum_seed,^orphan_file "/dev/${disk}p1"
	mount "/dev/${disk}p1" /mnt
	cp "$machine/vmlinuz" /mnt/vmlinuz
	initrd >/mnt/initrd
	umount /mnt
	grub
}

# --- the machine ----------------------------------------------------------------------------------

qemu=
power_off() { [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || :; }
defer power_off

# power_on AIO: start it; $qemu is the process. A line for its serial port is written to fd 8.
power_on() {
	: >"$serial"
	rm -f "$LAB_TMP/keys"
	mkfifo "$LAB_TMP/keys"
	exec 8<>"$LAB_TMP/keys"
	timeout -k 5 240 qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
		-M pc,hpet=off -accel tcg -cpu max -m 192 \
		-drive "file=/dev/$disk,if=virtio,format=raw,cache=none,aio=$1,discard=unmap" \
		-chardev stdio,id=serial,signal=off -serial chardev:serial \
		<"$LAB_TMP/keys" >"$serial" 2>"$LAB_TMP/qemu.err" &
	qemu=$!
}

show() { note "$(tail -n 30 "$serial" "$LAB_TMP/qemu.err")"; }
said_or_off() { said "$1" || ! kill -0 "$qemu"; }
said() { grep -aqE "$1" "$serial"; }
# ended NAME: it said that all was well, and went off by itself.
ended() {
	local rc=0
	wait "$qemu" || rc=$?
	exec 8>&-
	check_equal "$1-machine-is-off" 0 "$rc"
	check "$1-machine-is-content" said "machine: done"
	[ "$rc" = 0 ] || show
}
# wrote: how many files so far; wrote_more THAN: condition.
wrote() { grep -ac "machine: wrote [0-9]" "$serial" || :; }
wrote_more() { [ "$(wrote)" -gt "$1" ]; }
# says NAME SECONDS REGEX: one result; if it does not say that in time the scenario ends.
says() {
	wait_for "$2" said_or_off "$3"
	said "$3" || show
	require "$1" said "$3"
}
# booted NAME: wait until it is up.
booted() {
	says "$1-boot-loader" 60 "GRUB has started"
	says "$1-kernel" 100 "machine: up, disk of $(sectors "/dev/$disk") sectors"
}

test_start "install"
install_machine

test_start "first start: writes while paths flap"
power_on native
booted first
check "first-writes" wait_for 60 wrote_more 2
for n in 0 1 0 1; do
	before=$(wrote)
	check_equal "first-path-$n-lost" OK "$(path_do "$n" disconnect)"
	check "first-path-$n-machine-writes" wait_for 60 wrote_more $((before + 1))
	path_do "$n" reconnect >/dev/null
	wait_for 20 path_is "$n" connected
done
for n in 0 1; do path_do "$n" disconnect >/dev/null; done
check "first-no-path" wait_for 10 paths_are 0
waits() { # a request is in one of the queues, none of which runs until the link is back
	find "/sys/kernel/debug/block/$disk" \( -name '*list' -o -name 'dispatch*' \) -exec cat {} + |
		grep .
}
check "first-machine-waits" wait_for 10 waits
for n in 0 1; do path_do "$n" reconnect >/dev/null; done
before=$(wrote)
check "first-machine-writes-again" wait_for 60 wrote_more $((before + 1))
echo stop >&8
check "first-machine-has-written" wait_for 60 said "machine: wrote all"
ended first
check "first-machine-read" said "machine: read $FILES files"
note "$(wrote) files written"

test_start "the host looks at the disk"
blockdev --flushbufs "/dev/$disk"
check_equal "host-same-bytes-as-the-server" "$(sum_of "$backing")" "$(sum_of "/dev/$disk")"
for n in 1 2; do check "host-fsck-$n" e2fsck -fn "/dev/${disk}p$n"; done
mount -o ro "/dev/${disk}p2" /mnt
check "host-checksums" eval '(cd /mnt && sha256sum --quiet -c sums)'
check_equal "host-files" "$FILES" "$(wc -l </mnt/sums)"
umount /mnt

test_start "second start: after the link was lost and found"
sess_attr hold_time_ms 0
for n in 0 1; do path_do "$n" disconnect >/dev/null; done
check "second-closed" wait_for 10 state_is "$disk" closed
for n in 0 1; do path_do "$n" reconnect >/dev/null; done
check "second-open" wait_for 20 state_is "$disk" open
power_on io_uring
booted second
ended second
check "second-machine-read" said "machine: read $FILES files"
check_equal "second-wrote-nothing" 0 "$(wrote)"

check "unmap" rnbd_unmap "$disk"
check "all-gone" wait_for 10 server_idle

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=400 kernel=any,uml full=any mem=2G programs=qemu-img,qemu-io
#
#	server: null_blk ---- two links, rxe on each ---- client: QEMU's block layer on /dev/rnbd0
#
# A mapped disk as the disk of a virtual machine. A whole machine inside of an emulated one would
# take minutes (qemu-guest has one, in User Mode Linux): qemu-io and qemu-img do what its disk does,
# by the same code (host_device, O_DIRECT, Linux AIO or io_uring, discard, write zeroes, flush). Even
# so it takes one to two minutes on the stock kernels.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

rxe_up 2
modprobe rtrs_server sess_queue_depth=128
load_rnbd_server
load_rnbd_client

# qemu_io FORMAT AIO COMMAND...: qemu-io on the disk as a machine with cache=none,discard=unmap has
# it; fails if a command does. By itself it ends well then, and only says so.
qemu_io() {
	local args=() cmd out rc=0
	for cmd in "${@:3}"; do args+=(-c "$cmd"); done
	out=$(timeout 60 qemu-io -t none -i "$2" -d unmap -f "$1" "/dev/$disk" "${args[@]}" 2>&1) || rc=1
	! grep -iE 'fail|error' <<<"$out" || rc=1
	return $rc
}
io() { qemu_io raw "$@"; }
qcow() { qemu_io qcow2 native "$@"; }
# image ARGS...: qemu-img, bounded
image() { timeout 120 qemu-img "$@"; }
bench() { # AIO ARGS...
	image bench -t none -i "$1" -f raw "${@:2}" "/dev/$disk"
}
# stat_of FIELD: a counter of the server's disk
stat_of() { awk -v "n=$1" '{ print $n }' "/sys/block/${backing#/dev/}/stat"; }
# counted NAME FIELD CMD...: CMD succeeds and makes that counter grow
counted() {
	local name=$1 field=$2 before
	before=$(stat_of "$field")
	check "$name" "${@:3}"
	check "$name-reaches-the-server" test "$(stat_of "$field")" -gt "$before"
}
begin() { # KEY=VALUE...: of null_blk
	backing=$(null_blk_up 64 discard=1 "$@")
	disk=$(rnbd_map "device_path=$backing" "$(path_args 0 1)")
}

for name in native-512 io_uring-4096 threads-512; do
	aio=${name%-*} block=${name#*-}
	test_start "$aio, blocks of $block bytes"
	begin "blocksize=$block" cache_size=4
	# 512 bytes at an odd sector: QEMU reads, changes and writes where the disk's blocks are larger
	check "$name-write-and-read" io "$aio" "write -P 1 0 1M" "write -P 2 512 512" \
		"write -P 3 65536 4096" "read -P 1 0 512" "read -P 2 512 512" "read -P 1 1024 64512" \
		"read -P 3 65536 4096"
	check "$name-many-at-once" io "$aio" "aio_write -P 4 2M 256k" "aio_write -P 5 3M 1M" \
		"aio_write -P 6 5M 4k" "aio_flush" "read -P 4 2M 256k" "read -P 5 3M 1M" "read -P 6 5M 4k"
	check_fails "$name-notices-a-wrong-byte" io "$aio" "read -P 9 2M 4k"
	check "$name-vectors" io "$aio" "writev -P 7 8M 4k 8k 512 3584" "readv -P 7 8M 512 512 15k"
	check "$name-zeroes" io "$aio" "write -z 3M 512k" "read -P 0 3M 512k" "read -P 5 3584k 512k"
	check "$name-zeroes-by-unmapping" io "$aio" "write -z -u 3584k 256k" "read -P 0 3584k 256k" \
		"read -P 5 3840k 256k"
	counted "$name-discard" 12 io "$aio" "discard 2M 256k" "read -P 0 2M 256k" "read -P 6 5M 4k"
	counted "$name-flush" 16 io "$aio" "write -P 8 6M 4k" "flush"
	counted "$name-fua" 16 io "$aio" "write -f -P 8 7M 4k"
	check "$name-bench-reads" bench "$aio" -c 300 -d 16 -s 4096 -S 36864
	check "$name-bench-writes" bench "$aio" -w --pattern=7 -c 300 -d 16 -s 16k --flush-interval=50
	check "$name-bench-wrote" io "$aio" "read -P 7 0 1M"
	check "$name-unmap" rnbd_unmap "$disk"
	wait_for 10 nothing_mapped
done

# --- images ---------------------------------------------------------------------------------------

test_start "an image is copied to the disk and back"
begin
head -c 20M /dev/urandom >"$LAB_TMP/image"
truncate -s 64M "$LAB_TMP/image"
# the image is in memory, where not every kernel knows O_DIRECT
check "convert-to-the-disk" image convert -n -t none -f raw -O raw -W "$LAB_TMP/image" "/dev/$disk"
check_equal "server-has-the-image" "$(sha256sum <"$LAB_TMP/image" | cut -d' ' -f1)" \
	"$(sum_of "$backing")"
check "convert-from-the-disk" image convert -T none -f raw -O raw "/dev/$disk" "$LAB_TMP/back"
check "same-image" cmp "$LAB_TMP/image" "$LAB_TMP/back"
compare() { image compare -f raw -F raw "$LAB_TMP/image" "/dev/$disk" 2>&1 || :; }
check_equal "compare" "Images are identical." "$(compare)"
dd if=/dev/zero "of=/dev/$disk" bs=4k seek=1000 count=1 oflag=direct status=none
check_equal "compare-notices-a-block" "Content mismatch at offset 4096000!" "$(compare)"

test_start "a qcow2 image on the disk, with a snapshot, mapped again"
check "qcow2-create" image create -q -f qcow2 "/dev/$disk" 256M
check "qcow2-write" qcow "write -P 1 0 4M" "write -P 2 200M 1M"
check "qcow2-snapshot" image snapshot -c before "/dev/$disk"
check "qcow2-write-after" qcow "write -P 3 1M 1M" "discard 200M 1M" "write -z -u 2M 1M"
rnbd_unmap "$disk"
wait_for 10 nothing_mapped
disk=$(rnbd_map "device_path=$backing" "$(path_args 0 1)")
check "qcow2-check" image check -f qcow2 "/dev/$disk"
check "qcow2-read" qcow "read -P 1 0 1M" "read -P 3 1M 1M" "read -P 0 2M 1M" "read -P 1 3M 1M" \
	"read -P 0 200M 1M"
check "qcow2-back-to-the-snapshot" image snapshot -a before "/dev/$disk"
check "qcow2-read-snapshot" qcow "read -P 1 0 4M" "read -P 2 200M 1M"

# --- paths and server come and go -----------------------------------------------------------------

test_start "paths flap under a busy disk"
writes() { # until the file stop is there
	local n=0
	while [ ! -e "$LAB_TMP/stop" ]; do
		n=$((n % 9 + 1))
		bench native -w --pattern=$n -c 1000 -d 16 -s 8k || return 1
	done
	io native "read -P $n 0 8000k"
}
writes >"$LAB_TMP/bench" 2>&1 &
writer=$!
flap() {
	local n
	for n in 0 1 0 1; do
		wait_for 20 paths_are 2 || return 1
		errno-op write "$(clt_path $n)/disconnect" 1 >/dev/null
		[ "$(path_up $n)" = OK ] || return 1
	done
}
before=$(awk '{ print $5 }' "/sys/block/$disk/stat")
written() { [ "$(awk '{ print $5 }' "/sys/block/$disk/stat")" -gt $((before + $1)) ]; }
check "writer-has-begun" wait_for 20 written 20
check "flap" flap
check "writer-goes-on" kill -0 $writer
touch "$LAB_TMP/stop"
rc=0
wait $writer || { rc=$? && note "$(<"$LAB_TMP/bench")"; }
check_equal "writes-while-paths-flap" 0 $rc

test_start "no path: the error that makes a machine stop or report it"
for n in 0 1; do errno-op write "$(clt_path $n)/disconnect" 1 >/dev/null; done
check "closed" wait_for 10 state_is "$disk" closed
check_match "write-fails" "Input/output error" "$(timeout 60 qemu-io -t none -i native -f raw \
	-c "write 0 4k" "/dev/$disk" 2>&1 || :)"
for n in 0 1; do check_equal "reconnect-$n" OK "$(path_up $n)"; done
check "open-again" wait_for 20 state_is "$disk" open
check "write-after-it" io native "write -P 5 0 4k" "read -P 5 0 4k"
check "unmap" rnbd_unmap "$disk"
check "all-gone" wait_for 10 server_idle

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=1500 kernel=6.12 icount=yes mem=3G programs=verbs-floor
#
# Runs in one guest whose time is executed instructions: every contender carries the same
# requests over the same Soft-RoCE link to the same null_blk disk. Prints, for bench.py,
#	BENCH <contender> <rw> <block size> <queue depth> <mean latency in us>
#	COST <contender> <rw> <side> <quantity> <per request>
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-trace.sh"

DISK=/dev/nullb0
# rw, block size, queue depth, requests: few enough to be quick, enough to repeat to about 1 %
CELLS="randread 4k 1 400
randwrite 4k 1 400
randread 4k 32 3000
randwrite 4k 32 3000
read 128k 4 600
write 128k 4 600"
[ -z "${BENCH_CELLS:-}" ] || CELLS=$BENCH_CELLS

# fio_cell DEV RW BS QD COUNT: mean latency in microseconds (terse version 3: fields 40 and 81)
fio_cell() {
	fio --name=j "--filename=$1" --direct=1 --ioengine=libaio "--rw=$2" "--bs=$3" \
		"--iodepth=$4" "--number_ios=$5" --randrepeat=1 --norandommap --thread \
		--minimal --terse-version=3 |
		awk -F';' '/^3;/ { print ($8 > 0) ? $40 : $81 }'
}

# cells CONTENDER DEV
cells() {
	local round rw bs qd count
	echo none >"/sys/block/${2#/dev/}/queue/scheduler"
	fio_cell "$2" randrw 4k 8 200 >/dev/null
	for ((round = 0; round < ${BENCH_ROUNDS:-3}; round++)); do
		while read -r rw bs qd count; do
			echo "BENCH $1 $rw $bs $qd $(fio_cell "$2" "$rw" "$bs" "$qd" "$count")"
		done <<<"$CELLS"
	done
}

# costs CONTENDER DEV: traced 4 KiB requests at depth 4
costs() {
	local rw
	[ -z "${BENCH_CELLS:-}" ] || return 0
	for rw in randread randwrite; do
		trace_io_start
		fio_cell "$2" "$rw" 4k 4 200 >/dev/null
		trace_io_stop
		trace_io_counts 200 | sed "s/^/COST $1 $rw /"
	done
}

bench_rnbd() { # CONTENDER PARAM-OF-RTRS_SERVER...
	local name=$1 disk
	shift
	modprobe rtrs_server "$@"
	load_rnbd_server
	load_rnbd_client
	trace_sides_start
	disk=$(rnbd_map "device_path=$DISK")
	trace_sides_stop
	cells "$name" "/dev/$disk"
	costs "$name" "/dev/$disk"
	rnbd_unmap "$disk"
	unload_all
}

nvmet_up() {
	local c=/sys/kernel/config/nvmet s p
	s=$c/subsystems/bench p=$c/ports/1
	modprobe nvmet_rdma
	mkdir "$s" "$p"
	echo 1 >"$s/attr_allow_any_host"
	mkdir "$s/namespaces/1"
	echo -n "$DISK" >"$s/namespaces/1/device_path"
	echo 1 >"$s/namespaces/1/enable"
	echo rdma >"$p/addr_trtype"
	echo ipv4 >"$p/addr_adrfam"
	server_addr >"$p/addr_traddr"
	echo 4420 >"$p/addr_trsvcid"
	ln -s "$s" "$p/subsystems/bench"
}

nvmet_down() {
	local c=/sys/kernel/config/nvmet
	rm "$c/ports/1/subsystems/bench"
	rmdir "$c/ports/1" "$c/subsystems/bench/namespaces/1" "$c/subsystems/bench"
}

bench_nvme() {
	local id=00000000-0000-4000-8000-000000000001
	modprobe nvme_core multipath=N # the plain disk, without the multipath device on top
	nvmet_up
	modprobe nvme_rdma
	trace_sides_start
	nvme connect -t rdma -a "$(server_addr)" -s 4420 -n bench \
		-q "nqn.2014-08.org.nvmexpress:uuid:$id" -I "$id" >/dev/null
	wait_for 10 test -b /dev/nvme0n1
	trace_sides_stop
	cells nvme-rdma /dev/nvme0n1
	costs nvme-rdma /dev/nvme0n1
	nvme disconnect -n bench >/dev/null
	nvmet_down
}

bench_nbd() {
	printf '[generic]\nlistenaddr=%s\n[bench]\nexportname=%s\nflush=true\n' \
		"$(server_addr)" "$DISK" >"$LAB_TMP/nbd.conf"
	nbd-server -C "$LAB_TMP/nbd.conf" -p "$LAB_TMP/nbd.pid"
	modprobe nbd nbds_max=1 max_part=0
	nbd-client "$(server_addr)" -N bench /dev/nbd0 -b 512 >/dev/null 2>&1
	cells nbd /dev/nbd0
	nbd-client -d /dev/nbd0 >/dev/null
	kill "$(<"$LAB_TMP/nbd.pid")"
}

# The same messages without a block layer: verbs-floor (see there).
bench_floor() {
	local rw bs qd count bytes mode name
	while read -r rw bs qd count; do
		bytes=$((${bs%k} * 1024))
		mode="write"
		[[ $rw == *write ]] || mode=read-ai
		# shellcheck disable=SC2034 # "name ... lat_ns" are fixed words of the output
		read -r _ name _ _ _ ns < <(verbs-floor "$(server_addr)" "$mode" "$bytes" "$qd" "$count")
		echo "BENCH floor $rw $bs $qd $((ns / 1000)).$((ns % 1000 / 100))"
	done <<<"$CELLS"
}

rxe_up
ulimit -l unlimited
modprobe null_blk nr_devices=1 queue_mode=2 irqmode=0
_undo_later wait_for 10 rmmod null_blk
for contender in ${BENCH_CONTENDERS:-floor rnbd rnbd-noai nvme-rdma nbd}; do
	test_start "$contender"
	case $contender in
	rnbd) bench_rnbd rnbd ;;
	rnbd-noai) bench_rnbd rnbd-noai always_invalidate=N ;;
	nvme-rdma) bench_nvme ;;
	nbd) bench_nbd ;;
	floor) bench_floor ;;
	esac
	test_ok "$contender"
done

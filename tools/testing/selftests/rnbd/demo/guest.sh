#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=2 roles=server,client links=1 timeout=170
#
#	server: /dev/vda = /srv/volumes/vol1 --- virtual cable, rxe at both ends --- client: rnbd0
#
# What `make demo` shows, run in both guests; demo.py starts them and prints the transcript. Each
# step is a command as one would type it, with its output, one line of explanation, and a check.
. "${0%/*}/../lib.sh"

SRV=192.168.7.1
CLT=192.168.7.2

title() { echo "@title $*"; }

# _type COMMAND: show it, run it, show what it said (kept in LAB_TMP/said); its status.
_type() {
	local rc=0
	echo "@cmd ${1//$'\n'/$'\n'@more }"
	bash -c "$1" >"$LAB_TMP/said" 2>&1 </dev/null || rc=$?
	sed 's/^/@out /' "$LAB_TMP/said"
	return $rc
}

# run COMMAND EXPLANATION [REGEX]: must succeed, and say what matches REGEX. A failure ends the
# demonstration.
run() {
	local rc=0
	_type "$1" || rc=$?
	[ $rc = 0 ] || _stop "$1" "status $rc"
	[ -z "${3:-}" ] || grep -qE -- "$3" "$LAB_TMP/said" || _stop "$1" "no '$3' in the output"
	echo "@say $2"
	test_ok "$1"
}

# refused COMMAND EXPLANATION REGEX: must fail, with words that match REGEX.
refused() {
	local rc=0
	_type "$1" || rc=$?
	[ $rc != 0 ] || _stop "$1" "succeeded"
	grep -qE -- "$3" "$LAB_TMP/said" || _stop "$1" "no '$3' in the output"
	echo "@say $2"
	test_ok "refused: $1"
}

_stop() {
	test_fail "$1" "$2"
	exit 1
}

# rdma_link ADDRESS: what both machines need before anything else.
rdma_link() {
	modprobe -q virtio_net || :
	wait_for 20 test -e /sys/class/net/eth0
	run "ip link set eth0 mtu 4200 up && ip address add $1/24 dev eth0" \
		"An ordinary network card. Packets of 4200 bytes carry 4 KiB in one piece."
	run "modprobe rdma_rxe && rdma link add rxe0 type rxe netdev eth0" \
		"Soft-RoCE gives it RDMA. With RDMA hardware this step falls away."
	run "rdma link show" "The RDMA device is there." "rxe0/1 state ACTIVE"
}

no_entries() { [ -z "$(ls -A "$1")" ]; }

server() {
	title "The server: a disk to export"
	rdma_link $SRV
	modprobe -q virtio_blk || :
	wait_for 20 test -b /dev/vda
	run "lsblk /dev/vda" "A disk of the server: the volume that we are going to export." vda
	run "head -n 2 /dev/vda" "It has content already." "volume of the server"
	run "mkdir -p /srv/volumes && ln -s /dev/vda /srv/volumes/vol1 && ls -l /srv/volumes" \
		"Whatever has a name in this directory can be mapped, nothing else." "vol1 -> /dev/vda"
	run "modprobe rnbd_server dev_search_path=/srv/volumes" \
		"That was all: the server listens on every RDMA device, port 1234."
	signal server-ready

	await mapped 90
	title "The server: who uses what"
	run "ls /sys/class/rnbd-server/ctl/devices/ /sys/class/rnbd-server/ctl/devices/*/sessions" \
		"The server shows each exported disk and the sessions that have it open." "^demo$"
	run "cd /sys/class/rnbd-server/ctl/devices/vda/sessions/demo && grep . access_mode mapping_path" \
		"The session demo may read and write it, and knows it as vol1." "access_mode:rw"
	signal server-shown

	await client-gone 120
	title "The server: end"
	run "ls -A /sys/class/rnbd-server/ctl/devices" "Nobody uses the volume any more."
	run "sfdisk -l /dev/vda" \
		"The partition that the client made is on the server's disk." "/dev/vda1"
	run "modprobe -r rnbd_server rtrs_server rtrs_core && rdma link delete rxe0" "The modules go, then the RDMA device."
	run "lsmod | grep -cE '^(rnbd|rtrs)_' || :" "None of the five modules is left on the server." '^0$'
}

map="echo 'sessname=demo path=ip:$SRV device_path=vol1' > /sys/class/rnbd-client/ctl/map_device"
unmap="echo normal > /sys/block/rnbd0/rnbd/unmap_device"

client() {
	await server-ready 90
	title "The client: map the volume"
	rdma_link $CLT
	run "modprobe rnbd_client" "Loads the client. Its control file is map_device."
	run "$map" "Connects to the server and maps its volume vol1. The session is called demo."
	run "lsblk /dev/rnbd0" "Here it is: a local disk." rnbd0
	run "cat /sys/block/rnbd0/rnbd/state" "Its state is open." '^open$'
	run "ls -l /sys/class/rnbd-client/ctl/devices" "One link for each mapped volume." "vol1 -> "
	run "head -n 2 /dev/rnbd0" "What the server had on its disk, read over RDMA." \
		"volume of the server"
	signal mapped
	await server-shown 60

	title "The client: partition, file system, files"
	run "echo 'label: gpt
,,L' | sfdisk -q /dev/rnbd0 && lsblk /dev/rnbd0" "It takes a partition table like any disk." rnbd0p1
	wait_for 10 test -b /dev/rnbd0p1
	run "mkfs.ext4 -q /dev/rnbd0p1 && mkdir -p /mnt/vol1 && mount /dev/rnbd0p1 /mnt/vol1" \
		"An ext4 file system on it, mounted."
	run "cd /mnt/vol1 && mkdir -p a/b c && for n in 1 2 3 4; do
    head -c \$((n * 1000000)) /dev/urandom | tee a/file\$n a/b/copy\$n > c/other\$n; done && find . -type f | sort" \
		"A tree of files with random content." "./a/b/copy4"
	run "cd /mnt/vol1 && find . -type f -exec sha256sum {} + > /root/SHA256SUMS && wc -l /root/SHA256SUMS" \
		"Their checksums are kept on the client." "^12 "
	refused "$unmap" "A disk in use cannot be unmapped by accident." "busy"
	run "umount /mnt/vol1" "Now nobody uses it."
	run "$unmap" "The disk is unmapped."
	refused "ls /dev/rnbd0" "It is gone." "No such file"

	title "The client: map again, compare"
	run "$map" "The same line maps it again."
	wait_for 10 test -b /dev/rnbd0p1
	run "fsck.ext4 -f -n /dev/rnbd0p1" "The file system is clean." "files"
	run "mount /dev/rnbd0p1 /mnt/vol1 && cd /mnt/vol1 && sha256sum -c /root/SHA256SUMS" \
		"Every file came back as it was written." "c/other4: OK"
	run "umount /mnt/vol1" "Done with it."

	title "The client: what is refused"
	refused "$map" "EEXIST: this session has mapped this volume already." "File exists"
	refused "${map//vol1/vol2}" "ENOENT: there is no such volume below the search path." \
		"No such file or directory"

	title "The client: end"
	run "$unmap" "Unmapped. The last volume takes the session with it."
	wait_for 10 no_entries /sys/class/rtrs-client
	run "modprobe -r rnbd_client rtrs_client rtrs_core && rdma link delete rxe0" "The modules go, then the RDMA device."
	run "lsmod | grep -cE '^(rnbd|rtrs)_' || :" "None of the five modules is left on the client." '^0$'
	signal client-gone
}

"$LAB_ROLE"

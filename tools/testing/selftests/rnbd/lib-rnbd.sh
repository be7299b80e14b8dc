#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The five modules, mapping and unmapping. Part of lib.sh.

RNBD_MODULES="rnbd_client rnbd_server rtrs_client rtrs_server rtrs_core" # in unloading order
RNBD_CTL=/sys/class/rnbd-client/ctl
RNBD_SRV_CTL=/sys/class/rnbd-server/ctl
RTRS_CLT=/sys/class/rtrs-client
RTRS_SRV=/sys/class/rtrs-server
export RNBD_CTL RNBD_SRV_CTL RTRS_CLT RTRS_SRV
: "${RNBD_SESS:=lab}" # session name that rnbd_map uses

# load_rnbd_server [PARAM=VALUE...], load_rnbd_client [PARAM=VALUE...]
load_rnbd_server() { modprobe rnbd_server "$@"; }
load_rnbd_client() { modprobe rnbd_client "$@"; }

module_loaded() { [ -d "/sys/module/$1" ]; }

# unload MODULE [SECONDS]: remove one module; busy is retried for SECONDS (default 10).
unload() {
	module_loaded "$1" || return 0
	wait_for "${2:-10}" _rmmod "$1"
}
# rmmod that was given up may come to its end all the same
_rmmod() { ! module_loaded "$1" || timeout $((60 * LAB_SLOW)) rmmod "$1"; }

# rnbd_disks: names of all mapped disks, one a line.
rnbd_disks() {
	local d
	for d in /sys/block/rnbd*; do
		[ -e "$d" ] && echo "${d##*/}"
	done
	return 0
}

# under_way DISK N: condition; at least so many requests of the disk wait for their answers.
under_way() { [ "$(awk '{ print $9 }' "/sys/block/$1/stat")" -ge "$2" ]; }

# unload_all: unmap whatever is mapped, then remove all five modules. Fails if any stays.
unload_all() {
	local m d rc=0
	for d in $(rnbd_disks); do
		timeout 60 errno-op write "/sys/block/$d/rnbd/unmap_device" force || :
	done
	for m in $RNBD_MODULES; do
		unload "$m" || rc=1
	done
	return "$rc"
}

# server_addr: where rnbd_map connects by default: guest 1, unless LAB_SERVER says otherwise.
server_addr() { addr_of "${LAB_SERVER:-1}"; }

# map_text KEY=VALUE...: the text for map_device; sessname and path are added when not given.
map_text() {
	local text="$*"
	[[ " $text" == *" sessname="* ]] || text="sessname=$RNBD_SESS $text"
	[[ " $text" == *" path="* ]] || text="$text path=ip:$(server_addr)"
	echo "$text"
}

# rnbd_disk_of SESSION DEVICE_PATH: name of the disk mapped so; fails if there is none.
rnbd_disk_of() {
	local d
	for d in /sys/block/rnbd*/rnbd; do
		[ "$(cat "$d/session" 2>/dev/null)" = "$1" ] || continue
		[ "$(cat "$d/mapping_path" 2>/dev/null)" = "$2" ] || continue
		d=${d%/rnbd}
		echo "${d##*/}"
		return 0
	done
	return 1
}

# rnbd_map KEY=VALUE...: map, wait for the node, print the disk name (rnbd0). On failure prints
# the errno name on stderr and fails.
rnbd_map() {
	local text err sess dev disk
	text=$(map_text "$@")
	err=$(errno_of write "$RNBD_CTL/map_device" "$text")
	if [ "$err" != OK ]; then
		echo "rnbd_map: $err: $text" >&2
		return 1
	fi
	sess=${text##*sessname=} sess=${sess%% *}
	dev=${text##*device_path=} dev=${dev%% *}
	disk=$(rnbd_disk_of "$sess" "$dev") || return 1
	wait_for 10 test -b "/dev/$disk" || return 1
	settle
	echo "$disk"
}

# map_again KEY=VALUE...: rnbd_map when the numbers of unmapped disks are free: a disk has its number
# until it is released, and is itself held by its directories holders/ and slaves/ until those are.
map_again() {
	await_releases 2
	rnbd_map "$@"
}

# rnbd_unmap DISK [normal|force]: EBUSY is retried for 5 s, udev may be looking at the disk, or the client
# may just be done with opening it again.
rnbd_unmap() {
	local disk=${1#/dev/} how=${2:-normal} err end
	end=$(($(now_ms) + 5000 * LAB_SLOW))
	while :; do
		settle
		err=$(errno_of write "/sys/block/$disk/rnbd/unmap_device" "$how")
		[ "$err" = EBUSY ] || break
		[ "$(now_ms)" -lt "$end" ] || break
		sleep 0.2
	done
	if [ "$err" != OK ]; then
		echo "rnbd_unmap: $err: $disk $how" >&2
		return 1
	fi
}

# rnbd_attr DISK NAME: content of an attribute below rnbd/.
rnbd_attr() { cat "/sys/block/${1#/dev/}/rnbd/$2"; }

# queue_attr DISK NAME: content of an attribute below queue/.
queue_attr() { cat "/sys/block/${1#/dev/}/queue/$2"; }

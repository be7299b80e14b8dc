# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The client as the kernel shows it in sysfs: finding mapped disks, writing to attributes and
# what their errors mean. Sourced by rnbdmap.
# shellcheck disable=SC2034 # variables for rnbdmap

SYS=${RNBDMAP_SYSFS:-/sys}
DEV=${RNBDMAP_DEV:-/dev}
CTL=$SYS/class/rnbd-client/ctl
ERRNO=			# of the last sysfs_write; empty after success

declare -A ERRNO_NAME=(
	["Operation not permitted"]=EPERM ["No such file or directory"]=ENOENT
	["Interrupted system call"]=EINTR ["Input/output error"]=EIO
	["No such device or address"]=ENXIO ["Cannot allocate memory"]=ENOMEM
	["Permission denied"]=EACCES ["Block device required"]=ENOTBLK
	["Device or resource busy"]=EBUSY ["File exists"]=EEXIST ["No such device"]=ENODEV
	["Invalid argument"]=EINVAL ["No space left on device"]=ENOSPC
	["Numerical result out of range"]=ERANGE ["File name too long"]=ENAMETOOLONG
	["Communication error on send"]=ECOMM ["Cannot assign requested address"]=EADDRNOTAVAIL
	["Network is unreachable"]=ENETUNREACH
	["Software caused connection abort"]=ECONNABORTED
	["Connection reset by peer"]=ECONNRESET
	["Transport endpoint is not connected"]=ENOTCONN ["Connection timed out"]=ETIMEDOUT
	["No route to host"]=EHOSTUNREACH ["Operation already in progress"]=EALREADY
	["Resource temporarily unavailable"]=EAGAIN
)

# What a person can do about a refused mapping.
declare -A ADVICE=(
	[EINVAL]="an option is wrong for this kernel or this session; dmesg says which"
	[EEXIST]="the session has this block device mapped under another name"
	[ENOENT]="the server exports no such device to this session; look there: rnbdexport list, dmesg"
	[ENXIO]="the server has no device behind that name; see dmesg there"
	[ENOTBLK]="the name leads to something that is no block device on the server"
	[EACCES]="the device is read-only on the server (access_mode=ro), or you are not root"
	[EPERM]="another client has the device open for writing"
	[ENOMEM]="memory is short here or on the server"
	[ENOSPC]="all device numbers are in use, or the server allows the session no more devices"
	[EBUSY]="the device is in use on the server, or too many clients connect to it; see dmesg there"
	[ENAMETOOLONG]="session name and device_path together are too long"
	[EHOSTUNREACH]="no route or no RDMA device for the address; see: ping, rdma link"
	[ENETUNREACH]="no route to the address; is the network up?"
	[EADDRNOTAVAIL]="the source address is not one of this machine"
	[ECONNRESET]="the server refuses: not loaded, other port, or session name in use; see dmesg there"
	[ETIMEDOUT]="no answer; firewall? (RoCE is UDP port 4791)"
	[ENOTCONN]="the session lost its paths" [ECONNABORTED]="the session lost its paths"
)

# errno_passes NAME: true if trying again later can help.
errno_passes() {
	case $1 in
	EHOSTUNREACH | ENETUNREACH | EADDRNOTAVAIL | ECONNRESET | ETIMEDOUT | ENOTCONN) ;;
	ECONNABORTED | ECOMM | ENODEV | EINTR | EAGAIN | EPERM | EBUSY) ;;
	*)	return 1 ;;
	esac
}

# sysfs_write FILE TEXT: one write without a newline; on failure ERRNO has the name.
sysfs_write() {
	local out
	if out=$({ printf '%s' "$2" >"$1"; } 2>&1); then
		ERRNO=
		return 0
	fi
	out=${out##*: }
	ERRNO=${ERRNO_NAME[$out]:-$out}
	return 1
}

# sysfs_read FILE: its content, or nothing if it cannot be read.
sysfs_read() { cat "$1" 2>/dev/null || :; }

# client_load: have the module. Fails with a message.
client_load() {
	local out
	[ ! -e "$CTL/map_device" ] || return 0
	if ! out=$(modprobe rnbd_client 2>&1); then
		echo "rnbdmap: rnbd_client cannot be loaded: $out" >&2
		return 1
	fi
	[ -e "$CTL/map_device" ] || {
		echo "rnbdmap: rnbd_client is loaded but has no $CTL/map_device" >&2
		return 1
	}
}

# client_disk SESSION DEVICE_PATH: name of the disk mapped so; fails if there is none.
client_disk() {
	local dir
	for dir in "$SYS"/block/rnbd*/rnbd; do
		[ "$(sysfs_read "$dir/mapping_path")" = "$2" ] || continue
		[ "$(sysfs_read "$dir/session")" = "$1" ] || continue
		dir=${dir%/rnbd}
		echo "${dir##*/}"
		return 0
	done
	return 1
}

# client_attr DISK ATTRIBUTE
client_attr() { sysfs_read "$SYS/block/$1/rnbd/$2"; }

# client_paths SESSION: "CONNECTED/ALL"
client_paths() {
	local file up=0 all=0
	for file in "$SYS/class/rtrs-client/$1"/paths/*/state; do
		[ -e "$file" ] || continue
		all=$((all + 1))
		[ "$(sysfs_read "$file")" != connected ] || up=$((up + 1))
	done
	echo "$up/$all"
}

# client_leads_to SESSION PATHS: true if a path of the session has one of the destinations, or may
# have: IPv6 addresses and GIDs have many spellings, of which the kernel shows its own.
client_leads_to() {
	local path file
	for path in ${2//,/ }; do
		[[ ${path##*@} != *:*:* ]] || return 0
		for file in "$SYS/class/rtrs-client/$1"/paths/*/dst_addr; do
			[ "$(sysfs_read "$file")" != "${path##*@}" ] || return 0
		done
	done
	return 1
}

# client_users DISK: who has it open, as far as one can see.
client_users() {
	local dir users="" number
	for dir in "$SYS/block/$1" "$SYS/block/$1/$1"p*; do
		[ -e "$dir/dev" ] || continue
		number=$(sysfs_read "$dir/dev")
		users+=$(awk -v dev="$number" '$3 == dev { print " mounted on " $5 }' \
			/proc/self/mountinfo)
		users+=$(find "$dir/holders" -mindepth 1 -printf ' held by %f' 2>/dev/null)
		users+=$(awk -v dev="$DEV/${dir##*/}" '$1 == dev { print " in use as swap" }' \
			/proc/swaps)
	done
	echo "${users:- open by some process (see: fuser -v $DEV/$1)}"
}

now() { cut -d. -f1 /proc/uptime; }
pause() { sleep "$1"; }

# udev_wait DISK: until its node is there and udev has made its links; bounded.
udev_wait() {
	local end=$(($(now) + 10))
	if [ -S /run/udev/control ] && command -v udevadm >/dev/null; then
		udevadm wait --timeout=10 "$DEV/$1" 2>/dev/null || udevadm settle --timeout=10 || :
	fi
	until [ -e "$DEV/$1" ]; do
		[ "$(now)" -lt "$end" ] || return 1
		pause 0.2
	done
}

# udev_idle: let udev finish with events, so that it has no disk open.
udev_idle() {
	if [ -S /run/udev/control ] && command -v udevadm >/dev/null; then
		udevadm settle --timeout=5 || :
	fi
}

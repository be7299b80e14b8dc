#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A double of the rnbd command for tests: what it reads and writes, in which form and in which
# order, is what version 1.2.0 of the command does (administrative interface, section 8); how it
# looks to the user is not. Like the command it reads everything once at start, whatever it is
# asked to do, and gives up with the errno of the first thing that is not as it expects.
#
#	rnbd-tool.sh client|server device|session|path list
#	rnbd-tool.sh client device map SESSION NAME MODE PATH...
#	rnbd-tool.sh client device unmap|unmap-force|remap|resize NAME [SECTORS]
#	rnbd-tool.sh client session reconnect|remap|recover SESSION
#	rnbd-tool.sh client path add|delete|re-add|reconnect|disconnect SESSION PATH
#	rnbd-tool.sh server device close NAME
#	rnbd-tool.sh server session|path disconnect SESSION [PATH]

set -eu

CLT=/sys/class/rnbd-client/ctl
SRV=/sys/class/rnbd-server/ctl
RTRS_CLT=/sys/class/rtrs-client
RTRS_SRV=/sys/class/rtrs-server

die() {
	echo "rnbd-tool: $*" >&2
	exit 1
}

# put FILE TEXT: one write without a newline; an errno in OK_ERRNO is taken as success.
put() {
	local err
	err=$(errno-op write "$1" "$2") || :
	[[ " OK ${OK_ERRNO:-} " == *" $err "* ]] || die "$1: $err"
}

# word FILE: the first word, as scanf("%s") takes it. It must be the whole of the file.
word() {
	local first rest
	read -r first rest <"$1" || die "$1: cannot be read"
	if [ -z "$first" ] || [ -n "$rest" ]; then die "$1: is not one word"; fi
	echo "$first"
}

entries() { # DIR: names that do not begin with a dot
	local entry
	for entry in "$1"/*; do
		[ -e "$entry" ] || [ -L "$entry" ] || continue
		echo "${entry##*/}"
	done
}

# --- what it knows after the start: associative arrays by name -----------------------------------

declare -A clt_session clt_path clt_mode clt_state clt_stat # by disk name
declare -A srv_path srv_mode                              # by "<directory> <session>"
declare -A sess_policy path_state path_addr path_rdma     # by "<side> <session> [<path>]"

scan_client_devices() {
	local entry disk dir
	for entry in $(entries "$CLT/devices"); do
		disk=$(basename "$(realpath -e "$CLT/devices/$entry")") || die "$entry: dangling"
		dir=/sys/block/$disk
		[ -z "${clt_session[$disk]:-}" ] || die "$disk: two links"
		clt_session[$disk]=$(word "$CLT/devices/$entry/rnbd/session")
		clt_path[$disk]=$(word "$CLT/devices/$entry/rnbd/mapping_path")
		clt_mode[$disk]=$(word "$CLT/devices/$entry/rnbd/access_mode")
		clt_state[$disk]=$(word "$dir/rnbd/state")
		clt_stat[$disk]=$(awk '{ print $3 "," $7 }' "$dir/stat")
	done
}

scan_server_devices() {
	local entry dir sess
	for entry in $(entries "$SRV/devices"); do
		# the directory for closing is named after the target of block_dev
		dir=$SRV/devices/$(basename "$(realpath -e "$SRV/devices/$entry/block_dev")")
		for sess in $(entries "$dir/sessions"); do
			srv_path["$entry $sess"]=$(word "$dir/sessions/$sess/mapping_path")
			srv_mode["$entry $sess"]=$(word "$dir/sessions/$sess/access_mode")
		done
	done
}

scan_path() { # SIDE SESSION DIR
	local key="$1 $2 ${3##*/}" values
	path_addr[$key]="$(word "$3/src_addr") $(word "$3/dst_addr")"
	[ -n "$(word "$3/hca_name")" ]
	[[ $(word "$3/hca_port") =~ ^[0-9]+$ ]] || die "$3/hca_port: no number"
	read -r -a values <"$3/stats/rdma"
	[ "${#values[@]}" -ge 4 ] || die "$3/stats/rdma: ${#values[@]} values"
	path_rdma[$key]="${values[1]} ${values[3]} ${values[4]:-0}"
	path_state[$key]=
	[ ! -e "$3/state" ] || path_state[$key]=$(word "$3/state")
	[ ! -e "$3/stats/reconnects" ] || read -r -a values <"$3/stats/reconnects"
}

scan_sessions() { # SIDE CLASS
	local sess path text
	for sess in $(entries "$2"); do
		[ "$sess" != ctl ] || continue
		sess_policy["$1 $sess"]=
		if [ -e "$2/$sess/mpath_policy" ]; then
			read -r text <"$2/$sess/mpath_policy"
			[[ $text =~ ^[^\ ]+\ \((..):\ ([0-9]+)\)$ ]] || die "mpath_policy: '$text'"
			sess_policy["$1 $sess"]=${BASH_REMATCH[1]}
		fi
		for path in $(entries "$2/$sess/paths"); do
			scan_path "$1" "$sess" "$2/$sess/paths/$path"
		done
	done
}

scan() {
	[ ! -d "$CLT" ] || scan_client_devices
	[ ! -d "$SRV" ] || scan_server_devices
	[ ! -d "$RTRS_CLT" ] || scan_sessions client "$RTRS_CLT"
	[ ! -d "$RTRS_SRV" ] || scan_sessions server "$RTRS_SRV"
}

# --- finding --------------------------------------------------------------------------------------

# find_disk NAME: a disk by its name, or by its mapping path if only one has it.
find_disk() {
	local disk found=
	for disk in "${!clt_session[@]}"; do
		[ "$disk" != "$1" ] || { echo "$disk" && return; }
		[ "${clt_path[$disk]}" = "$1" ] || continue
		[ -z "$found" ] || die "$1: is ambiguous"
		found=$disk
	done
	[ -n "$found" ] || die "$1: no such device"
	echo "$found"
}

disks_of() { # SESSION
	local disk
	for disk in "${!clt_session[@]}"; do
		[ "${clt_session[$disk]}" != "$1" ] || echo "$disk"
	done
}

paths_of() { # SIDE SESSION: names of its paths
	local key
	for key in "${!path_addr[@]}"; do
		[[ $key != "$1 $2 "* ]] || echo "${key##* }"
	done
}

# --- commands -------------------------------------------------------------------------------------

list_rows() { # SIDE WHAT: comma-separated rows without a header
	local key
	case $1/$2 in
	client/device)
		for key in "${!clt_session[@]}"; do
			echo "$key,${clt_session[$key]},${clt_path[$key]},${clt_mode[$key]},${clt_state[$key]},${clt_stat[$key]}"
		done
		;;
	server/device)
		for key in "${!srv_path[@]}"; do
			echo "${key% *},${key##* },${srv_path[$key]},${srv_mode[$key]}"
		done
		;;
	*/session)
		for key in "${!sess_policy[@]}"; do
			[[ $key != "$1 "* ]] || echo "${key##* },${sess_policy[$key]}"
		done
		;;
	*/path)
		for key in "${!path_addr[@]}"; do
			[[ $key != "$1 "* ]] || echo "${key#* },${path_addr[$key]/ /,},${path_state[$key]},${path_rdma[$key]}"
		done
		;;
	esac | sort
}

map() { # SESSION NAME MODE PATH...
	local text="sessname=$1 device_path=$2" mode=$3 path
	shift 3
	for path; do text+=" path=$path"; done
	[ "$mode" = rw ] || text+=" access_mode=$mode"
	put "$CLT/map_device" "$text"
}

unmap() { put "/sys/block/$1/rnbd/unmap_device" "$2"; }

remap() { OK_ERRNO=EALREADY put "/sys/block/$1/rnbd/remap_device" 1; }

session_remap_force() { # SESSION: unmap all its devices, then map them again over all its paths
	local disk paths disks
	disks=$(disks_of "$1")
	paths=$(paths_of client "$1")
	for disk in $disks; do unmap "$disk" normal; done
	for disk in $disks; do
		# shellcheck disable=SC2086 # a list
		map "$1" "${clt_path[$disk]}" "${clt_mode[$disk]}" $paths
	done
}

path_put() { put "$RTRS_CLT/$2/paths/$3/$1" 1; } # ACTION SESSION PATH

session_reconnect() { # SESSION
	local path
	for path in $(paths_of client "$1"); do path_put disconnect "$1" "$path"; done
	for path in $(paths_of client "$1"); do path_put reconnect "$1" "$path"; done
}

recover() { # SESSION: paths that are not connected, then devices that are closed
	local path disk
	for path in $(paths_of client "$1"); do
		[ "${path_state["client $1 $path"]}" = connected ] || path_put reconnect "$1" "$path"
	done
	for disk in $(disks_of "$1"); do
		[ "${clt_state[$disk]}" != closed ] || remap "$disk"
	done
}

server_close() { # NAME: for all sessions that have it
	local key
	for key in "${!srv_path[@]}"; do
		[ "${key% *}" != "$1" ] ||
			put "$SRV/devices/$1/sessions/${key##* }/force_close" 1
	done
}

server_disconnect() { # SESSION [PATH]
	local path
	for path in ${2:-$(paths_of server "$1")}; do
		put "$RTRS_SRV/$1/paths/$path/disconnect" 1
	done
}

scan
command="$1 $2 $3"
side=$1 what=$2
shift 3
case $command in
*" list") list_rows "$side" "$what" ;;
"client device map") map "$@" ;;
"client device unmap") unmap "$(find_disk "$1")" normal ;;
"client device unmap-force") unmap "$(find_disk "$1")" force ;;
"client device remap") remap "$(find_disk "$1")" ;;
"client device resize") put "/sys/block/$(find_disk "$1")/rnbd/resize" "$2" ;;
"client session reconnect") session_reconnect "$1" ;;
"client session remap") session_remap_force "$1" ;;
"client session recover") recover "$1" ;;
"client path add") put "$RTRS_CLT/$1/add_path" "$2" ;;
"client path delete") path_put remove_path "$@" ;;
"client path re-add")
	path_put remove_path "$@"
	put "$RTRS_CLT/$1/add_path" "$2"
	;;
"client path reconnect" | "client path disconnect") path_put "${command##* }" "$@" ;;
"server device close") server_close "$1" ;;
"server session disconnect" | "server path disconnect") server_disconnect "$@" ;;
*) die "unknown command: $command" ;;
esac

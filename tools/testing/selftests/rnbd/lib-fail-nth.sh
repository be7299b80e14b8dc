#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The walks of the scenarios fail-nth, fail-paths and fail-some: every FAIL_STEP-th allocation that
# an operation makes fails once: the first, then a later one, and so on until the operation goes
# through untouched. Whoever makes it, a task that writes to sysfs, a work item or a callback of the
# connection manager, on the client or on the server. The operation may fail then, but it must
# leave nothing behind, and the next try must succeed. FAIL_WALKS names the operations.
. "$RNBD_TESTS/lib-abi.sh"
. "$RNBD_TESTS/lib-path.sh"
. "$RNBD_TESTS/lib-fault.sh"

fault_available || skip_all "this kernel has no knobs for failing allocations"
: "${FAIL_STEP:=1}" # 2: every other allocation fails, and so on
text= # what counts: START and END, or else the code of our modules

# --- walking ----------------------------------------------------------------------------------------
# walk NAME [ARGUMENT...]: one result for each kind of allocation. NAME stands for functions that
# get the arguments:
#	NAME_op		the operation; prints OK or how it failed
#	NAME_left	condition: nothing is left of an operation that failed
#	NAME_works	condition: the result of an operation that succeeded is of use
#	NAME_undo	takes the operation back

walk() {
	local kind spans=("$text") span failures
	[[ " $FAIL_WALKS " == *" $1 "* ]] || return 0
	[ -n "$text" ] || mapfile -t spans < <(our_text)
	for kind in $FAULT_KINDS; do
		test_start "$* $kind"
		failures=0
		for span in "${spans[@]}"; do
			# shellcheck disable=SC2086 # two numbers, and names
			fault_in $span
			_walk "$kind" "$@" || break
		done
		if [ -n "$walked" ] && [ "$failures" -gt 0 ]; then
			test_ok "$kind-$*"
		elif [ -n "$walked" ] && may_ask_for_none "$kind" "$1"; then
			test_skip "$kind-$*" "asks for no memory of this kind"
		else
			test_fail "$kind-$*" "at allocation $walk_n of $span"
			return 1
		fi
	done
}

# A walk without a failure proves nothing. No memory is wanted by I/O, which has all it needs since the
# mapping; and the pages behind the slabs are often there already.
may_ask_for_none() { # KIND NAME
	case $1 in
	failslab)	[ "$2" = io ] ;;
	*)		[ "$2" != map ] ;;
	esac
}

_walk() { # KIND NAME [ARGUMENT...]
	local kind=$1 op=$2 got fired seconds
	local before=$failures
	local -A seen=() where=()
	shift 2
	walked=
	for ((walk_n = 1; ; walk_n += FAIL_STEP)); do
		seconds=$SECONDS
		fault_arm "$kind" "$walk_n"
		got=$("${op}_op" "$@")
		fired=y
		fault_disarm || fired=
		if [ -n "$fired" ]; then
			failures=$((failures + 1))
			seen[$got]=$((${seen[$got]:-} + 1))
			[ "$got" = OK ] || [ "$got" = ENOMEM ] || where[$got]=$walk_n
		fi
		seconds=$((SECONDS - seconds))
		[ "$seconds" -lt 3 ] || note "allocation $walk_n: $got after $seconds s"
		if [ "$got" != OK ]; then
			[ -n "$fired" ] || { note "untouched: $got"; return 1; }
			wait_for 20 "${op}_left" "$@" || { note "something is left after $got"; return 1; }
			got=$("${op}_op" "$@")
			[ "$got" = OK ] || { note "next try: $got"; return 1; }
		fi
		"${op}_works" "$@" || { note "of no use after $got"; return 1; }
		"${op}_undo" "$@" || { note "cannot be undone"; return 1; }
		[ -n "$fired" ] || break
	done
	walked=y
	note "$((failures - before)) failures in ${span#* * }:" "$(for got in "${!seen[@]}"; do
		echo -n " ${seen[$got]} $got ${where[$got]:+(the last ${where[$got]})}"
	done)"
}

reads_well() { [ "$(errno_of pread "/dev/$1" 0 4096 direct)" = OK ]; }

# --- loading a module -------------------------------------------------------------------------------

load_op() { if modprobe "$@" 2>/dev/null; then echo OK; else echo refused; fi; }
load_left() { ! module_loaded "$1"; }
load_works() { [ "$1" != rnbd_server ] || wait_for 20 listens; }
listens() { [ "$(listeners)" = "$untouched" ]; }
listeners() { rdma resource show cm_id | grep -o 'link .*/\|state LISTEN .*' | paste -sd' '; }
load_undo() { unload "$1"; }

# --- unloading one, of either end of a mapped disk or unused; it cannot be refused for want of memory --

unload_op() { if rmmod "$1" 2>/dev/null; then echo OK; else echo refused; fi; }
unload_left() { false; }
unload_works() {
	! module_loaded "$1" || return 1
	case $1 in
	rnbd_client)	wait_for 20 nothing_served ;;
	rnbd_server)	wait_for 20 state_is rnbd0 closed ;;
	esac
}
nothing_served() {
	local entry
	for entry in "$RNBD_SRV_CTL"/devices/* "$RTRS_SRV"/*; do
		[ ! -e "$entry" ] || return 1
	done
}
unload_undo() {
	modprobe "$@" || return 1
	case $1 in
	rnbd_client)	[ "$(map_op)" = OK ] ;;
	rnbd_server)	wait_for 60 state_is rnbd0 open && reads_well rnbd0 ;;
	esac
}

# --- mapping: a new session, or over one that is there -----------------------------------------------

map_op() { errno_of write "$MAP_DEVICE" "$map_first"; }
map_left() {
	local entry refs
	# without new processes, which is what takes the time here
	for entry in /sys/block/rnbd* "$RNBD_CTL"/devices/* "$RNBD_SRV_CTL"/devices/* \
		"$RTRS_CLT"/* "$RTRS_SRV"/*; do
		[ ! -e "$entry" ] || return 1
	done
	read -r refs </sys/module/rnbd_client/refcnt && [ "$refs" = 0 ]
}
map_works() { reads_well rnbd0; }
map_undo() { echo normal >/sys/block/rnbd0/rnbd/unmap_device && wait_for 20 map_left; }

more_op() { errno_of write "$MAP_DEVICE" "$map_second"; }
more_left() { [ ! -e /sys/block/rnbd1 ] && [ ! -e "$RNBD_SRV_CTL/devices/${ram[1]#/dev/}" ]; }
more_works() { reads_well rnbd1; }
more_undo() { echo normal >/sys/block/rnbd1/rnbd/unmap_device && wait_for 20 more_left; }

# --- what a mapped disk goes through ------------------------------------------------------------------

# unmapping cannot be refused for want of memory
unmap_op() { errno_of write "/sys/block/rnbd0/rnbd/unmap_device" normal; }
unmap_left() { reads_well rnbd0; }
unmap_works() { wait_for 20 map_left; }
unmap_undo() { [ "$(map_op)" = OK ]; }

remap_op() { errno_of write "/sys/block/$disk/rnbd/remap_device" 1; }
remap_left() { state_is "$disk" closed; }
remap_works() { state_is "$disk" open && reads_well "$disk"; }
remap_undo() {
	echo 1 >"$RNBD_SRV_CTL/devices/${ram[0]#/dev/}/sessions/$RNBD_SESS/force_close" &&
		! reads_well "$disk" && wait_for 10 state_is "$disk" closed
}

resize_op() { errno_of write "/sys/block/$disk/rnbd/resize" 8192; }
resize_left() { [ "$(sectors "/dev/$disk")" = "$size" ]; }
resize_works() { [ "$(sectors "/dev/$disk")" = 8192 ]; }
resize_undo() { [ "$(errno_of write "/sys/block/$disk/rnbd/resize" "$size")" = OK ]; }

io_op() { errno_of pwrite "/dev/$disk" 0 65536 direct; }
io_left() { state_is "$disk" open; }
io_works() { reads_well "$disk"; }
io_undo() { :; }

# --- paths ------------------------------------------------------------------------------------------

# without new processes as far as possible, as above
state_of() { # DIRECTORY: sets state
	state=
	[ ! -e "$1" ] || read -r state <"$1/state" || :
}
on() { state_of "$1" && [ "$state" = connected ]; }
off() { state_of "$1" && [ "$state" = disconnected ]; }

add_path_op() { errno_of write "$RTRS_CLT/$RNBD_SESS/add_path" "$second"; }
add_path_left() { on "$clt_first" && [ ! -e "$clt_second" ]; }
add_path_works() { on "$clt_second" && reads_well "$disk"; }
add_path_undo() { echo 1 >"$clt_second/remove_path" && wait_for 20 gone "$srv_second"; }

reconnect_op() { errno_of write "$clt_second/reconnect" 1; }
reconnect_left() { on "$clt_first"; }
reconnect_works() { wait_for 60 on "$clt_second"; }
reconnect_undo() {
	echo 1 >"$clt_second/disconnect" && wait_for 20 gone "$srv_second" &&
		wait_for 20 off "$clt_second"
}

# the server takes the path down; the client notices by itself and tries again by itself
recover_op() {
	local count
	read -r count _ <"$clt_second/stats/reconnects"
	echo 1 >"$srv_second/disconnect"
	if wait_for 90 reconnected "$count"; then
		echo OK
	else
		state_of "$clt_second"
		echo "$state"
	fi
}
reconnected() { # BEFORE
	local count
	read -r count _ <"$clt_second/stats/reconnects"
	[ "$count" -gt "$1" ] && on "$clt_second"
}
recover_left() { false; }
recover_works() { on "$clt_second" && [ -e "$srv_second" ] && reads_well "$disk"; }
recover_undo() { :; }

# --- the walks --------------------------------------------------------------------------------------

rxe_up 2
mapfile -t ram < <(brd_up 2 16)
map_first=$(map_text "device_path=${ram[0]}")
map_second=$(map_text "device_path=${ram[1]}")
fault_up

modprobe rtrs_server sess_queue_depth=8
load_rnbd_server
load_rnbd_client
while read -r line; do
	note "$line"
done < <(our_text)
walk map || :

disk=$(rnbd_map "device_path=${ram[0]}" "$(path_args 0)")
size=$(sectors "/dev/$disk")
second=$(path_name 1)
clt_first=$(clt_path 0) clt_second=$(clt_path 1) srv_second=$(srv_path 1)
walk io || :
walk resize || :
walk more || :
remap_undo
walk remap || :
check_equal "open-again" OK "$(remap_op)"
walk add_path || :
check_equal "second-path" OK "$(add_path_op)"
reconnect_undo
walk reconnect || :
check_equal "second-path-again" OK "$(reconnect_op)"
walk recover || :
rnbd_unmap "$disk"
check "nothing-mapped" wait_for 20 map_left
check_equal "mapped-again" OK "$(map_op)"
walk unmap || :

server="rtrs_server sess_queue_depth=8"
text=$(text_of sys_delete_module)
walk unload rnbd_client || :
walk unload rnbd_server || :
rnbd_unmap rnbd0

untouched=$(listeners)
note "$untouched"
unload_all
for module in rtrs_core rtrs_client "$server"; do
	# shellcheck disable=SC2086 # a name and parameters
	modprobe $module
	# shellcheck disable=SC2086
	walk unload $module || :
done
unload_all
text=$(text_of do_one_initcall)
for module in rtrs_core "$server" rtrs_client rnbd_server rnbd_client; do
	# shellcheck disable=SC2086 # a name and parameters
	walk load $module || :
	# shellcheck disable=SC2086
	modprobe $module
done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Checks of the administrative interface that several scenarios share: refused mappings, forms of
# attributes, uevents, block requests that reach a disk. Sourced by a scenario behind lib.sh.

MAP_DEVICE=$RNBD_CTL/map_device
export MAP_DEVICE

# --- map_device ---------------------------------------------------------------------------------

# map_gives NAME ERRNO TEXT: one result; ok if writing exactly TEXT to map_device ends in ERRNO.
map_gives() { check_equal "$1" "$2" "$(errno_of write "$MAP_DEVICE" "$3")"; }

# refused NAME ERRNO KEY=VALUE...: map_gives with sessname and path added when missing, and
# nothing must be left of the attempt: no disk, no link, no session, no reference to the module.
# Only for a moment when nothing is mapped.
refused() {
	local name=$1 want=$2 got
	shift 2
	got=$(errno_of write "$MAP_DEVICE" "$(map_text "$@")")
	check_equal "$name" "$want" "$got"
	if [ "$got" != OK ]; then
		check "$name-leaves-nothing" wait_for 10 nothing_mapped
	fi
}

# nothing_mapped: condition; the client holds no disk, link, session or module reference.
nothing_mapped() {
	[ -z "$(rnbd_disks)" ] && [ -z "$(ls -A "$RNBD_CTL/devices")" ] &&
		[ -z "$(ls -A "$RTRS_CLT")" ] && [ "$(</sys/module/rnbd_client/refcnt)" = 0 ]
}

# server_idle: condition; the server exports nothing and knows no session.
server_idle() { [ -z "$(ls -A "$RNBD_SRV_CTL/devices")" ] && [ -z "$(ls -A "$RTRS_SRV")" ]; }

# sess_up SESSION: condition; the server has a connected path of it.
sess_up() { [ -n "$(ls -A "$RTRS_SRV/$1/paths" 2>/dev/null)" ]; }

# --- attributes ---------------------------------------------------------------------------------

# mode_is FILE MODE, attr_is FILE TEXT: conditions for check. attr_is compares the bytes, the
# closing newline included.
mode_is() { [ "$(stat -c %a:%u:%g "$1")" = "$2:0:0" ]; }
attr_is() { cmp - "$1" <<<"$2"; }

# ends_in_newline FILE: condition; exactly one newline at the end, no NUL anywhere.
ends_in_newline() {
	local text
	! IFS= read -r -d '' text <"$1" && [[ $text == *$'\n' ]] && [[ $text != *$'\n\n' ]]
}

# shows_usage FILE: condition; reading gives the usage line of an action file.
shows_usage() {
	[[ $(<"$1") == "Usage: "* ]] && [[ $(<"$1") == *"> ${1##*/}"* ]] && ends_in_newline "$1"
}

# all_end_in_newline DIR: condition; every file below it that is ours, that is, without those of
# the driver core.
all_end_in_newline() {
	local file
	while read -r file; do
		if ! ends_in_newline "$file"; then
			echo "$file"
			return 1
		fi
	done < <(find "$1/" -type f ! -path '*/power/*' ! -name uevent)
}

# own_writable DIR: files of ours below it that can be written.
own_writable() { find "$1/" -type f -perm -200 ! -path '*/power/*' ! -name uevent; }

# all_open_to_create DIR: condition; every file of ours below it that can be written opens as stdio's
# "w" does it, O_WRONLY|O_CREAT|O_TRUNC, which is what the shell does here.
all_open_to_create() {
	local file n=0
	while read -r file; do
		: >"$file" || return 1
		n=$((n + 1))
	done < <(own_writable "$1")
	echo "$n files"
	[ "$n" -gt 0 ]
}

# abi_entries CLASS DIRECTORY/: names right below DIRECTORY that the ABI document of the class
# describes, sorted, on one line.
abi_entries() {
	local doc=$RNBD_TESTS/abi/sysfs-class-$1
	[ -e "$doc" ] || doc=$RNBD_TESTS/../../../../Documentation/ABI/testing/sysfs-class-$1
	awk -v top="$2" '$1 == "What:" && index($2, top) == 1 {
		name = substr($2, length(top) + 1)
		sub("/.*", "", name)
		print name
	}' "$doc" | sort -u | paste -sd' '
}

# own_entries DIR: what is really there, without the entries of the driver core.
own_entries() {
	local path names=()
	for path in "$1"/*; do
		case ${path##*/} in
		power | subsystem | uevent) ;;
		*)	names+=("${path##*/}") ;;
		esac
	done
	echo "${names[*]}"
}

# entries DIR: names in it, sorted, on one line.
entries() {
	local names
	names=$(ls -A "$1" 2>/dev/null) || :
	echo "${names//$'\n'/ }"
}

# state_is DISK STATE: condition.
state_is() { [ "$(rnbd_attr "$1" state)" = "$2" ]; }

# log_has REGEX: condition; a line of the kernel log matches. log_count REGEX: how many do.
log_has() { dmesg | grep -E -- "$1" >/dev/null; }
log_count() { dmesg | grep -cE -- "$1" || :; }

# log_is_calm: condition; nothing in the kernel log that test suites take for a kernel failure. What KCSAN
# says is left to the lab, which knows the races of others.
log_is_calm() {
	! dmesg | grep -v 'BUG: KCSAN' | grep -E -e 'WARNING:|BUG:|Oops:|kernel BUG at' \
		-e 'Internal error|general protection fault:' \
		-e 'possible recursive locking detected|suspicious RCU usage' \
		-e 'possible circular locking dependency'
}

# number_of DISK: N of rnbd<N>.
number_of() { echo "${1##*rnbd}"; }

# --- uevents ------------------------------------------------------------------------------------

# uevents_start FILE: from now on append one line per kernel uevent of a block device or of our
# classes to FILE: ACTION DEVPATH RESIZE=<value> STATE=<content of rnbd/state>. Skipped (fails)
# where busybox has no uevent reader.
uevents_start() {
	local hook=$LAB_TMP/uevent-hook
	busybox --list 2>/dev/null | grep -qx uevent || return 1
	: >"$1"
	cat >"$hook" <<-EOS
		#!/bin/bash
		case \$DEVPATH in
		*/rnbd* | */rtrs* | */mem/null) ;;
		*) exit ;;
		esac
		read -r state 2>/dev/null <"/sys\$DEVPATH/rnbd/state" || state=
		echo "\$ACTION \$DEVPATH RESIZE=\$RESIZE STATE=\$state" >>"$1"
	EOS
	chmod +x "$hook"
	# no pipe of the caller may stay open in it
	busybox uevent "$hook" >/dev/null 2>&1 &
	defer kill "$!"
	wait_for 20 _uevent_heard "$1"
}

_uevent_heard() {
	echo change >/sys/class/mem/null/uevent
	sleep 0.2
	grep -q mem/null "$1"
}

# uevents_sync FILE: wait until everything that was sent so far has been written to FILE.
uevents_sync() {
	local before
	before=$(grep -c mem/null "$1" || :)
	echo change >/sys/class/mem/null/uevent
	wait_for 20 _more_than "$before" "$1"
}

_more_than() { [ "$(grep -c mem/null "$2" || :)" -gt "$1" ]; }

# uevents_of FILE REGEX: actions of matching lines in order, on one line.
uevents_of() {
	grep -E -- "$2" "$1" | cut -d' ' -f1 | tr '\n' ' ' || :
}

# --- what reaches a disk --------------------------------------------------------------------------

TRACING=/sys/kernel/tracing

# trace_disk DEV: record the requests that the block layer hands to the driver of DEV.
trace_disk() {
	local name major minor dir=$TRACING/instances/rnbd-test
	name=${1##*/}
	IFS=: read -r major minor <"/sys/class/block/$name/dev"
	[ -d "$TRACING/events" ] || mount -t tracefs tracefs "$TRACING"
	if [ ! -d "$dir" ]; then
		# names of tasks would need probes in the scheduler, and patching that under load
		# is what an emulated second CPU stumbles over; an instance inherits the option
		echo 0 >"$TRACING/options/record-cmd"
		defer errno-op write "$TRACING/options/record-cmd" 1
		mkdir "$dir"
		defer rmdir "$dir"
	fi
	echo 0 >"$dir/tracing_on"
	: >"$dir/trace"
	echo "dev == $((major << 20 | minor))" >"$dir/events/block/block_rq_issue/filter"
	echo 1 >"$dir/events/block/block_rq_issue/enable"
	echo 1 >"$dir/tracing_on"
}

# traced REGEX: number of recorded requests whose kind (W, WS, FF, WFS, D, ...) matches entirely.
# Recording goes on.
traced() {
	grep -cE "block_rq_issue: [0-9]+,[0-9]+ ($1) " "$TRACING/instances/rnbd-test/trace" || :
}

# trace_clear: forget what was recorded.
trace_clear() { : >"$TRACING/instances/rnbd-test/trace"; }

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The table of mappings, /etc/rnbd/rnbdtab: reading and checking. Sourced by rnbdmap. The format
# is described in rnbdtab(5).
#
# Entries are numbered from 0 in the order of the file. What an entry says about its session
# (paths, port, policy, ...) holds for all entries of that session, wherever it is written.

TAB_NAME=()		# what a person calls the mapping
TAB_SESSION=()
TAB_DEVICE=()		# device_path
TAB_MODE=()		# access_mode
TAB_AUTO=()		# yes or no
TAB_TIMEOUT=()		# seconds, or empty
declare -A TAB_INDEX=()	# name: number of the entry
declare -A TAB_OF=()	# "SESSION OPTION": value
declare -A TAB_LINE=()	# "SESSION OPTION" or "DEVICE ...": line that said so
TAB_ERRORS=0

# Options of a session whose value is a whole number: the smallest and the largest one.
declare -A TAB_RANGE=(
	[port]="1 65535" [poll_queues]="-1 4096" [max_reconnect_attempts]="-1 9999"
	[hold_time_ms]="0 3600000" [reconnect_delay_ms]="1000 3600000"
	[request_timeout_ms]="1000 3600000" [heartbeat_interval_ms]="100 60000"
	[heartbeat_missed_max]="1 100"
)
declare -A TAB_POLICY=(
	[rr]=round-robin [mi]=min-inflight [ml]=min-latency [round-robin]=round-robin
	[min-inflight]=min-inflight [min-latency]=min-latency
)

# tab_error WORD TEXT...: complain about a word of the present line.
tab_error() {
	echo "$TAB_FILE:$TAB_LINENO: '$1': ${*:2}" >&2
	TAB_ERRORS=$((TAB_ERRORS + 1))
	return 1
}

# in_range VALUE SMALLEST LARGEST
in_range() {
	[[ $1 =~ ^-?[0-9]{1,9}$ ]] || return 1
	local value=$((10#${1#-}))
	[[ $1 != -* ]] || value=$((-value))
	((value >= $2 && value <= $3))
}

tab_check_name() {
	[[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$ ]] ||
		tab_error "$1" "a name has up to 64 letters, digits and _ . : - and begins with a" \
			"letter or a digit"
}

# tab_check_remote WHAT VALUE: names that go to the server.
tab_check_remote() {
	if [ "${#2}" -gt 254 ]; then
		tab_error "$2" "a $1 has at most 254 characters"
	elif [[ $2 == *..* ]]; then
		tab_error "$2" "a $1 must not contain '..'"
	fi
}

tab_check_session() {
	if [[ $1 == */* || $1 == . ]]; then
		tab_error "$1" "a session name must not be '.' or contain '/'"
		return 1
	fi
	tab_check_remote "session name" "$1"
}

tab_is_ipv4() {
	local byte
	[[ $1 =~ ^([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)$ ]] || return 1
	for byte in "${BASH_REMATCH[@]:1}"; do
		in_range "$byte" 0 255 || return 1
	done
}

# The kernel has the last word; this finds the common mistakes.
tab_is_ipv6() { [[ $1 =~ ^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$ ]]; }

tab_check_address() {
	case $1 in
	ip:*)	tab_is_ipv4 "${1#ip:}" && return 0
		[[ $1 =~ ^ip:([^%]*)(%[A-Za-z0-9_.:-]+)?$ ]] &&
			tab_is_ipv6 "${BASH_REMATCH[1]}" && return 0 ;;
	gid:*)	tab_is_ipv6 "${1#gid:}" && return 0 ;;
	esac
	tab_error "$1" "not an address; write ip:<IPv4>, ip:<IPv6> or gid:<GID> (numbers, no host names)"
}

# tab_session_option SESSION OPTION VALUE WORD: remember; two entries must not contradict.
tab_session_option() {
	local key="$1 $2"
	if [ -n "${TAB_OF[$key]+set}" ] && [ "${TAB_OF[$key]}" != "$3" ]; then
		tab_error "$4" "session '$1' has $2 '${TAB_OF[$key]}' in line ${TAB_LINE[$key]}; all" \
			"entries of a session share its paths and options"
		return 1
	fi
	TAB_OF[$key]=$3
	TAB_LINE[$key]=${TAB_LINE[$key]:-$TAB_LINENO}
}

# tab_paths SESSION WORD: "[<source>@]<destination>,..." or "-" for those of another entry.
tab_paths() {
	local path addr list
	[ "$2" != - ] || return 0
	IFS=, read -r -a list <<<"$2,"
	for path in "${list[@]}"; do
		if [[ $path == *@*@* || $path == @* || $path == *@ || -z $path ]]; then
			tab_error "$2" "'$path' is not a path; paths are [<source>@]<destination>," \
				"separated by commas"
			return 1
		fi
		for addr in ${path//@/ }; do
			tab_check_address "$addr" || return 1
		done
	done
	tab_session_option "$1" paths "$2" "$2"
}

# tab_option WORD: one option of the entry that is being read.
tab_option() {
	local key=${1%%=*} value=${1#*=}
	case $1 in
	auto)	AUTO=yes; return ;;
	noauto)	AUTO=no; return ;;
	*=?*)	;;
	*)	tab_error "$1" "an option is <name>=<value>, auto or noauto"; return ;;
	esac
	if [ -n "${TAB_RANGE[$key]-}" ]; then
		# shellcheck disable=SC2086 # two numbers
		if ! in_range "$value" ${TAB_RANGE[$key]}; then
			tab_error "$1" "$key is a number from ${TAB_RANGE[$key]/ / to }"
			return
		fi
		tab_session_option "$SESSION" "$key" "$value" "$1"
		return
	fi
	case $key in
	access_mode)
		[[ $value =~ ^(ro|rw|migration)$ ]] ||
			tab_error "$1" "access_mode is ro, rw or migration"
		MODE=$value ;;
	timeout)
		in_range "$value" 1 3600 || tab_error "$1" "timeout is 1 to 3600 seconds"
		TIMEOUT=$value ;;
	policy)
		if [ -z "${TAB_POLICY[$value]-}" ]; then
			tab_error "$1" "policy is round-robin, min-inflight or min-latency"
			return
		fi
		tab_session_option "$SESSION" policy "${TAB_POLICY[$value]}" "$1" ;;
	*)	tab_error "$1" "unknown option; known are access_mode, policy, timeout, auto, noauto," \
			"$(printf '%s\n' "${!TAB_RANGE[@]}" | sort | paste -sd ' ' | sed 's/ /, /g')" ;;
	esac
}

# tab_entry NAME SESSION DEVICE PATHS [OPTIONS]: one line of the table.
tab_entry() {
	local MODE=rw AUTO=yes TIMEOUT="" SESSION=${2-} word list key="DEVICE ${2-} ${3-}"
	if [ $# -lt 4 ]; then
		tab_error "${!#}" "the line ends too early; an entry is" \
			"<name> <session> <device_path> <paths> [<options>]"
		return 0
	fi
	[ $# -lt 6 ] || tab_error "$6" "too many words; options are separated by commas, without blanks"
	tab_check_name "$1"
	tab_check_session "$2"
	tab_check_remote device_path "$3"
	tab_paths "$2" "$4"
	IFS=, read -r -a list <<<"${5-},"
	for word in "${list[@]}"; do
		[ -z "$word" ] || [ "$word" = - ] || tab_option "$word"
	done
	if [ -n "${TAB_INDEX[$1]+set}" ]; then
		tab_error "$1" "there is an entry of this name already"
	elif [ -n "${TAB_LINE[$key]-}" ]; then
		tab_error "$3" "line ${TAB_LINE[$key]} maps this device over the same session"
	fi
	TAB_LINE[$key]=$TAB_LINENO
	TAB_INDEX[$1]=${#TAB_NAME[@]}
	TAB_NAME+=("$1") TAB_SESSION+=("$2") TAB_DEVICE+=("$3")
	TAB_MODE+=("$MODE") TAB_AUTO+=("$AUTO") TAB_TIMEOUT+=("$TIMEOUT")
	return 0
}

# tab_words LINE: its words up to a comment, into WORDS.
tab_words() {
	local word
	WORDS=()
	set -f
	for word in $1; do
		[[ $word != \#* ]] || break
		WORDS+=("$word")
	done
	set +f
}

# The client gives a session with poll queues to one device at a time.
tab_check_poll_queues() {
	local i session
	local -A entries=()
	for i in "${!TAB_NAME[@]}"; do
		[ "${TAB_AUTO[i]}" = yes ] || continue
		session=${TAB_SESSION[i]}
		entries[$session]=$((${entries[$session]:-0} + 1))
	done
	for session in "${!entries[@]}"; do
		[ "${entries[$session]}" -gt 1 ] || continue
		[[ ${TAB_OF["$session poll_queues"]:-0} =~ ^-?0+$ ]] && continue
		TAB_LINENO=${TAB_LINE["$session poll_queues"]}
		tab_error "poll_queues=${TAB_OF["$session poll_queues"]}" "session '$session' has" \
			"${entries[$session]} entries without noauto; with poll queues it serves one" \
			"device at a time"
	done
}

# tab_read FILE: read the table. Every mistake is reported; fails if there was one.
tab_read() {
	local line i
	TAB_FILE=$1 TAB_LINENO=0
	if ! [ -r "$1" ]; then
		echo "$1: cannot be read; see rnbdtab(5) for what belongs there" >&2
		return 1
	fi
	while IFS= read -r line || [ -n "$line" ]; do
		TAB_LINENO=$((TAB_LINENO + 1))
		tab_words "${line%$'\r'}"
		[ "${#WORDS[@]}" = 0 ] || tab_entry "${WORDS[@]}"
	done <"$1"
	[ "$TAB_ERRORS" = 0 ] || return 1
	for i in "${!TAB_NAME[@]}"; do
		[ -z "${TAB_OF["${TAB_SESSION[i]} paths"]-}" ] || continue
		TAB_LINENO=${TAB_LINE["DEVICE ${TAB_SESSION[i]} ${TAB_DEVICE[i]}"]}
		tab_error - "no entry of session '${TAB_SESSION[i]}' has paths"
	done
	tab_check_poll_queues
	[ "$TAB_ERRORS" = 0 ]
}

# tab_of I OPTION: what the session of entry I has for it; empty if nothing.
tab_of() { echo "${TAB_OF["${TAB_SESSION[$1]} $2"]-}"; }

# tab_map_text I: what is written to map_device for entry I.
tab_map_text() {
	local text path port queues
	text="sessname=${TAB_SESSION[$1]} device_path=${TAB_DEVICE[$1]} access_mode=${TAB_MODE[$1]}"
	for path in $(tab_of "$1" paths | tr , ' '); do
		text+=" path=$path"
	done
	port=$(tab_of "$1" port) queues=$(tab_of "$1" poll_queues)
	echo "$text${port:+ dest_port=$port}${queues:+ nr_poll_queues=$queues}"
}

# tab_print I: the entry with everything that holds for it.
tab_print() {
	local options="access_mode=${TAB_MODE[$1]}" key value
	for key in $(printf '%s\n' policy "${!TAB_RANGE[@]}" | sort); do
		value=$(tab_of "$1" "$key")
		options+=${value:+,$key=$value}
	done
	[ "${TAB_AUTO[$1]}" = yes ] || options+=,noauto
	options+=${TAB_TIMEOUT[$1]:+,timeout=${TAB_TIMEOUT[$1]}}
	echo "${TAB_NAME[$1]} ${TAB_SESSION[$1]} ${TAB_DEVICE[$1]} $(tab_of "$1" paths) $options"
}

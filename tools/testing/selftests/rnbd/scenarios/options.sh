#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml
#
# The grammar of map_device, row by row: orders, blanks, repeated options, every kind of bad
# value, addresses, ports, poll queues, limits of names and paths.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up
mapfile -t ram < <(brd_up 2 8)
# small sessions: this scenario opens many of them
modprobe rtrs_server sess_queue_depth=16
load_rnbd_server
load_rnbd_client
addr=ip:$(server_addr)
min="sessname=s path=$addr device_path=${ram[0]}"

# the_file NAME, the_attr NAME, unmap_it: of the only disk. A session that is still there would spoil the next case.
the_file() { echo "/sys/block/$(rnbd_disks)/rnbd/$1"; }
the_attr() { cat "$(the_file "$1")"; }
unmap_it() { rnbd_unmap "$(rnbd_disks)" && wait_for 10 nothing_mapped; }

# maps NAME TEXT: TEXT maps ram0 on session s; unmap it again.
maps() {
	map_gives "$1" OK "$2"
	check_equal "$1-disk" "s ${ram[0]}" "$(the_attr session) $(the_attr mapping_path)"
	unmap_it || test_fail "$1-unmap"
}

# bad NAME TEXT: TEXT is refused with EINVAL and nothing is left of it.
bad() {
	map_gives "$1" EINVAL "$2"
	wait_for 10 nothing_mapped || test_fail "$1-leaves-nothing"
}

test_start "the minimum"
maps abi9-minimum "$min"
map_gives abi14-zero-bytes OK ""
check "abi14-zero-bytes-do-nothing" nothing_mapped

test_start "all orders"
# Each failing order is named; one result for all 24.
orders() {
	local words=("sessname=s" "path=$addr" "device_path=${ram[0]}" "access_mode=ro")
	local a b c d err count=0
	for a in 0 1 2 3; do for b in 0 1 2 3; do for c in 0 1 2 3; do
		d=$((6 - a - b - c))
		if [ "$a" = "$b" ] || [ "$a" = "$c" ] || [ "$b" = "$c" ]; then continue; fi
		count=$((count + 1))
		err=$(errno_of write "$MAP_DEVICE" \
			"${words[a]} ${words[b]} ${words[c]} ${words[d]}")
		if [ "$err" != OK ] || [ "$(the_attr access_mode)" != ro ]; then
			echo "order $a $b $c $d: $err"
			return 1
		fi
		unmap_it || return 1
	done; done; done
	[ "$count" = 24 ]
}
check "abi10-24-orders" orders

test_start "blanks"
maps abi11-several-spaces "   sessname=s    path=$addr   device_path=${ram[0]}  "
maps abi11-white-space-at-both-ends $'\t\n '"$min"$' \n\t\n'
map_gives "tab-is-no-separator" ENXIO "sessname=s"$'\t'"path=$addr device_path=${ram[0]}"

test_start "source and destination"
for sep in ',' '@'; do
	map_gives "abi12-pair-with-'$sep'" OK "sessname=s path=$addr$sep$addr device_path=${ram[0]}"
	check_equal "abi12-path-name-with-'$sep'" "$addr@$addr" "$(entries "$RTRS_CLT/s/paths")"
	unmap_it
done
maps "source-is-found-without-one" "$min"

test_start "missing and unknown options"
bad abi13-missing-sessname "path=$addr device_path=${ram[0]}"
bad abi13-missing-device_path "sessname=s path=$addr"
check_equal abi13-lone-newline EINVAL "$(errno_of echo "$MAP_DEVICE" "")"
bad abi13-blanks "   "
bad abi14-unknown-option "$min foo=1"
bad abi14-unknown-word "$min foo"
bad abi14-empty-path "sessname=s path= device_path=${ram[0]}"
bad abi14-empty-sessname "sessname= path=$addr device_path=${ram[0]}"
bad abi14-empty-device_path "sessname=s path=$addr device_path="
bad "option-names-are-case-sensitive" "Sessname=s path=$addr device_path=${ram[0]}"
bad "empty-access_mode" "$min access_mode="
bad "no-value-separator" "sessname path=$addr device_path=${ram[0]}"

test_start "access_mode"
for mode in RW x Ro migrat migrations "rw,"; do
	bad "abi15-access_mode=$mode" "$min access_mode=$mode"
done
maps "access_mode=migration" "$min access_mode=migration"

test_start "dest_port"
for port in 65536 -1 12x x 0x "" 1.5 99999999999999999999; do
	bad "abi16-dest_port=$port" "$min dest_port=$port"
done
maps abi16-hexadecimal "$min dest_port=0x4d2"
maps abi16-decimal "$min dest_port=1234"
maps abi16-octal "$min dest_port=02322"
map_gives abi33-port-behind-path ECONNRESET "$min dest_port=4999"
maps abi33-last-port-counts "dest_port=4999 $min dest_port=1234"

test_start "nr_poll_queues"
possible=$(</sys/devices/system/cpu/possible)
cpus=$((${possible##*-} + 1))
for number in -2 $((cpus + 1)) x 1x; do
	bad "abi17-nr_poll_queues=$number" "$min nr_poll_queues=$number"
done
map_gives abi17-all-cpus OK "$min nr_poll_queues=-1"
disk=$(rnbd_disks)
check_equal "abi17-shown-count" "$cpus" "$(the_attr nr_poll_queues)"
check_equal "poll-queues-io_poll" 1 "$(queue_attr "$disk" io_poll)"
bad_on_session() { # NAME TEXT: EINVAL while the session lives
	map_gives "$1" EINVAL "$2"
	check_equal "$1-leaves-one-disk" "$disk" "$(rnbd_disks)"
}
bad_on_session "poll-session-wants-poll-option" "sessname=s device_path=${ram[1]}"
bad_on_session "poll-option-wants-new-session" \
	"sessname=s device_path=${ram[1]} nr_poll_queues=1"
unmap_it

test_start "addresses"
for text in 10.0.0.1 foo:1 ip: ip:1.2.3 gid:zz ip:10.0.0.1.2 ip:fd00::zz IP:10.0.0.1 \
	"$addr," ",$addr" "$addr,$addr,$addr" "ip:fe80::1%no-such-dev"; do
	bad "abi18-path=$text" "sessname=s path=$text device_path=${ram[0]}"
done
bad "families-differ" "sessname=s path=ip:fd00:0:0::1,$addr device_path=${ram[0]}"

test_start "names at their limits"
name=$(printf '%0254d' 0)
map_gives abi19-sessname-254 OK "sessname=$name path=$addr device_path=${ram[0]}"
check "abi19-sessname-unchanged" attr_is "$(the_file session)" "$name"
check "abi19-sessname-directory" test -d "$RTRS_CLT/$name"
check "abi19-sessname-on-the-server" test -d "$RTRS_SRV/$name"
unmap_it
bad abi19-sessname-255 "sessname=${name}0 path=$addr device_path=${ram[0]}"
path=/dev/$(printf './%.0s' {1..122})/ram0
check_equal "the-long-path-is-254-long" 254 "${#path}"
map_gives abi19-device_path-254 OK "sessname=s path=$addr device_path=$path"
check "abi19-device_path-unchanged" attr_is "$(the_file mapping_path)" "$path"
check_equal "abi19-link" "${path//\//!}" "$(entries "$RNBD_CTL/devices")"
unmap_it
bad abi19-device_path-255 "sessname=s path=$addr device_path=/$path"

test_start "characters of session names"
for name in a/b /a . .. a..b ..a; do
	bad "abi20-sessname=$name" "sessname=$name path=$addr device_path=${ram[0]}"
done
map_gives "single-dot-in-sessname" OK \
	"sessname=host.example@srv path=$addr device_path=${ram[0]}"
check "single-dot-unchanged" attr_is "$(the_file session)" host.example@srv
unmap_it
map_gives "value-with-equals-comma-at" OK "sessname=a=b,c@d!e path=$addr device_path=${ram[0]}"
check "value-unchanged" attr_is "$(the_file session)" a=b,c@d!e
unmap_it

test_start "repeated options"
map_gives abi24-repeated OK "sessname=x sessname=s device_path=/nothing path=$addr \
access_mode=rw device_path=${ram[0]} access_mode=ro"
check_equal "abi24-last-sessname" s "$(the_attr session)"
check_equal "abi24-last-device_path" "${ram[0]}" "$(the_attr mapping_path)"
check_equal "abi24-last-access_mode" ro "$(the_attr access_mode)"

test_start "many paths"
many=
for n in {1..32}; do
	many+=" path=ip:10.9.9.$n"
done
map_gives abi25-32-paths-on-a-live-session OK "sessname=s device_path=${ram[1]} access_mode=ro$many"
check_equal "abi25-live-session-ignores-them" 1 "$(entries "$RTRS_CLT/s/paths" | wc -w)"
for disk in $(rnbd_disks); do
	rnbd_unmap "$disk"
done
check "nothing-left" wait_for 10 nothing_mapped
many=
for n in {1..129}; do
	many+=" path=ip:10.9.9.$n"
done
bad "more-than-128-paths" "sessname=s device_path=${ram[0]}$many"
check "server-has-nothing-left" wait_for 10 server_idle

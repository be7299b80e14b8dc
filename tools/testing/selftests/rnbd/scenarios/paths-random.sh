#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any,uml
#
# Path actions at random under I/O, on four links. First one after the other, and one path always
# carries on: each action ends as a model of the paths says, and no I/O fails. Then three workers at
# once, without regard for each other: nothing but the allowed errnos, and all is well at the end.
#
# The seed is printed; SEED=... in the environment repeats a run of the first part. ACTIONS=... is
# the number of actions of each part.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"
. "${0%/*}/../lib-path.sh"

: "${SEED:=$((RANDOM * 32768 + RANDOM))}" "${ACTIONS:=50}"
note "SEED=$SEED ACTIONS=$ACTIONS"
RANDOM=$SEED

LINKS=4
rxe_up $LINKS
null=$(null_blk_up 64)
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
load_rnbd_client
path_pairs_start
sess=$RTRS_CLT/$RNBD_SESS
disk=$(rnbd_map "$(path_args 0 1 2 3)" "device_path=$null")

test_start "$ACTIONS actions, one after the other"
# the model: up, down, or gone, for each link
model=(up up up up)
ups() { local s n=0; for s in "${model[@]}"; do [ "$s" != up ] || n=$((n + 1)); done; echo $n; }

# Each act_* LINK does something to the path of the link and tells the model. It fails when the
# outcome is not what the model says. What takes a path down may count on another one being up.
outcome() { # WANT GOT
	[ "$1" = "$2" ] || { echo "wanted $1, got $2"; return 1; }
}
act_add() {
	if [ "${model[$1]}" = gone ]; then
		outcome OK "$(add_path "$1")" && model[$1]=up
	else
		outcome EEXIST "$(add_path "$1")"
	fi
}
act_disconnect() {
	[ "${model[$1]}" != gone ] || return 0
	outcome OK "$(path_do "$1" disconnect)" && model[$1]=down && path_is "$1" disconnected
}
act_reconnect() {
	[ "${model[$1]}" != gone ] || return 0
	outcome OK "$(path_up "$1")" && model[$1]=up && path_is "$1" connected
}
act_remove() {
	[ "${model[$1]}" != gone ] || return 0
	outcome OK "$(path_do "$1" remove_path)" && model[$1]=gone && gone "$(clt_path "$1")"
}
act_server() {
	[ "${model[$1]}" = up ] || return 0
	cut_by_server "$1"
}
act_device() {
	[ "${model[$1]}" = up ] || return 0
	rxe_del "$(link_dev "$1")" && rxe_add "$(link_dev "$1")" &&
		wait_for 30 path_is "$1" connected
}
act_policy() { outcome OK "$(errno_of write "$sess/mpath_policy" $(($1 % 3)))"; }
act_reset() {
	[ "${model[$1]}" != gone ] || return 0
	outcome OK "$(errno_of write "$(clt_path "$1")/stats/reset_all" 1)"
}

kinds=(add add disconnect reconnect reconnect reconnect remove server server device policy reset)
takes_down() { [[ " disconnect reconnect remove server device " == *" $1 "* ]]; }
agree() { # the model and the kernel
	local l
	for ((l = 0; l < LINKS; l++)); do
		case ${model[l]} in
		up)	path_is $l connected ;;
		down)	path_is $l disconnected ;;
		gone)	gone "$(clt_path $l)" ;;
		esac || { echo "link $l is not ${model[l]}"; return 1; }
	done
}

load_start "$disk"
good=1
for ((n = 0; n < ACTIONS && good; n++)); do
	kind=${kinds[RANDOM % ${#kinds[@]}]} link=$((RANDOM % LINKS))
	# the last one stays
	if takes_down "$kind" && [ "${model[link]}" = up ] && [ "$(ups)" = 1 ]; then
		kind=policy
	fi
	note "$n: $kind $link (${model[*]})"
	"act_$kind" $link && agree || good=
done
load_end "no-failed-io-and-data-right"
check "every-action-ends-as-it-must" test -n "$good"
check "device-open" state_is "$disk" open

# all_up: whatever became of the paths, have all of them connected
all_up() {
	local l
	for ((l = 0; l < LINKS; l++)); do
		[ -e "/sys/class/infiniband/rxe_$(link_dev $l)" ] || rxe_add "$(link_dev $l)"
		wait_for 60 one_up $l || return 1
	done
	paths_are $LINKS
}
one_up() {
	if [ -e "$(clt_path "$1")" ]; then
		path_is "$1" connected || [ "$(path_up "$1")" = OK ]
	else
		[ "$(add_path "$1")" = OK ]
	fi
}
require "all-paths-can-be-connected" all_up

test_start "$ACTIONS actions by three at once"
# ENOENT: another worker has removed the path; ENXIO: the server has just lost the last one
allowed='OK|ENOENT|ENXIO|ENODEV|ENOTCONN|EBUSY|EEXIST|ECONNRESET|ECONNABORTED|EHOSTUNREACH|EADDRNOTAVAIL'
act() { # KIND LINK: the errno
	case $1 in
	add)	add_path "$2" ;;
	server)	errno_of write "$(srv_path "$2")/disconnect" 1 ;;
	policy)	errno_of write "$sess/mpath_policy" $(($2 % 3)) ;;
	reset)	errno_of write "$(clt_path "$2")/stats/reset_all" 1 ;;
	*)	path_do "$2" "$1" ;;
	esac
}
worker() { # SEED COUNT
	local n kind link got
	local wild=(add add add disconnect reconnect reconnect remove_path server policy reset)
	RANDOM=$1
	for ((n = 0; n < $2; n++)); do
		kind=${wild[RANDOM % ${#wild[@]}]} link=$((RANDOM % LINKS))
		got=$(act "$kind" $link)
		echo "$kind $link: $got"
	done
}
# I/O may fail while all paths are gone, but it must not hang
fio_run "/dev/$disk" randrw 4k-32k 16 1 10000000 --time_based --runtime=10 \
	--continue_on_error=all --ignore_error=EIO,EIO,EIO >"$LAB_TMP/fio.out" 2>&1 &
fio=$!
workers=()
for w in 1 2 3; do
	worker $((SEED + w)) $((ACTIONS / 3)) >"$LAB_TMP/worker.$w" 2>&1 &
	workers+=("$!")
done
check "workers-end" wait_for 200 eval "! kill -0 ${workers[*]}"
check_equal "only-allowed-errnos" "" \
	"$(cat "$LAB_TMP"/worker.[123] | grep -vE "^[a-z_]+ [0-9]: ($allowed)\$" | head -n 5)"
note "outcomes: $(sed 's/.*: //' "$LAB_TMP"/worker.[123] | sort | uniq -c | paste -sd' ' | tr -s ' ')"
check "io-ends" wait_for 60 eval "! kill -0 $fio"
check "all-paths-can-be-connected-again" all_up
check "device-open-again" wait_for 20 state_is "$disk" open
check "fio-afterwards" fio_verify "/dev/$disk" randwrite 4k-32k 16 1 200
check "unmap" rnbd_unmap "$disk"
check "nothing-left" wait_for 20 nothing_mapped
check "server-idle" wait_for 20 server_idle
check_path_pairs "every-path-object-was-freed" 4

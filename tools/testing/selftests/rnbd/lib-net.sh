#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Links, Soft-RoCE and signals between guests. Part of lib.sh.
#
# Addresses. A lone guest has link L (0, 1, ...) as network device rnl<L> (a dummy; client and
# server meet on the same address) with 10.0.L.1/24 and fd00:0:L::1/64. With several guests every
# pair A < B is joined by its own cables; cable L of the pair carries 10.AB.L.<guest>/24 and
# fd00:AB:L::<guest>/64, for example 10.12.0.1 and 10.12.0.2. Their devices are named p<AB>l<L>.
# The RDMA device of network device X is called rxe_X.

: "${LAB_MTU:=4200}" # room for the largest RDMA MTU, 4096
_net_links=()

_pair() { # A B: the two digits of a pair, smaller first
	if [ "$1" -lt "$2" ]; then echo "$1$2"; else echo "$2$1"; fi
}

# link_dev [LINK [GUEST]]: network device of that link (towards that guest; default the other
# one, or the first other one).
link_dev() {
	local l=${1:-0} peer=${2:-$((LAB_N == 1 ? 2 : 1))}
	if [ "$LAB_GUESTS" = 1 ]; then
		echo "rnl$l"
	else
		echo "p$(_pair "$LAB_N" "$peer")l$l"
	fi
}

# addr_of GUEST [LINK [OBSERVER]]: IPv4 address of that guest on the cable to OBSERVER (default
# this guest, or its peer when it asks for its own).
addr_of() {
	local g=$1 l=${2:-0} o=${3:-$LAB_N}
	if [ "$LAB_GUESTS" = 1 ]; then
		echo "10.0.$l.1"
		return
	fi
	[ "$o" != "$g" ] || o=$((g == 1 ? 2 : 1))
	echo "10.$(_pair "$g" "$o").$l.$g"
}

# addr6_of GUEST [LINK [OBSERVER]]: the same in IPv6.
addr6_of() {
	local g=$1 l=${2:-0} o=${3:-$LAB_N}
	if [ "$LAB_GUESTS" = 1 ]; then
		echo "fd00:0:$l::1"
		return
	fi
	[ "$o" != "$g" ] || o=$((g == 1 ? 2 : 1))
	echo "fd00:$(_pair "$g" "$o"):$l::$g"
}

_addr_up() { # DEV IPV4 IPV6
	ip link set "$1" mtu "$LAB_MTU" up
	ip addr replace "$2/24" dev "$1"
	ip -6 addr replace "$3/64" dev "$1" nodad
}

_link_up_solo() { # LINK
	local dev
	dev=$(link_dev "$1")
	if [ ! -e "/sys/class/net/$dev" ]; then
		modprobe -q dummy numdummies=0 || :
		ip link add "$dev" type dummy
		_net_links+=("$dev")
	fi
	_addr_up "$dev" "$(addr_of 1 "$1")" "$(addr6_of 1 "$1")"
}

# The hypervisor gives each NIC the address 52:54:00:<pair>:<link>:<guest>.
_link_up_guests() {
	local path mac pair l peer dev
	for path in /sys/class/net/*; do
		mac=$(<"$path/address")
		[[ $mac == 52:54:00:* ]] || continue
		IFS=: read -r _ _ _ pair l _ <<<"$mac"
		l=$((16#$l)) peer=$((pair / 10))
		[ "$peer" != "$LAB_N" ] || peer=$((pair % 10))
		dev=p${pair}l$l
		if [ "${path##*/}" != "$dev" ]; then
			ip link set "${path##*/}" down
			ip link set "${path##*/}" name "$dev"
		fi
		_netem_up "$dev"
		_addr_up "$dev" "$(addr_of "$LAB_N" "$l" "$peer")" "$(addr6_of "$LAB_N" "$l" "$peer")"
	done
}

# links_up [COUNT]: bring the links up, without RDMA (COUNT counts only in a lone guest).
links_up() {
	local l
	if [ "$LAB_GUESTS" = 1 ]; then
		for ((l = 0; l < ${1:-1}; l++)); do
			_link_up_solo "$l"
		done
		return
	fi
	modprobe -q virtio_net || :
	wait_for 10 eval 'grep -qs ^52:54:00 /sys/class/net/*/address'
	_link_up_guests
}

# rxe_add DEV / rxe_del DEV: Soft-RoCE on that network device.
rxe_add() { rdma link add "rxe_$1" type rxe netdev "$1"; }
rxe_del() { rdma link delete "rxe_$1"; }

# In a guest of the lab Soft-RoCE says when it does twice what must be done once: check.py asks the log.
_rxe_tells() {
	local control=/proc/dynamic_debug/control
	if [ -n "$LAB_CTL" ] && [ -e $control ]; then
		echo "module rdma_rxe func rxe_reg_fast_mr +p" >$control
	fi
}

# rxe_up [COUNT]: links and Soft-RoCE on each of them.
rxe_up() {
	local path dev
	modprobe rdma_rxe
	_rxe_tells
	modprobe -q rdma_ucm || :
	modprobe -q ib_uverbs || :
	links_up "${1:-1}"
	for path in /sys/class/net/rnl* /sys/class/net/p[0-9]*l*; do
		dev=${path##*/}
		if [ -e "$path" ] && [ ! -e "/sys/class/infiniband/rxe_$dev" ]; then
			rxe_add "$dev"
		fi
	done
	# with several guests, a peer may still be booting: its address must answer first
	if [ "$LAB_GUESTS" -gt 1 ]; then
		signal "rxe-up-$LAB_N"
		for ((dev = 1; dev <= LAB_GUESTS; dev++)); do
			await "rxe-up-$dev" 60
		done
	fi
}

# Takes back what rxe_up made: the RDMA devices, which must go away, then our dummies.
_net_down() {
	local path
	for path in /sys/class/infiniband/rxe_rnl* /sys/class/infiniband/rxe_p[0-9]*l*; do
		[ -e "$path" ] || continue
		timeout 30 rdma link delete "${path##*/}" ||
			test_fail "rdma-link-delete" "${path##*/} stays"
	done
	for path in "${_net_links[@]}"; do
		ip link delete "$path"
	done
}

# --- bad links ------------------------------------------------------------------------------------
# Between guests only.  Soft-RoCE's management queue pair is dead for good when the kernel refuses one of
# its packets: so never take a link down for this, and never put a queueing discipline on a link
# that is in use. netem is there from the start, and only its parameters change.

_netem_up() { # DEV
	if ! tc qdisc show dev "$1" root | grep -q netem; then
		modprobe -q sch_netem || :
		tc qdisc replace dev "$1" root netem limit 100000
	fi
}

# link_netem LINK ARGUMENT...: what this guest sends over that link suffers as netem(8) says, for
# example link_netem 0 delay 5ms loss 1%; with no argument it suffers nothing. Call it in both guests
# for both directions. LINK can also be the name of a device, as link_dev prints it.
link_netem() { tc qdisc change dev "$(_link_or_dev "$1")" root netem limit 100000 "${@:2}"; }
_link_or_dev() { if [ -e "/sys/class/net/$1" ]; then echo "$1"; else link_dev "$1"; fi; }

# link_cut LINK: nothing that this guest sends over that link arrives; link_restore LINK: all does.
link_cut() { link_netem "$1" loss 100%; }
link_restore() { link_netem "$1"; }

# --- signals ------------------------------------------------------------------------------------
# They travel over a serial channel and the lab, not over the network, so that they also work
# while a link is cut. Outside the lab they are plain files: a lone machine signals itself.

_sync_dir=${LAB_SYNC:-$LAB_TMP/sync}
mkdir -p "$_sync_dir"

# signal NAME: tell every guest, this one included, that NAME has happened.
signal() {
	: >"$_sync_dir/$1"
	if [ -n "$LAB_CTL" ]; then
		echo "signal $1" >"$LAB_CTL"
	fi
}

# await NAME [SECONDS]: wait (default 60 s) until some guest has signalled NAME.
await() { wait_for "${2:-60}" test -e "$_sync_dir/$1"; }

# heard GLOB: print the signals so far that match, one a line; fails if there is none.
heard() { (cd "$_sync_dir" && compgen -G "$1"); }

# --- orders ---------------------------------------------------------------------------------------
# One guest has another one do things, in order and each to its end; a guest that boots again goes
# on with the first that was not done.

# order ROLE WORD [ARGUMENT...]: have ROLE run on_WORD ARGUMENT..., and wait for its end.
order() {
	local n=1
	while [ -e "$_sync_dir/done $1 $n" ]; do
		n=$((n + 1))
	done
	signal "order $1 $n ${*:2}"
	await "done $1 $n" "${ORDER_TIMEOUT:-60}"
}

# serve_orders SECONDS: carry out what comes until the order "quit". on_* that fails ends the scenario.
serve_orders() {
	local limit=$(($1 * LAB_SLOW)) n=1 end file text
	end=$(($(now_ms) + limit * 1000))
	while [ "$(now_ms)" -lt "$end" ]; do
		while [ -e "$_sync_dir/done $LAB_ROLE $n" ]; do
			n=$((n + 1))
		done
		for file in "$_sync_dir/order $LAB_ROLE $n "*; do
			[ -e "$file" ] || { sleep 0.1; continue; }
			text=${file##*"/order $LAB_ROLE $n "}
			note "order $n: $text"
			if [ "$text" != quit ]; then
				# shellcheck disable=SC2086 # words
				on_$text
			fi
			signal "done $LAB_ROLE $n"
			[ "$text" != quit ] || return 0
		done
	done
	note "no order to quit within $limit s"
	return 1
}

# What most of them are.
on_cut() { link_cut "$1"; }
on_restore() { link_restore "$1"; }
on_netem() { link_netem "$@"; }

# --- power ----------------------------------------------------------------------------------------
# Only in the lab. Nothing warns the guest, this one included. The rest of its run is given up, but what
# it has reported counts, and it must be alive. After guest_reboot its script starts again from the
# top with LAB_BOOT=2 (then 3, ...), its disks (disks= in the header) as they were, and all signals that
# were given so far.

guest_kill() { echo "kill $1" >"$LAB_CTL"; }
guest_reboot() { echo "reboot $1" >"$LAB_CTL"; }

# A guest is stopped, and goes on as if nothing had been. Its clock stands still meanwhile; nothing that
# it has been sent gets lost on the way to it, as long as the network has room for that.
guest_pause() { echo "pause $1" >"$LAB_CTL"; }
guest_resume() { echo "resume $1" >"$LAB_CTL"; }

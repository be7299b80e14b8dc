#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run-one.sh SCENARIO.sh: run a scenario for one machine on this machine, without the lab, as a
# kselftest. Needs root, the modules installed (make modules_install) and not loaded, rdma from
# iproute2, fio, and gcc with a static libc to build errno-op. Exit status: 0 passed, 1 failed,
# 4 skipped. Besides the scenario's own results it looks for leftovers and for complaints in the
# kernel log.
set -u

here=$(cd "${0%/*}" && pwd)
scenario=${1:-}

skip() {
	echo "1..0 # SKIP $*"
	exit 4
}

[ -f "$scenario" ] || { echo "usage: run-one.sh SCENARIO.sh" >&2; exit 2; }
[ "$(id -u)" = 0 ] || skip "needs root"
grep -q '^# lab:.*guests=[2-9]' "$scenario" && skip "needs several machines"
for program in fio rdma dmesg; do
	command -v "$program" >/dev/null || skip "$program is not installed"
done
grep -q '^# lab:.*modules=no' "$scenario" || modinfo rnbd_client >/dev/null 2>&1 ||
	skip "the modules are not installed for $(uname -r)"
# every scenario ends with unmapping everything and unloading the modules, also one that has no use for
# them: never under somebody's work, be it a server that has no client now
for disk in /sys/block/rnbd*; do
	[ ! -e "$disk" ] || skip "${disk##*/} is in use on this machine"
done
loaded=
for module in rnbd_client rnbd_server rtrs_client rtrs_server rtrs_core; do # in unloading order
	[ ! -e "/sys/module/$module" ] || loaded+=" $module"
done
[ -z "$loaded" ] || skip "modules are loaded on this machine; if nobody needs them: rmmod$loaded"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! command -v errno-op >/dev/null; then
	gcc -O2 -static -o "$work/errno-op" "$here/errno-op.c" ||
		skip "errno-op does not build: gcc and a static libc are needed"
	export PATH=$work:$PATH
fi

if grep -q rnbd-peer "$scenario" && ! command -v rnbd-peer >/dev/null; then
	gcc -O2 -o "$work/rnbd-peer" "$here"/peer/*.c -lrdmacm -libverbs 2>/dev/null &&
		export PATH=$work:$PATH # without it the scenario skips itself
fi
if grep -q held_disk_up "$scenario" && ! command -v held-disk >/dev/null; then
	gcc -O2 -o "$work/held-disk" "$here/held-disk.c" || skip "held-disk does not build"
	export PATH=$work:$PATH
fi
if grep -q programs=replay-log "$scenario" && ! command -v replay-log >/dev/null; then
	gcc -O2 -o "$work/replay-log" "$here/replay-log.c" || skip "replay-log does not build"
	export PATH=$work:$PATH
fi

mark="rnbd selftest $$ ${scenario##*/}"
echo "$mark" >/dev/kmsg
seconds=$(sed -n 's/^# lab:.*timeout=\([0-9]*\).*/\1/p' "$scenario")
timeout -k 10 "$((${seconds:-60} * 2))" bash "$scenario"
status=$?

left=$("$here/leftovers.sh") || status=1
[ -z "$left" ] || echo "not ok - left in the kernel: $left"
if ! dmesg | grep -F "$mark" >/dev/null; then
	echo "not ok - kernel log: its beginning is gone, so nobody can say what was in it"
	status=1
fi
log=$(dmesg | sed "1,/$mark/d" |
	grep -E -f <(grep -v '^#' "$here/lab/kernel-log.bad") |
	grep -v -E -f <(grep -v '^#' "$here/lab/kernel-log.ok"))
if [ -n "$log" ]; then
	echo "not ok - kernel log: $log"
	status=1
fi
exit "$status"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Prints one line for everything of ours that is still in the running kernel after a scenario
# has unloaded the modules; prints nothing and succeeds if all is gone. Root; may take 10 s.

shopt -s nullglob
left=0
found() {
	left=1
	echo "$*"
}

# A reference that is just being dropped is no leak: give it a moment.
for ((n = 0; n < 50; n++)); do
	grep -qE '^(rnbd|rtrs)_' /proc/modules || break
	sleep 0.1
done

for m in rnbd_client rnbd_server rtrs_client rtrs_server rtrs_core; do
	[ ! -d /sys/module/$m ] || found "module $m is loaded, references: $(cat /sys/module/$m/refcnt)"
done
for p in /sys/block/rnbd* /sys/class/rnbd-* /sys/class/rtrs-* /sys/kernel/slab/{rnbd,rtrs}* \
	/sys/kernel/debug/{rnbd,rtrs}*; do
	[ ! -e "$p" ] || found "still there: $p"
done
grep -E ' rnbd' /proc/devices && found "block major rnbd"
grep -E '^(rnbd|rtrs)' /proc/slabinfo 2>/dev/null && found "slab cache"

# Kernel threads: their own, workqueue rescuers, and workers that run our work now ("+name";
# "-name" is only what a worker ran last).
for p in /proc/[0-9]*; do
	read -r name <"$p/comm" || continue
	case $name in
	kworker/*+rnbd* | kworker/*+rtrs* | kworker/R-rnbd* | kworker/R-rtrs* | rnbd* | rtrs*)
		# a process has a command line, a kernel thread has none
		grep -q . "$p/cmdline" || found "kernel thread ${p#/proc/} $name" ;;
	esac
done 2>/dev/null

# RDMA objects of kernel users with our names, and drivers that somebody still holds.
if [ -d /sys/class/infiniband ] && command -v rdma >/dev/null; then
	rdma resource show qp | grep -E 'comm \[?(rtrs|rnbd)' && found "queue pairs"
	rdma resource show cm_id | grep -E 'comm \[?(rtrs|rnbd)' && found "RDMA CM ids"
fi
if [ -d /sys/module/rdma_rxe ] && [ -z "$(ls -A /sys/class/infiniband 2>/dev/null)" ]; then
	for ((n = 0; n < 50; n++)); do
		timeout 20 rmmod rdma_rxe 2>/dev/null && break
		sleep 0.1
	done
	[ ! -d /sys/module/rdma_rxe ] ||
		found "rdma_rxe cannot be unloaded, references: $(cat /sys/module/rdma_rxe/refcnt)"
fi

# lockdep stops at its first finding or when its tables are full, and then sees nothing more
grep -q 'debug_locks: *0' /proc/lockdep_stats 2>/dev/null && found "lockdep has switched itself off"

if [ -w /sys/kernel/debug/kmemleak ]; then
	# a pointer may hide in a register for one scan; only what two scans see is a leak
	# refused once it has switched itself off
	echo scan >/sys/kernel/debug/kmemleak || found "kmemleak does not scan"
	sleep 5
	echo scan >/sys/kernel/debug/kmemleak || found "kmemleak does not scan"
	[ -z "$(cat /sys/kernel/debug/kmemleak)" ] || {
		found "kmemleak reports:"
		cat /sys/kernel/debug/kmemleak
	}
fi
exit $left

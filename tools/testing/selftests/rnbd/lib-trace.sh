#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What an I/O costs, counted from traces: work requests, posts (doorbells), completions and
# messages of each side, and memory allocations. Source it after lib.sh.
#
#	trace_sides_start; map ...; trace_sides_stop
#	trace_io_start; run COUNT requests; trace_io_stop
#	trace_io_counts COUNT	-> lines `side quantity per-I/O`
#
# Both ends are in one guest over Soft-RoCE. The connection manager's events tell which queue pair
# asked (client) and which answered (server); probes on the driver's post and completion functions
# do the counting, the same way for every upper protocol. Needs a kernel whose probes know types
# (6.6 or later).

TRACEFS=/sys/kernel/tracing
TRACE_SIDES=$LAB_TMP/trace.sides
TRACE_IO=$LAB_TMP/trace.io
TRACE_ALLOC=$LAB_TMP/trace.alloc

_trace_mount() {
	[ -e "$TRACEFS/trace" ] || mount -t tracefs tracefs "$TRACEFS"
	echo 0 >"$TRACEFS/tracing_on"
	echo nop >"$TRACEFS/current_tracer"
	echo >"$TRACEFS/set_event"
	echo 65536 >"$TRACEFS/buffer_size_kb"
	echo >"$TRACEFS/trace"
}

_trace_save() { # FILE
	echo 0 >"$TRACEFS/tracing_on"
	cat "$TRACEFS/trace" >"$1"
	echo >"$TRACEFS/set_event"
	echo >"$TRACEFS/trace"
	if grep -q 'LOST' "$1"; then
		note "trace lost events"
		return 1
	fi
}

# trace_sides_start / trace_sides_stop: around the set-up of the connections.
trace_sides_start() {
	_trace_mount
	echo 'rdma_cma:cm_send_req rdma_cma:cm_send_rep' >"$TRACEFS/set_event"
	echo 1 >"$TRACEFS/tracing_on"
}

trace_sides_stop() { _trace_save "$TRACE_SIDES"; }

_trace_probes() {
	local chain='' next=wr n
	for n in 1 2 3 4 5 6; do
		chain+=" wr$n=$next:x64 op$n=$next->opcode:u32"
		next+='->next'
	done
	{
		echo "p:rnbdtest/post rxe_post_send qpn=ibqp->qp_num cq=ibqp->send_cq$chain"
		echo "p:rnbdtest/cqe rxe_cq_post cq=cq"
	} >"$TRACEFS/kprobe_events"
}

# trace_io_start / trace_io_stop: around the requests.
trace_io_start() {
	_trace_mount
	_trace_probes
	echo 'rnbdtest:*' >"$TRACEFS/set_event"
	echo 1 >"$TRACEFS/tracing_on"
}

trace_io_stop() {
	_trace_save "$TRACE_IO"
	echo >"$TRACEFS/kprobe_events"
}

# trace_io_counts COUNT: what each side did per request, two decimals.
trace_io_counts() { awk -v count="$1" -f "$RNBD_TESTS/lib-trace-io.awk" "$TRACE_SIDES" "$TRACE_IO"; }

# trace_alloc_start / trace_alloc_stop: record every allocation with its call chain.
trace_alloc_start() {
	_trace_mount
	echo 1 >"$TRACEFS/options/stacktrace"
	echo 1 >"$TRACEFS/options/sym-addr"
	echo 'kmem:kmalloc kmem:kmem_cache_alloc kmem:mm_page_alloc' >"$TRACEFS/set_event"
	echo 1 >"$TRACEFS/tracing_on"
}

trace_alloc_stop() {
	_trace_save "$TRACE_ALLOC"
	echo 0 >"$TRACEFS/options/stacktrace"
	echo 0 >"$TRACEFS/options/sym-addr"
}

# trace_alloc_ours: allocations made by rnbd or rtrs themselves or by the block layer for them,
# not those of the RDMA driver below: one line per call chain, with its number.
trace_alloc_ours() {
	grep -E '\[(rnbd_|rtrs_|rdma_rxe)' /proc/kallsyms >"$LAB_TMP/trace.symbols"
	awk -f "$RNBD_TESTS/lib-trace-alloc.awk" "$LAB_TMP/trace.symbols" "$TRACE_ALLOC" |
		sort | uniq -c
}

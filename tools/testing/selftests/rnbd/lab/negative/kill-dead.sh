#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=90 smp=1 modules=no guests=2
# expect: server: is not there to be killed
#
# A guest that died by itself is not excused by an order to kill it.
. "${0%/*}/../lib.sh"
links_up
test_ok "so far"
silent() { ! ping -c 3 -W 1 "$(addr_of 1)"; }
if [ "$LAB_ROLE" = server ]; then
	signal about-to-die
	await client-is-up
	busybox poweroff -f
	sleep 10
fi
await about-to-die
wait_for 10 ping -c 1 -W 1 "$(addr_of 1)"
signal client-is-up
wait_for 30 silent
# silence is a little older than the end of the process
sleep 1
guest_kill server
sleep 1

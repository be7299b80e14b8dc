#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# udev in a guest, with Debian's rules and those of dist/udev (tools=yes in the header). Sourced by
# a scenario behind lib.sh. On a real machine udev runs already and is used as it is.

# udev_start: run the daemon until the end of the scenario.
udev_start() {
	if [ ! -S /run/udev/control ]; then
		# udev looks for its helpers in /lib, which in a guest holds modules only
		[ -e /lib/udev ] || ln -s /usr/lib/udev /lib/udev
		/usr/lib/systemd/systemd-udevd --daemon >"$LAB_TMP/udevd" 2>&1 || cat "$LAB_TMP/udevd"
		defer udevadm control --exit
	fi
	wait_for 30 udevadm control --ping
	check "udev-rules-installed" test -e /usr/lib/udev/rules.d/60-rnbd.rules
	settle
}

# udev_of DEVICE NAME: a property that udev has stored.
udev_of() { udevadm info --query=property --name="$1" | sed -n "s/^$2=//p"; }

# link_to LINK NODE: true if LINK exists and leads to NODE.
link_to() { [ "$(readlink -f "$1")" = "$2" ] && [ -e "$1" ]; }

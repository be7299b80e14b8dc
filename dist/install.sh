#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# install.sh [ROOT] - put programs, manual pages and the files of this directory into their places
# below ROOT (default /). Files in /etc that exist already are left as they are.
set -eu

root=${1:-}
cd "$(dirname "$0")/.."

# put MODE DIRECTORY FILE...
put() {
	mode=$1 dir=$root$2
	shift 2
	install -d "$dir"
	install -m "$mode" "$@" "$dir"
}

# put_config DIRECTORY FILE
put_config() {
	[ -e "$root$1/${2##*/}" ] || put 0644 "$1" "$2"
}

put 0755 /usr/sbin tools/rnbdmap/rnbdmap tools/rnbdexport/rnbdexport
put 0644 /usr/lib/rnbd tools/rnbdmap/rnbdtab.sh tools/rnbdmap/client.sh
put 0644 /usr/lib/systemd/system dist/systemd/*
put 0644 /usr/lib/systemd/system-preset dist/system-preset/*
put 0644 /usr/lib/udev/rules.d dist/udev/60-rnbd.rules
put 0755 /usr/lib/udev dist/udev/rnbd_id
put 0644 /usr/lib/modprobe.d dist/modprobe.d/rnbd-client.conf
put 0644 /usr/lib/depmod.d dist/depmod.d/rnbd.conf
put 0644 /usr/lib/tmpfiles.d dist/tmpfiles.d/rnbd-server.conf
put 0644 /usr/share/bash-completion/completions dist/bash-completion/*
put_config /etc/modprobe.d dist/modprobe.d/rnbd-server.conf
put_config /etc/rnbd dist/etc/rnbdtab
put_config /etc/rnbd dist/etc/exports
for page in Documentation/man/*.[1-8]; do
	put 0644 "/usr/share/man/man${page##*.}" "$page"
done

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# "make check": prepare the machine (nothing to do if it is), then run check.py, which explains
# TESTS, KERNELS and TIER.
set -eu
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that runs this: not for the builds below
here=$(cd "$(dirname "$0")" && pwd)
case "${TIER:-} ${KERNELS:-}" in
*deep* | *-rt*)	"$here/lab/setup.sh" lab uml static rt ;;
*)		"$here/lab/setup.sh" ;;
esac
exec python3 "$here/check.py" "$@"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# "make coverage": prepare the machine (nothing to do if it is), then run coverage.py, which
# explains TESTS and TIER.
set -eu
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that runs this: not for the builds below
here=$(cd "$(dirname "$0")" && pwd)
"$here/lab/setup.sh"
exec python3 "$here/coverage.py" "$@"

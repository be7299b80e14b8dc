#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make demo: prepare the machine (nothing to do if it is), then show the whole thing in two
# virtual machines (demo/demo.py says how).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/lab/setup.sh" lab
exec python3 "$here/demo/demo.py" "$@"

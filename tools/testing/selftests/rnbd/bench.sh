#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make bench: compare with other block transports (bench/bench.py says how).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/lab/setup.sh" lab
exec "$here/bench/bench.py" "$@"

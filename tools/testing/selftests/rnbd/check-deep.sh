#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# "make check-deep": everything on the debug kernels, the most telling first. What has not started
# after RNBD_CHECK_SECONDS (default three hours) is left out and named at the end. check.py explains
# TESTS.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export TIER=deep RNBD_CHECK_SECONDS="${RNBD_CHECK_SECONDS:-10800}"
exec "$here/check.sh" "$@"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# probe.sh INCLUDE - look into the headers of the target kernel and print one
# -DHAVE_... for each thing that compat.h need not supply.  Versions are not compared:
# stable kernels backport.
set -eu

inc=$1

# have NAME HEADER PATTERN - NAME if the extended regular expression is in the header
have()
{
	if grep -Eqs -- "$3" "$inc/$2"; then
		printf -- '-DHAVE_%s ' "$1"
	fi
}

have BLK_MODE_T			linux/blkdev.h	'typedef .*blk_mode_t;'
have GENDISK_OPEN		linux/blkdev.h	'\(\*open\)\(struct gendisk \*'

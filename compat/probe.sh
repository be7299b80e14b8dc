#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# probe.sh INCLUDE - look into the headers of the target kernel and print one
# -DHAVE_... for each thing that compat.h need not supply, and a -I for each header
# that it lacks altogether.  Versions are not compared: stable kernels backport.
set -eu

inc=$1
here=$(cd "$(dirname "$0")" && pwd)

# have NAME HEADER PATTERN - NAME if the extended regular expression is in the header
have()
{
	if grep -Eqs -- "$3" "$inc/$2"; then
		printf -- '-DHAVE_%s ' "$1"
	fi
}

have BDEV_FILE			linux/blkdev.h	'bdev_file_open_by_path\('
have BLK_FEATURES		linux/blkdev.h	'define BLK_FEAT_WRITE_CACHE'
have BLK_MODE_T			linux/blkdev.h	'typedef .*blk_mode_t;'
have BLK_OPEN_DISK		linux/blkdev.h	'\(\*open\) *\(struct gendisk \*'
have BLK_STS_DURATION_LIMIT	linux/blk_types.h 'define BLK_STS_DURATION_LIMIT'
have BLK_STS_INVAL		linux/blk_types.h 'define BLK_STS_INVAL'
have BLK_STS_RESV_CONFLICT	linux/blk_types.h 'define BLK_STS_RESV_CONFLICT'
have CLASS_CREATE_NAME		linux/device/class.h 'class_create\(const char \*'
have QUIESCE_TAGSET		linux/blk-mq.h	'blk_mq_quiesce_tagset'
have RQ_LIST			linux/blk-mq.h	'rq_list_pop\(struct rq_list'
have STRSCPY_ARRAY		linux/string.h	'define strscpy\(dst, src, \.\.\.\)'

if [ ! -e "$inc/linux/unaligned.h" ]; then
	printf -- '-I%s/include ' "$here"
fi

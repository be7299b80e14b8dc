/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kernels older than 6.12 lack, one block for each item.  Force-included by
 * out-of-tree builds only (kbuild.mk); the HAVE_ symbols come from probe.sh, which
 * looks for each item in the headers of the target.
 */
#ifndef RNBD_COMPAT_H
#define RNBD_COMPAT_H

#endif /* RNBD_COMPAT_H */

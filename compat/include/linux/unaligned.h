/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels without this header have the same functions in the older place. */
#ifndef RNBD_COMPAT_LINUX_UNALIGNED_H
#define RNBD_COMPAT_LINUX_UNALIGNED_H

#include <asm/unaligned.h>

#endif /* RNBD_COMPAT_LINUX_UNALIGNED_H */

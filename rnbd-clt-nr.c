// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Numbers of devices, the N of rnbd<N> (ABI 1.5).
 *
 * Normal operation: the smallest free number from 0; free again when the disk has gone.
 *
 * Failure: -ENOSPC when all are in use.
 */
#include <linux/idr.h>

#include "rnbd-clt.h"

static DEFINE_IDA(numbers);

/**
 * rnbd_clt_nr_get() - take a number
 *
 * Context: may sleep.
 * Return: 0..RNBD_CLT_MAX_NR; -ENOSPC: all are in use; -ENOMEM.
 */
int rnbd_clt_nr_get(void)
{
	return ida_alloc_max(&numbers, RNBD_CLT_MAX_NR, GFP_KERNEL);
}

/**
 * rnbd_clt_nr_put() - give a number back
 * @nr: number
 *
 * Context: any.
 */
void rnbd_clt_nr_put(int nr)
{
	ida_free(&numbers, nr);
}

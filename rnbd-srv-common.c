// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The copy of the common code that belongs to this module.  Built in, both ends
 * share one copy and this file is not used (see Makefile).
 */
#include "rnbd-common.c"

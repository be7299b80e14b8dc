// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Trace events of the RNBD server: this file makes their code, rnbd-srv-trace.h
 * declares them.  They never fail; a switched-off event costs a patched-out jump.
 */
#include "rnbd-srv.h"

#define CREATE_TRACE_POINTS
#include "rnbd-srv-trace.h"

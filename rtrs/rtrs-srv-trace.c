// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Trace events of the RTRS server: the one file that gives them a body.
 */
#include "rtrs-srv.h"

#define CREATE_TRACE_POINTS
#include "rtrs-srv-trace.h"

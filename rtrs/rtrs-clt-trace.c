// SPDX-License-Identifier: GPL-2.0-or-later
/* The bodies of the client's trace events; nothing else. */
#define CREATE_TRACE_POINTS
#include "rtrs-clt-trace.h"

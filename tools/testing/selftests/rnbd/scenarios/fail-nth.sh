#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=1800 kernel=uml mem=2G tier=full allow=Call.Trace:|kobject_add_internal.failed.*-12
#
# Every allocation that mapping, a new path, loading and so on make fails once; of those that make a
# path come back, which are much the same and take seconds each, one in eight (lib-fail-nth.sh).
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-fail-nth.sh"

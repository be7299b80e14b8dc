#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=90 kernel=6.12,uml allow=made.up
#
# Proves run-one.sh, which runs scenarios on a machine without the lab: here the guest is that
# machine. A good scenario passes, a failing one and one that upsets the kernel log do not; and
# modules that were loaded before are not touched.
. "${0%/*}/../lib.sh"

# run_one COMMAND...: exit status of run-one.sh for a scenario that consists of COMMAND
run_one() {
	local file=$RNBD_TESTS/scenarios/made.sh status=0
	{
		echo '# lab: guests=1 timeout=20 kernel=any modules=no'
		echo ". \"$RNBD_TESTS/lib.sh\""
		echo "$*"
	} >"$file"
	env -i "PATH=$PATH" HOME=/root bash "$RNBD_TESTS/run-one.sh" "$file" >"$LAB_TMP/out" 2>&1 ||
		status=$?
	sed 's/^/# | /' "$LAB_TMP/out" >&2
	echo "$status"
}

check_equal "a good scenario passes" 0 "$(run_one test_ok fine)"
check_equal "a failing one fails" 1 "$(run_one check_equal differ 1 2)"
check_equal "a skipped one is skipped" 4 "$(run_one skip_all because)"
check_equal "a complaint in the kernel log fails" 1 \
	"$(run_one 'test_ok fine; echo "list_add corruption, made up" >/dev/kmsg')"

modprobe rnbd_server
check_equal "with a module loaded it is skipped" 4 "$(run_one test_ok fine)"
check_match "it says what to do" "if nobody needs them: rmmod rnbd_server" "$(<"$LAB_TMP/out")"
check "the module stays" module_loaded rnbd_server
advice=$(sed -n 's/.*needs them: //p' "$LAB_TMP/out")
check "what it says can be done" eval "$advice"
check_equal "and helps" 0 "$(run_one test_ok fine)"

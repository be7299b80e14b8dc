#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=120 kernel=uml,uml-kasan,kasan
#
# Loads the project's KUnit modules and passes their results on, one by one. Needs a kernel with
# KUnit, which the stock ones are not; skipped there.
. "${0%/*}/../lib.sh"

results=/sys/kernel/debug/kunit
[ -d "$results" ] || modprobe -q kunit || skip_all "this kernel has no KUnit"

# suite_results FILE: our own result for each test case of a suite ("    ok 3 name")
suite_results() {
	local suite line lines cases=0
	suite=${1%/results} suite=${suite##*/}
	mapfile -t lines <"$1"
	for line in "${lines[@]}"; do
		[[ $line =~ ^\ {4}(not )?ok\ [0-9]+\ ([^ ]+)(.*)$ ]] || continue
		cases=$((cases + 1))
		if [[ ${BASH_REMATCH[3]} == *"# SKIP"* ]]; then
			test_skip "$suite.${BASH_REMATCH[2]}" "${BASH_REMATCH[3]#*SKIP}"
		elif [ -n "${BASH_REMATCH[1]}" ]; then
			test_fail "$suite.${BASH_REMATCH[2]}"
			printf '# %s\n' "${lines[@]}"
		else
			test_ok "$suite.${BASH_REMATCH[2]}"
		fi
	done
	[ "$cases" -gt 0 ] || test_fail "$suite" "no test case in $1"
}

modules=$(find "/lib/modules/$(uname -r)" -name '*[-_]kunit.ko' -path '*/updates/*')
[ -n "$modules" ] || skip_all "no KUnit modules are installed"
for file in $modules; do
	module=${file##*/} module=${module%.ko} module=${module//-/_}
	test_start "$module"
	require "$module loads" modprobe "$module"
	found=0
	for suite in "$results"/*/results; do
		[ -e "$suite" ] || continue
		suite_results "$suite"
		found=1
	done
	check_equal "$module has tests" 1 "$found"
	require "$module unloads" unload "$module"
done

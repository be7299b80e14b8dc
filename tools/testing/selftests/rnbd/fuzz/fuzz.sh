#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fuzzes the pure code in user space: builds it with the address and undefined-behaviour
# sanitizers and runs each target under libFuzzer.
#
#	fuzz.sh [SECONDS [TARGET...]]	default 10 seconds each, all targets
#
# Targets: wire msg addr opts name. Known inputs are in corpus/TARGET.hex, one a line; all of them
# run first, then the time is spent on new ones. FUZZ_SEED repeats a run, FUZZ_NEW=DIR keeps
# inputs that reached new code (as DIR/TARGET/*; "fuzz.sh hex FILE..." prints them for a corpus).
# An input that fails is shown in hex; put it into the corpus together with the fix.
# shellcheck source=tools/testing/selftests/rnbd/lib-static.sh
. "$(dirname "$0")/../lib-static.sh"
here=$tests/fuzz

declare -A sources=(
	[wire]="rtrs/rtrs-wire.c"
	[msg]="rnbd-common.c"
	[addr]="rtrs/rtrs-addr.c"
	[opts]="rnbd-clt-opts.c rtrs/rtrs-addr.c rnbd-common.c"
	[name]="rnbd-srv-name.c"
)
# more input than that says nothing new
declare -A longest=([wire]=1200 [msg]=300 [addr]=120 [opts]=600 [name]=9000)

hex() { # FILE...: each as one line
	local file
	for file; do
		od -An -v -tx1 "$file" | tr -d ' \n'
		echo
	done
}

if [ "${1:-}" = hex ]; then
	shift
	hex "$@"
	exit
fi

seconds=${1:-10}
shift
[ $# -gt 0 ] || set -- wire msg addr opts name
need clang
src=$(kernel_source) || exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# Every header of the kernel is the shim, but for those that the C library uses itself; the
# project's own are found beside the sources.
headers() {
	local name
	mkdir -p include
	(cd "$root" && cat ./*.[ch] rtrs/*.[ch]) |
		sed -n 's/^#[[:space:]]*include <\(.*\)>/\1/p' | sort -u | grep -vxE 'linux/(errno|stddef|limits)\.h' | while read -r name; do
		mkdir -p "include/$(dirname "$name")"
		echo '#include "shim.h"' >"include/$name"
	done
}

# The kernel's own parsers of addresses and numbers
kernel_code() {
	{
		echo '#include "shim.h"'
		sed -n '/^#define IN6PTON_XDIGIT/,/^EXPORT_SYMBOL(in6_pton);/p' "$src/net/core/utils.c"
	} >pton.c
	cp "$src/lib/kstrtox.c" "$src/lib/kstrtox.h" .
	sed -i '/^#include <linux/d; s,^#include "kstrtox.h",#include "shim.h"\n&,' kstrtox.c
	# what copies from user space and knows other types is not needed
	sed -i '/^#define kstrto_from_user/,$d' kstrtox.c
	grep -q in6_pton pton.c && grep -q kstrtoint kstrtox.c
}

build() { # TARGET
	local file list=("$here/fuzz-$1.c" "$here/shim.c" pton.c kstrtox.c)
	for file in ${sources[$1]}; do
		list+=("$root/$file")
	done
	# wraps as the kernel does, and nothing that fails may go on
	clang -O1 -g -std=gnu11 -Wall -Wno-unused-function -Wno-gnu-variable-sized-type-not-at-end -fwrapv \
		-fshort-wchar -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-fno-omit-frame-pointer -include shim.h -iquote . -iquote "$here" -iquote "$root/rtrs" \
		-iquote "$root" -Iinclude -I"$here" -o "fuzz-$1" "${list[@]}"
}

corpus() { # TARGET: unpack the known inputs
	local n=0 line
	mkdir -p "known/$1"
	while read -r line; do
		case $line in '#'* | '') continue ;; esac
		n=$((n + 1))
		printf '%b' "$(fold -w 2 <<<"$line" | sed 's/^/\\x/' | tr -d '\n')" >"known/$1/$n"
	done <"$here/corpus/$1.hex"
	[ "$n" -gt 0 ]
}

run() { # TARGET
	local new=$work/new/$1 file status=0
	[ -z "${FUZZ_NEW:-}" ] || new=$FUZZ_NEW/$1
	mkdir -p "$new" "bad/$1"
	"./fuzz-$1" -max_total_time="$seconds" -max_len="${longest[$1]}" -timeout=10 \
		-rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="bad/$1/" \
		${FUZZ_SEED:+-seed=$FUZZ_SEED} "$new" "known/$1" >"log-$1" 2>&1 || status=$?
	awk -v t="$1" '/^INFO: Seed:/ { seed = $3 }
		/number_of_executed_units/ { runs = $2 }
		/ cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
		END { printf "%s: %d executions, %d edges, seed %s\n", t, runs, cov, seed }' "log-$1"
	if [ "$status" != 0 ]; then
		grep -vE '^#[0-9]+.*(NEW|REDUCE|RELOAD|pulse)' "log-$1" | tail -n 40
		for file in "bad/$1"/*; do
			[ -e "$file" ] && echo "failing input of $1: $(hex "$file")"
		done
		return 1
	fi
}

headers
kernel_code || die "the kernel source is not what this script expects"
failed=0
for target; do
	[ -n "${sources[$target]:-}" ] || die "no target $target (there are: ${!sources[*]})"
	build "$target" || die "$target does not build"
	corpus "$target" || die "no corpus for $target"
	run "$target" || failed=1
done
exit $failed

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# build-fio.sh OUT: build a static fio from Debian's source package. Needs libaio-dev and
# zlib1g-dev. Works in a directory of its own, with its own package lists, and removes it.
set -euo pipefail

out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# the host's own sources, as source entries
mkdir -p "$work/parts" "$work/lists/partial"
for f in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
	[ -s "$f" ] || continue
	if [[ $f == *.sources ]]; then
		sed 's/^Types:.*/Types: deb-src/' "$f" >"$work/parts/src.sources"
	else
		sed -n 's/^deb /deb-src /p' "$f" >"$work/parts/src.list"
	fi
done
apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/parts"
	-o "Dir::State::lists=$work/lists" -o APT::Sandbox::User=root)
cd "$work"
"${apt[@]}" update
"${apt[@]}" source --download-only fio
find . -maxdepth 1 -name "fio_*.orig.tar.*" ! -name "*.asc" -exec tar -xf {} \;
cd fio-*/
./configure --build-static --disable-native --disable-numa --disable-rdma --disable-rados \
	--disable-rbd --disable-gfapi --disable-http --disable-lex --disable-xnvme
make -s -j"$(nproc)"
strip -o "$out" fio

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# build-deb.sh DIRECTORY [VERSION] - build the Debian packages from this checkout into DIRECTORY,
# in a copy, so that the checkout stays as it is. VERSION instead of that of debian/changelog.
# Needs the packages build-essential, debhelper and dh-dkms, and no network.
set -eu

cd "$(dirname "$0")/.."
mkdir -p "$1"
out=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing=""
for package in build-essential debhelper dh-dkms; do
	dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
		missing="$missing $package"
done
if [ -n "$missing" ]; then
	echo "make deb: install these packages first:$missing" >&2
	exit 1
fi

# what git ignores is not ours; a checkout without git is taken as it is, but for what was built
list() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files -z --cached --others --exclude-standard
	else
		find . -type f -print0
	fi
}

mkdir "$work/rnbd"
list | tar -cf - --ignore-failed-read --exclude='*.o' --exclude='*.ko' --exclude='*.cmd' \
	--exclude='*.mod' --exclude='*.mod.c' --null -T - | tar -C "$work/rnbd" -xf -
cd "$work/rnbd"
if [ -n "${2-}" ]; then
	sed -i "1s/(.*)/($2)/" debian/changelog
fi
dpkg-buildpackage -us -uc -b --no-pre-clean >"$work/log" 2>&1 || {
	cat "$work/log" >&2
	exit 1
}
cp "$work"/*.deb "$out"
echo "Packages in $out:"
cd "$out"
ls ./*_"$(dpkg-parsechangelog -l "$work/rnbd/debian/changelog" -S Version)"_*.deb

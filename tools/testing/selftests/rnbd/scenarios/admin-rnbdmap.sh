#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=240 kernel=any,uml tools=yes
#
# rnbdmap and rnbdexport on the real modules, without systemd (admin-boot has the units): what the
# units call at start, stop, reload and restart, twice each, a server that comes late, a disk in use,
# exports that change under open devices.
. "${0%/*}/../lib.sh"

command -v rnbdmap >/dev/null || skip_all "dist/ is not installed (make tools_install)"
[ ! -s /etc/rnbd/rnbdtab ] || ! grep -q '^[^#]' /etc/rnbd/rnbdtab ||
	skip_all "this machine has an rnbdtab of its own"
rxe_up 2
mapfile -t ram < <(brd_up 4 16)
tab=$LAB_TMP/rnbdtab
exports=$LAB_TMP/exports
defer rnbdexport stop

map() { rnbdmap map -f "$tab" "$@"; }
unmap() { rnbdmap unmap -f "$tab" "$@"; }
status() { rnbdmap status -f "$tab" "$@"; }
disk_of() { rnbd_disk_of store "$1"; }
# says REGEX CMD...: CMD succeeds and prints something that matches.
says() {
	local out
	out=$("${@:2}" 2>&1) || { echo "$out"; return 1; }
	echo "$out"
	[[ $out =~ $1 ]]
}

cat >"$exports" <<-END
	store	volume1		${ram[0]}
	store	vg/volume2	${ram[1]}
	other	volume1		${ram[2]}
	six	volume1		${ram[3]}
END
cat >"$tab" <<-END
	one	store	volume1		ip:$(addr_of 1 0),ip:$(addr_of 1 1)	policy=rr,max_reconnect_attempts=77,hold_time_ms=1500,timeout=100
	two	store	vg/volume2	-	access_mode=ro
	third	other	volume1		ip:$(addr_of 1 0)	noauto
	six	six	volume1		ip:$(addr6_of 1 0)	noauto
END

test_start "a server that comes late"
map one >"$LAB_TMP/late" 2>&1 &
late=$!
check "late-is-trying" wait_for 60 file_has "$LAB_TMP/late" "again in"
check "start-exports" rnbdexport start -f "$exports"
check_equal "start-is-safe" "/run/rnbd-devs/%SESSNAME%" \
	"$(cat /sys/module/rnbd_server/parameters/dev_search_path)"
if wait "$late"; then test_ok "late-mapped"; else test_fail "late-mapped" "$(cat "$LAB_TMP/late")"; fi
one=$(disk_of volume1)
check "mapped-node" test -b "/dev/$one"
check "mapped-policy" file_has "$RTRS_CLT/store/mpath_policy" "^round-robin "
check "mapped-attempts" file_is "$RTRS_CLT/store/max_reconnect_attempts" 77
check "mapped-hold-time" file_is "$RTRS_CLT/store/hold_time_ms" 1500
check_equal "mapped-two-paths" 2 "$(find "$RTRS_CLT/store/paths" -mindepth 1 -maxdepth 1 | wc -l)"

test_start "idempotence"
check "idempotent-map-again" says "mapped already: /dev/$one" map one
check_equal "idempotent-one-disk" "$one" "$(rnbd_disks)"
check "idempotent-map-all" says "two: mapped: /dev/rnbd" map -a
check "idempotent-map-all-again" says "two: mapped already" map -a
check_equal "map-all-leaves-noauto" 2 "$(rnbd_disks | wc -l)"
check "status-of-mapped" says "one +/dev/$one +open +rw +2/2 +store" status one two
check_fails "status-of-unmapped" status third
check "ro-entry" file_is "/sys/block/$(disk_of vg/volume2)/rnbd/access_mode" ro
echo 5 >"$RTRS_CLT/store/max_reconnect_attempts"
check "settings-again" map one
check "settings-restored" file_is "$RTRS_CLT/store/max_reconnect_attempts" 77
for ((n = 0; n < 4; n++)); do
	map third >"$LAB_TMP/race.$n" 2>&1 &
done
wait
check_equal "four-at-once-all-succeed" 4 "$(cat "$LAB_TMP"/race.* | grep -c "third: mapped")"
check_equal "four-at-once-one-disk" 3 "$(rnbd_disks | wc -l)"

test_start "mappings that do not match"
sed -i 's/access_mode=ro/access_mode=rw/' "$tab"
check_fails "other-mode-is-refused" map two
sed -i 's/access_mode=rw/access_mode=ro/' "$tab"
sed 's/^third.*/third store volume1x - noauto/' "$tab" >"$LAB_TMP/wrong"
if out=$(rnbdmap map -f "$LAB_TMP/wrong" third 2>&1); then out="succeeded"; fi
check_match "missing-device-says-what-to-do" "ENOENT: the server exports no such device" "$out"

test_start "an address that the kernel spells otherwise"
check "six-map" says "six: mapped:" map six
check "six-other-spelling" gone "$RTRS_CLT/six/paths/ip:$(addr6_of 1 0)@ip:$(addr6_of 1 0)"
six=$(rnbd_disk_of six volume1)
check_equal "six-map-again-without-a-warning" "rnbdmap: six: mapped already: /dev/$six" "$(map six 2>&1)"
check "six-unmap" unmap six

test_start "a closed device is opened again"
errno-op write "$RNBD_SRV_CTL/devices/${ram[0]#/dev/}/sessions/store/force_close" 1
errno_of pread "/dev/$one" 0 4096 direct >"$LAB_TMP/noticed" # the client hears of it with its next I/O
wait_for 20 file_is "/sys/block/$one/rnbd/state" closed
check_fails "status-of-closed" status one
check "map-of-closed" says "mapped already" map one
check "open-again" file_is "/sys/block/$one/rnbd/state" open

test_start "exports change while devices are open"
sed -i '/volume2/d; s/^other.*/other renamed '"${ram[2]//\//\\/}/" "$exports"
check "reload-names-what-stays-open" says "store still has vg/volume2 open" rnbdexport reload -f "$exports"
check "reload-device-stays-open" file_is "/sys/block/$(disk_of vg/volume2)/rnbd/state" open
expect_errno OK pread "/dev/$(disk_of vg/volume2)" 0 4096 direct
check "reload-link-gone" gone /run/rnbd-devs/store/vg
check "export-status" says "store +volume1 +${ram[0]} +open \(rw\)" rnbdexport status -f "$exports"
check "unmap-two" unmap two
check_fails "unexported-cannot-be-mapped" map -w 0 two

test_start "unmap"
exec 7<"/dev/$one"
check_fails "unmap-in-use" unmap -w 1 one
check "unmap-in-use-still-open" file_is "/sys/block/$one/rnbd/state" open
unmap -w 60 one >"$LAB_TMP/busy" 2>&1 7<&- &
busy=$!
check "unmap-waits" wait_for 30 file_has "$LAB_TMP/busy" "$one is in use"
exec 7<&-
if wait "$busy"; then test_ok "unmap-after-close"; else test_fail "unmap-after-close" "$(cat "$LAB_TMP/busy")"; fi
check "unmap-again" says "one: not mapped" unmap one
check "unmap-all" unmap -a
check "unmap-all-again" unmap -a
check_equal "nothing-mapped" "" "$(rnbd_disks)"

test_start "restart"
check "restart-map" map one
check "restart-unmap" unmap one
check "restart-map-again" map one
exec 7<"/dev/$(disk_of volume1)"
check "unmap-force" unmap --force one
exec 7<&-
check "server-stop" rnbdexport stop
check "server-stop-unloaded" gone /sys/module/rnbd_server
check_equal "server-stop-no-links" "" "$(find /run/rnbd-devs -mindepth 1)"
check "server-stop-again" rnbdexport stop

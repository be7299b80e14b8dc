#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=300 kernel=any tier=full tools=yes programs=systemd
#
#	server: brd ---- rxe ---- client: systemd, our units, _netdev mounts in fstab
#
# The units, run by a real systemd: Debian's, with Debian's own units, as the first process of a PID
# namespace, so that the guest outlives its shutdown and can look at what is left. At boot the network
# comes first, then the mappings, then the mounts of fstab that say _netdev; at shutdown the reverse.
# As far as systemd knows the server is another machine. Not in User Mode Linux, whose kernel here has
# no control groups.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

[ "$LAB_KERNEL" != host ] || skip_all "would change how this machine boots"
modprobe ext4
echo on >/proc/sys/kernel/printk_devkmsg
# in a guest /lib holds modules only
for name in systemd udev; do
	[ -e "/lib/$name" ] || ln -s "/usr/lib/$name" "/lib/$name"
done
rxe_up
mapfile -t ram < <(brd_up 2 16)
exports=$LAB_TMP/exports
mkdir "$exports"
for n in 0 1; do
	ln -s "${ram[n]}" "$exports/volume$n"
	mkfs.ext4 -q "${ram[n]}"
done
load_rnbd_server "dev_search_path=$exports"

# --- files of the machine that boots --------------------------------------------------------------

units=/etc/systemd/system
enable() { systemctl --root=/ --quiet enable "$1"; } # UNIT
mkdir -p "$units" /srv/volume0 /srv/volume1
echo 0123456789abcdef0123456789abcdef >/etc/machine-id # not the first boot, nothing is enabled by itself
ln -s /usr/lib/systemd/system/multi-user.target "$units/default.target"
# programs that are not here
for name in getty.target proc-sys-fs-binfmt_misc.{auto,}mount systemd-{logind,user-sessions}.service \
	systemd-{remount-fs,sysctl,sysusers,network-generator,random-seed}.service \
	systemd-update-utmp{,-runlevel}.service; do
	ln -s /dev/null "$units/$name"
done
enable remote-fs.target
enable rnbdmap.service
# a network that takes a while
cat >/usr/lib/systemd/system/lab-network.service <<-UNIT
	[Unit]
	DefaultDependencies=no
	Before=network-online.target
	[Service]
	Type=oneshot
	RemainAfterExit=yes
	ExecStart=/usr/bin/sleep 2
	[Install]
	WantedBy=network-online.target
UNIT
enable lab-network.service
cat >/etc/rnbd/rnbdtab <<-TAB
	zero	store	volume0	ip:$(addr_of 1)
	one	store	volume1	ip:$(addr_of 1)	noauto
	bad	store	nothing	ip:$(addr_of 1)	timeout=3
TAB
link=/dev/rnbd/by-session/store
patience=x-systemd.device-timeout=$((90 * LAB_SLOW)) # 90 is systemd's own
cat >/etc/fstab <<-TAB
	$link/volume0	/srv/volume0	ext4	_netdev,nofail,$patience	0 0
	$link/volume1	/srv/volume1	ext4	noauto,_netdev,$patience,x-systemd.requires=rnbd@one.service	0 0
TAB

# --- systemd --------------------------------------------------------------------------------------

# boot: start it; $launcher ends when it has shut down, $systemd is its process.
boot() {
	container=lab unshare --pid --mount --fork --mount-proc /usr/bin/systemd --system \
		--log-target=kmsg --log-level=notice --show-status=no \
		</dev/null >"$LAB_TMP/systemd" 2>&1 &
	launcher=$!
	wait_for 20 pgrep -P "$launcher"
	systemd=$(pgrep -P "$launcher")
}
# inside CMD...: among its processes and mounts.
inside() { timeout $((90 * LAB_SLOW)) nsenter --target "$systemd" --pid --mount "$@"; }
ctl() { inside systemctl "$@"; }
of() { ctl show -P "$2" "$1"; } # UNIT PROPERTY
booted() { [ "$(ctl is-system-running || :)" = running ]; }
active() { [ "$(of "$1" ActiveState)" = active ]; }
inactive() { [ "$(of "$1" ActiveState)" = inactive ]; }
# before UNIT UNIT: the first was up when the second was begun with
before() { [ "$(of "$1" ActiveEnterTimestampMonotonic)" -le "$(of "$2" InactiveExitTimestampMonotonic)" ]; }
mounted() { inside findmnt -n -t ext4 "/srv/$1"; }
mapped() { rnbd_disk_of store "$1"; }
unmapped() { ! mapped "$1"; }
unit_is() { active "$1" && mapped "$2"; } # UNIT VOLUME
unit_is_off() { inactive "$1" && unmapped "$2"; }
# check_unit NAME on|off VERB: of rnbd@one.service
check_unit() {
	local want=unit_is
	[ "$2" = on ] || want=unit_is_off
	check "$1" ctl "$3" rnbd@one.service
	check "$1-$2" "$want" rnbd@one.service volume1
}
check_boot() { # NAME
	boot
	if ! wait_for 100 booted; then note "$(ctl list-jobs --no-pager; ctl --failed --no-pager)"; fi
	check "$1-finished" booted
	check "$1-network-before-mappings" before lab-network.service rnbdmap.service
	check "$1-mappings-before-mounts" before rnbdmap.service srv-volume0.mount
	check "$1-mapped" unit_is rnbdmap.service volume0
	check "$1-mounted" mounted volume0
	check "$1-noauto-is-left" unit_is_off rnbd@one.service volume1
}

# line REGEX: number of the last such line of the kernel log
line() { dmesg | grep -nE "$1" | tail -n 1 | cut -d: -f1; }
# check_order NAME REGEX...: one result; ok if the kernel log has these lines in this order
check_order() {
	local name=$1 regex last=0 n
	shift
	for regex; do
		n=$(line "$regex")
		if [ "${n:-0}" -le "$last" ]; then
			test_fail "$name" "$regex: line ${n:-none}, the one before it: $last"
			return
		fi
		last=$n
	done
	test_ok "$name"
}
check_shutdown() { # NAME VOLUME...
	local name=$1 volume
	shift
	dmesg -C
	local -A disk_of
	for volume; do disk_of[$volume]=$(mapped "$volume"); done
	ctl start --no-block poweroff.target
	check "$name" wait_for 60 gone "/proc/$launcher"
	check_equal "$name-nothing-is-mapped" "" "$(rnbd_disks)"
	for volume; do
		check_order "$name-$volume-unmounted-then-unmapped" \
			"EXT4-fs \(${disk_of[$volume]}\): unmounting filesystem" \
			"<$volume@store> unmap requested \(normal\)" "<$volume@store> unmapped"
		check_match "$name-$volume-is-clean" ": clean," "$(e2fsck -n "$exports/$volume" 2>&1)"
	done
	rm -rf /run/udev /run/systemd
}

test_start "boot"
check_boot boot
check_match "boot-failed-entry-is-named" "bad: not mapped: ENOENT" \
	"$(inside journalctl --no-pager -u rnbdmap.service)"
inside sh -c 'echo kept >/srv/volume0/file'

test_start "rnbd@one.service"
check_unit "abi102-start" on start
first=$(mapped volume1)
check_unit "abi102-start-again" on start
check_unit "abi102-reload" on reload
check_equal "abi102-same-disk" "$first" "$(mapped volume1)"
check_unit "abi102-restart" on restart
check_unit "abi102-restart-again" on restart
check_unit "abi102-stop" off stop
check_unit "abi102-stop-again" off stop
check_unit "abi102-restart-when-stopped" on restart
check "unmapped-by-hand" inside rnbdmap unmap one
check_unit "abi102-stop-when-unmapped" off stop
check "mapped-by-hand" inside rnbdmap map one
check_unit "abi102-start-when-mapped" on start
check_unit "abi102-stop-after-that" off stop
check_fails "failed-entry" ctl start rnbd@bad.service
check_equal "failed-entry-state" failed "$(of rnbd@bad.service ActiveState)"
ctl reset-failed
check "others-go-on" active rnbdmap.service
check "target" ctl start rnbd.target
check_match "target-starts-what-is-enabled" "rnbdmap.service" "$(of rnbd.target Wants)"

test_start "a mount that brings its mapping"
check "requires-mount" ctl start srv-volume1.mount
check "requires-mapped" unit_is rnbd@one.service volume1
check "requires-mounted" mounted volume1
inside sh -c 'echo kept >/srv/volume1/file'
check_unit "requires-stop-unmounts" off stop
check_fails "requires-not-mounted" mounted volume1
check "requires-mount-again" ctl start srv-volume1.mount

test_start "shutdown"
check_shutdown "shutdown" volume0 volume1

test_start "boot again"
check_boot again
check "again-data" inside grep -q kept /srv/volume0/file
check_shutdown "again-shutdown" volume0
check "server-idle" wait_for 20 server_idle

test_start "a server boots"
unload_all
server_unit=rnbd-server.service
exported_path() { cat /sys/module/rnbd_server/parameters/dev_search_path; }
systemctl --root=/ --quiet disable rnbdmap.service
: >/etc/fstab
enable "$server_unit"
echo "store volume0 ${ram[0]}" >/etc/rnbd/exports
boot
if ! wait_for 100 booted; then note "$(ctl list-jobs --no-pager; ctl --failed --no-pager)"; fi
check "server-boot-finished" booted
check "server-active" active "$server_unit"
check_equal "server-offers-only-links" "/run/rnbd-devs/%SESSNAME%" "$(exported_path)"
check_equal "server-links-are-private" 700 "$(stat -c %a /run/rnbd-devs)"
load_rnbd_client
disk=$(rnbd_map sessname=store device_path=volume0)
expect_errno OK pread "/dev/$disk" 0 4096 direct
expect_errno ENOENT write "$RNBD_CTL/map_device" "$(map_text sessname=store device_path=volume1)"
echo "store volume1 ${ram[1]}" >>/etc/rnbd/exports
check "server-reload" ctl reload "$server_unit"
check "server-reload-exports" rnbd_map sessname=store device_path=volume1
check "server-reload-keeps-open" state_is "$disk" open

test_start "a server restarts below its clients"
check "server-stop" ctl stop "$server_unit"
check "server-stop-unloads" gone /sys/module/rnbd_server
check_equal "server-stop-leaves-no-links" "" "$(find /run/rnbd-devs -mindepth 1)"
check "server-stop-closes" wait_for 20 state_is "$disk" closed
check "server-stop-again" ctl stop "$server_unit"
# one export fails, the other is served, and the unit can be stopped as ever
: >/run/rnbd-devs/broken
echo "broken volume1 ${ram[1]}" >>/etc/rnbd/exports
check "server-start-with-a-failure" ctl start "$server_unit"
check "server-active-with-a-failure" active "$server_unit"
check "server-opens-with-a-failure" wait_for 60 state_is "$disk" open
check "server-stop-after-a-failure" ctl stop "$server_unit"
check "server-stop-after-a-failure-unloads" gone /sys/module/rnbd_server
rm /run/rnbd-devs/broken
sed -i '/^broken/d' /etc/rnbd/exports
check "server-start" ctl start "$server_unit"
check "server-start-opens" wait_for 60 state_is "$disk" open
expect_errno OK pread "/dev/$disk" 0 4096 direct
echo "store volume0" >/etc/rnbd/exports
check_fails "server-mistake-in-exports" ctl reload "$server_unit"
check "server-mistake-changes-nothing" state_is "$disk" open
check "server-mistake-still-active" active "$server_unit"
for disk in $(rnbd_disks); do rnbd_unmap "$disk"; done

test_start "a server shuts down"
ctl start --no-block poweroff.target
check "server-shutdown" wait_for 60 gone "/proc/$launcher"
check "server-shutdown-unloads" gone /sys/module/rnbd_server

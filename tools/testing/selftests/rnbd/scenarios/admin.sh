#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 smp=1 timeout=300 kernel=any,uml
#
# What the administrator of the server does while clients are there: force_close, which the client
# notices; a new search path; limits of I/O priorities; who else uses a disk; and disks that open
# or answer slowly, which must delay nobody else.
. "${0%/*}/../lib.sh"
. "${0%/*}/../lib-abi.sh"

rxe_up
disk0=$(null_blk_up 64)
disk1=$(null_blk_up 32)
disk2=$(null_blk_up 32)
srv=$RNBD_SRV_CTL/devices
params=/sys/module/rnbd_server/parameters
events=$LAB_TMP/uevents
modprobe rtrs_server sess_queue_depth=64
load_rnbd_server
load_rnbd_client
if uevents_start "$events"; then heard=1; else heard=; fi

# id_of DISK: the device id that the server gave out last for its mapping path.
id_of() {
	local path
	path=$(rnbd_attr "$1" mapping_path)
	dmesg | sed -n "s|.*<$path@.*device opened.*, id \([0-9]*\),.*|\1|p" | tail -n 1
}

test_start "the client notices force_close"
a=$(rnbd_map "device_path=$disk0")
b=$(rnbd_map "device_path=$disk1")
first=$(id_of "$a")
sum=$(fill_random "$disk1")
sess=$srv/${disk0#/dev/}/sessions/$RNBD_SESS
expect_errno OK write "$sess/force_close" 1
check "open-until-it-does-I/O" state_is "$a" open
expect_errno EIO pread "/dev/$a" 0 4096 direct
check "closed-by-force_close" wait_for 5 state_is "$a" closed
check "closed-is-logged" log_has "<$disk0@$RNBD_SESS> closed by the server"
check "the-other-device-stays-open" state_is "$b" open
check_equal "the-other-device-works" "$sum" "$(sum_of "/dev/$b")"
check "io-fails-at-once" fails_at_once EIO pwrite "/dev/$a" 0 4096 direct
check "stays-closed" state_is "$a" closed
check_equal "remap-after-force_close" OK "$(errno_of write "/sys/block/$a/rnbd/remap_device" 1)"
check "open-after-remap" state_is "$a" open
check_match "ids-are-in-the-log" '^[0-9]+ [0-9]+$' "$first $(id_of "$a")"
check "the-id-is-a-new-one" test "$(id_of "$a")" != "$first"
check "works-after-remap" fio_verify "/dev/$a" randwrite 4k-32k 16 1 100
check_equal "the-other-is-unchanged" "$sum" "$(sum_of "$disk1")"
if [ -n "$heard" ]; then
	uevents_sync "$events"
	check_equal "force_close-uevents" "offline online " \
		"$(uevents_of "$events" "^(offline|online) .*block/$a " | sed 's/^online //')"
else
	test_skip "force_close-uevents" "busybox has no uevent reader"
fi

test_start "force_close under load, and a lost link behind it"
endless() { # leaves its status in fio.rc
	local rc=0
	FIO_TIMEOUT=60 fio_run "/dev/$a" randrw 4k-16k 16 1 1000000 --time_based \
		--runtime=40 >"$LAB_TMP/fio.out" 2>&1 || rc=$?
	echo $rc >"$LAB_TMP/fio.rc"
}
endless &
ios() { awk '{ print $1 + $5 }' "/sys/block/$a/stat"; }
start=$(ios)
busy() { [ "$(ios)" -gt $((start + 50)) ]; }
check "io-is-running" wait_for 10 busy
expect_errno OK write "$sess/force_close" 1
check "closed-under-load" wait_for 10 state_is "$a" closed
check "fio-ends" wait_for 10 test -s "$LAB_TMP/fio.rc"
check "fio-saw-EIO" file_has "$LAB_TMP/fio.out" "Input/output error"
check "unload-server" unload rnbd_server 30
check "both-closed" wait_for 20 state_is "$b" closed
load_rnbd_server
check "link-up-opens-it-again" wait_for 40 state_is "$a" open
check "and-the-other" wait_for 10 state_is "$b" open
expect_errno OK pread "/dev/$a" 0 4096 direct

test_start "unmap of a device that was closed by force"
expect_errno OK write "$srv/${disk0#/dev/}/sessions/$RNBD_SESS/force_close" 1
expect_errno EIO pread "/dev/$a" 0 4096 direct
check "closed-once-more" wait_for 5 state_is "$a" closed
c=$(rnbd_map "device_path=$disk2") # with a server that reuses ids it would have the old one
check "unmap-while-closed" rnbd_unmap "$a"
expect_errno OK pread "/dev/$c" 0 4096 direct
check "no-stray-CLOSE" state_is "$c" open
rnbd_unmap "$c"

test_start "I/O that may wait does not wait for a device that was closed by force"
errno-op write "$RTRS_CLT/$RNBD_SESS/hold_time_ms" 120000 >/dev/null
a=$(rnbd_map "device_path=$disk0")
expect_errno OK write "$srv/${disk0#/dev/}/sessions/$RNBD_SESS/force_close" 1
expect_errno EIO pread "/dev/$a" 0 4096 direct
check "hold-closed" wait_for 5 state_is "$a" closed
check "hold-fails-at-once" fails_at_once EIO pread "/dev/$a" 0 4096 direct
expect_errno OK write "/sys/block/$a/rnbd/remap_device" 1
expect_errno OK pread "/dev/$a" 0 4096 direct
rnbd_unmap "$a"

test_start "a search path that changes at run time"
check "abi93-dev_search_path-mode" mode_is "$params/dev_search_path" 644
mkdir -p "$LAB_TMP/x/$RNBD_SESS"
ln -s "$disk0" "$LAB_TMP/x/$RNBD_SESS/vol"
map_gives "search-not-there-before" ENOENT "sessname=$RNBD_SESS device_path=vol"
expect_errno OK echo "$params/dev_search_path" "$LAB_TMP/x/%SESSNAME%"
check "search-path-shown" attr_is "$params/dev_search_path" "$LAB_TMP/x/%SESSNAME%"
a=$(rnbd_map device_path=vol)
check_equal "search-path-counts-for-later-opens" "$(sectors "$disk0")" "$(sectors "/dev/$a")"
map_gives "search-path-the-old-one-does-not-count" ENOENT "sessname=$RNBD_SESS device_path=$disk2"
check_equal "search-path-open-devices-stay" "$sum" "$(sum_of "/dev/$b")"
long=$(printf '/%04095d' 0)
check_equal "search-path-4096" EINVAL "$(errno_of write "$params/dev_search_path" "$long")"
check "search-path-refused-changes-nothing" attr_is "$params/dev_search_path" \
	"$LAB_TMP/x/%SESSNAME%"
check_equal "search-path-4095" OK "$(errno_of write "$params/dev_search_path" "${long%0}")"
map_gives "search-path-and-name-too-long" EINVAL "sessname=$RNBD_SESS device_path=$disk2"
expect_errno OK write "$params/dev_search_path" /
rnbd_unmap "$a"
change_path() { # until the file stop is there
	while [ ! -e "$LAB_TMP/stop" ]; do
		echo "$LAB_TMP/x/%SESSNAME%" >"$params/dev_search_path"
		echo / >"$params/dev_search_path"
	done
}
change_path &
changer=$!
opens() { # each open sees the one or the other, and never a mixture
	local n err
	for ((n = 0; n < 20; n++)); do
		err=$(errno_of write "$MAP_DEVICE" "sessname=$RNBD_SESS device_path=$disk2")
		case $err in
		OK) rnbd_unmap "$(rnbd_disk_of "$RNBD_SESS" "$disk2")" || return 1 ;;
		ENOENT) ;;
		*) echo "$err" && return 1 ;;
		esac
	done
}
check "search-path-changes-under-opens" opens
touch "$LAB_TMP/stop"
wait $changer
expect_errno OK write "$params/dev_search_path" /

test_start "a session with as many devices as it may have"
check "max_sess_devices-mode" mode_is "$params/max_sess_devices" 644
expect_errno OK write "$params/max_sess_devices" 1
map_gives "max_sess_devices-reached" ENOSPC "sessname=$RNBD_SESS device_path=$disk2"
d=$(rnbd_map sessname=other "device_path=$disk2")
rnbd_unmap "$d"
expect_errno OK write "$params/max_sess_devices" 2
check "max_sess_devices-raised" rnbd_map "device_path=$disk2"
rnbd_unmap "$(rnbd_disk_of "$RNBD_SESS" "$disk2")"
expect_errno OK write "$params/max_sess_devices" 1024

test_start "who else uses a disk"
dir=$srv/${disk1#/dev/}
check "local_openers-mode" mode_is "$dir/local_openers" 444
check "local_openers-none" attr_is "$dir/local_openers" 0
exec 7<"$disk1"
check "local_openers-one" attr_is "$dir/local_openers" 1
d=$(rnbd_map sessname=other "device_path=$disk1" access_mode=ro)
check "local_openers-mappings-do-not-count" attr_is "$dir/local_openers" 1
check "local_openers-logged" log_has \
	"<$disk1@other>: .*in use on this machine, too: open 1 times"
exec 7<&-
check "local_openers-none-again" attr_is "$dir/local_openers" 0
rnbd_unmap "$d"
sfdisk -q "$disk2" <<<$'label: gpt\nsize=16M\n;'
wait_for 10 test -b "${disk2}p1"
d=$(rnbd_map "device_path=$disk2")
exec 7<"${disk2}p1"
check "local_openers-of-a-partition" attr_is "$srv/${disk2#/dev/}/local_openers" 1
exec 7<&-
rnbd_unmap "$d"

test_start "I/O priorities"
check "max_prio_class-default" attr_is "$params/max_prio_class" best-effort
check "max_prio_class-mode" mode_is "$params/max_prio_class" 644
check_equal "max_prio_class-refused" EINVAL "$(errno_of write "$params/max_prio_class" high)"
check "max_prio_class-unchanged" attr_is "$params/max_prio_class" best-effort
# arrives IONICE-OPTIONS...: the priority with which a read of ours reaches the server's disk
arrives() {
	trace_clear
	ionice "$@" dd "if=/dev/$b" of=/dev/null bs=4k count=1 iflag=direct status=none
	sed -n 's/.*block_rq_issue: .* \([a-z]*,[0-9]*,[0-9]*\) \[.*/\1/p' \
		"$TRACING/instances/rnbd-test/trace" | tail -n 1
}
trace_disk "$disk1"
if [ -n "$(arrives -c 2 -n 6)" ]; then # the kernel's events tell
	check_equal "prio-be-6" be,0,6 "$(arrives -c 2 -n 6)"
	check_equal "prio-realtime-is-clamped" be,0,0 "$(arrives -c 1 -n 5)"
	check_equal "prio-idle" idle,0,0 "$(arrives -c 3)"
	expect_errno OK write "$params/max_prio_class" realtime
	check_equal "prio-realtime-when-allowed" rt,0,5 "$(arrives -c 1 -n 5)"
	expect_errno OK echo "$params/max_prio_class" idle
	check_equal "prio-be-becomes-idle" idle,0,0 "$(arrives -c 2 -n 6)"
	check_equal "prio-none-becomes-idle" idle,0,0 "$(arrives -c 0)"
	expect_errno OK write "$params/max_prio_class" none
	check_match "prio-ignored" '^(none|be),0,' "$(arrives -c 1 -n 5)"
	expect_errno OK write "$params/max_prio_class" best-effort
else
	test_skip "prio" "the trace events of this kernel do not show priorities"
fi

test_start "a disk that opens slowly delays nobody"
heartbeat() { # MS: of both ends, for sessions to come
	echo "$1" >/sys/module/rtrs_client/parameters/heartbeat_interval_ms
	echo "$1" >/sys/module/rtrs_server/parameters/heartbeat_interval_ms
}
rnbd_unmap "$b"
wait_for 10 server_idle
heartbeat $((300 * LAB_SLOW)) # a path is lost after less than two seconds of silence
defer heartbeat 2000
b=$(rnbd_map "device_path=$disk1")
expect_errno OK write "$RTRS_CLT/$RNBD_SESS/request_timeout_ms" $((120000 * LAB_SLOW))
dm=$(dm_up rnbd-slow "0 16384 linear $disk2 0")
modprobe -q loop || :
# direct I/O: no page cache may answer while the disk below hangs
loop=$(losetup -P -f --direct-io=on --show "$dm")
_undo_later losetup -d "$loop"
dmsetup suspend --nolockfs --noflush rnbd-slow
defer dmsetup resume rnbd-slow
# holds the mutex of the disk that every open takes, and waits for the partition table
blockdev --rereadpt "$loop" &
rereader=$!
waits() { file_has "/proc/$1/status" '^State:.D'; }
check "reread-waits" wait_for 10 waits $rereader
errno-op write "$MAP_DEVICE" "sessname=$RNBD_SESS device_path=$loop" >"$LAB_TMP/slow" &
mapper=$!
check "open-is-under-way" wait_for 10 waits $mapper
check "slow-open-fio-beside-it" fio_verify "/dev/$b" randwrite 4k-32k 16 1 300
check "slow-open-other-session-maps" rnbd_map sessname=other "device_path=$disk0"
check "slow-open-other-session-unmaps" rnbd_unmap "$(rnbd_disk_of other "$disk0")"
sleep $((4 * LAB_SLOW)) # twice the time after which silence costs a path
check "slow-open-still-under-way" waits $mapper
check "slow-open-path-is-connected" file_is "$(echo "$RTRS_CLT/$RNBD_SESS"/paths/*/state)" connected
check_equal "slow-open-never-reconnected" "0 0" \
	"$(cat "$RTRS_CLT/$RNBD_SESS"/paths/*/stats/reconnects)"
dmsetup resume rnbd-slow
wait $rereader || :
wait $mapper || :
check_equal "slow-open-succeeds-in-the-end" OK "$(<"$LAB_TMP/slow")"
c=$(rnbd_disk_of "$RNBD_SESS" "$loop")
check_equal "slow-open-size" "$(sectors "$loop")" "$(sectors "/dev/$c")"

test_start "force_close of a disk that hangs delays nobody"
dmsetup suspend --nolockfs --noflush rnbd-slow
errno-op pread "/dev/$c" 0 4096 direct >"$LAB_TMP/hung" &
reader=$!
check "hung-read-waits" wait_for 10 waits $reader
errno-op write "$srv/${loop#/dev/}/sessions/$RNBD_SESS/force_close" 1 >"$LAB_TMP/closing" &
closer=$!
check "force_close-waits-for-it" wait_for 10 waits $closer
check "hung-close-fio-beside-it" fio_verify "/dev/$b" randwrite 4k-32k 16 1 300
d=$(rnbd_map "device_path=$disk0")
check "hung-close-others-unmap" rnbd_unmap "$d"
dmsetup resume rnbd-slow
wait $closer || :
wait $reader || :
check_equal "hung-read-was-answered" OK "$(<"$LAB_TMP/hung")"
check_equal "force_close-succeeds" OK "$(<"$LAB_TMP/closing")"
expect_errno EIO pread "/dev/$c" 0 4096 direct
check "hung-closed" wait_for 5 state_is "$c" closed
rnbd_unmap "$c"
rnbd_unmap "$b"
check "all-gone" wait_for 10 server_idle

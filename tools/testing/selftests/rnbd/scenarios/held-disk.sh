#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: guests=1 timeout=90 kernel=any modules=no programs=held-disk
#
# The disk with which failover-proof.sh withholds writes does what that scenario relies on: a
# withheld write is neither applied nor answered, everything else goes on, and when it is released
# it overwrites what has come since.
. "${0%/*}/../lib.sh"

put_bg() { # BLOCK TEXT: write in the background; NAME.rc of the text tells how it ended
	local rc=0
	stamp "$disk" "$1" "$2" || rc=$?
	echo $rc >"$LAB_TMP/$2.rc"
}
answered() { [ -s "$LAB_TMP/$1.rc" ]; }

disk=$(held_disk_up 16)
check_equal "size" $((16 * 2048)) "$(sectors "$disk")"
check_equal "empty" "" "$(stamp_of "$disk" 0)"

test_start "nothing is withheld"
check "fio" fio_verify "$disk" randwrite 4k-64k 16 2 300
check "write" stamp "$disk" 1 first
check_equal "read" first "$(stamp_of "$disk" 1)"
check_equal "none-held" 0 "$(held_disk_held)"

test_start "one write is withheld"
held_disk_hold 1
put_bg 1 old &
check "held" wait_for 10 held_disk_holds 1
check "not-applied" stamp_is "$disk" 1 first
check "newer-write-passes" stamp "$disk" 1 new
check "newer-is-there" stamp_is "$disk" 1 new
check "others-pass" fio_verify "$disk" randwrite 4k 8 1 100 --offset=1m
check_fails "still-not-answered" answered old
check "release" held_disk_release
check "answered" wait_for 10 answered old
check_equal "answered-well" 0 "$(<"$LAB_TMP/old.rc")"
check_equal "old-bytes-appear" old "$(stamp_of "$disk" 1)"
check_equal "none-left" 0 "$(held_disk_held)"

test_start "several are released in order"
held_disk_hold 3
put_bg 2 one &
check "held-1" wait_for 10 held_disk_holds 1
put_bg 2 two &
check "held-2" wait_for 10 held_disk_holds 2
check "release" held_disk_release
check "answered-2" wait_for 10 answered two
check "answered-1" wait_for 10 answered one
check_equal "last-wins" two "$(stamp_of "$disk" 2)"
put_bg 2 three
check_equal "release-forgets-the-rest" three "$(stamp_of "$disk" 2)"

test_start "the disk goes while a write is withheld"
held_disk_hold 1
put_bg 3 late &
check "held-late" wait_for 10 held_disk_holds 1
check "quit" held_disk_quit
check "late-ends" wait_for 20 answered late

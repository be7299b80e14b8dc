#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make demo: a volume of a server appears as /dev/rnbd0 on a client, shown step by step.

Builds the modules, boots two guests and prints what guest.sh does in them: every command as it
is typed, its output, one line of explanation. Each step is checked; exit status 0 only if all
went as explained, 1 if a step failed (it is the last one shown), 2 if the lab could not start.
RNBD_KERNEL chooses the kernel of both guests (default 6.12).
"""
import os
import pathlib
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))
sys.dont_write_bytecode = True

import build
import images
import scenario
import session
from config import CACHE, LabError

DISK_SIZE = 256 << 20
LINE = b"This is the volume of the server; line %06d of its content.\n"
COLOURS = {"title": "1", "cmd": "1;32", "say": "36", "bad": "1;31"}


def paint(kind, text):
    return f"\033[{COLOURS[kind]}m{text}\033[0m" if sys.stdout.isatty() else text


def show(text=""):
    print(text, flush=True)


def make_disk(path):
    """A disk with content: the export has to show it unchanged."""
    with open(path, "wb") as file:
        file.write(b"".join(LINE % n for n in range(20000)))
        file.truncate(DISK_SIZE)


class Demo(session.Run):
    """A run of the lab that prints a transcript instead of test results."""
    typed = 0

    def _output(self, guest, report, line):
        super()._output(guest, report, line)
        word, _, text = line.partition(" ")
        if word == "@title":
            stamp = f"[{time.monotonic() - self.started:.0f} s]"
            show(f"\n{paint('title', f'=== {text} ===')}  {stamp}\n")
        elif word == "@cmd":
            self.typed += 1
            show(paint("cmd", f"{guest.role}# {text}"))
        elif word == "@more":
            show(paint("cmd", text))
        elif word == "@out":
            show(text)
        elif word == "@say":
            show(paint("say", f"    ({text})") + "\n")
        elif line.startswith("not ok"):
            show(paint("bad", f"{guest.role}: this step failed: {line}"))

    def execute(self):
        self.started = time.monotonic()
        return super().execute()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    show("A server exports a disk; a client maps it as /dev/rnbd0, uses it and gives it back.")
    show("Both are virtual machines on a virtual network, with RDMA in software (Soft-RoCE).\n")
    kernel = images.kernel(os.environ.get("RNBD_KERNEL", "6.12"))
    show(f"[1/3] building the five modules for Linux {kernel.release}")
    built = build.modules(kernel)
    show("[2/3] preparing what the guests boot from")
    images.prepare([kernel.name])
    show("[3/3] booting the server and the client (about 20 s)")
    with tempfile.TemporaryDirectory(prefix="rnbd-demo-") as tmp:
        disk = pathlib.Path(tmp) / "volume"
        make_disk(disk)
        demo = Demo(scenario.load(HERE / "guest.sh"), kernel, CACHE / "results" / "demo",
                    built=built, disks=[("server", disk)])
        status, reasons = demo.execute()
    return verdict(status, reasons, demo.typed, time.monotonic() - started)


def verdict(status, reasons, typed, seconds):
    if status == session.PASS:
        show(f"\n{typed} commands, all as explained; {seconds:.0f} s. No module, no process and no "
             "disk image is left.")
        return 0
    show(paint("bad", f"\nThe demonstration failed after {typed} commands:"))
    # what failed first, then what followed from it in the other guest
    for reason in sorted(reasons, key=lambda text: "not ok" not in text)[:8]:
        show(f"  {reason}")
    show(f"Logs: {CACHE / 'results' / 'demo'}")
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(2)

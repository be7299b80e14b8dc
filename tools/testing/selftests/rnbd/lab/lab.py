#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run one scenario in guests of a given kernel.

    lab.py map                              scenarios/map.sh on 6.12
    lab.py --kernel 6.1 -v path/to/x.sh     watch another one on 6.1
    lab.py --kernel uml map                 in User Mode Linux
    lab.py --disk server:vol.img demo       with a disk image of yours

The project's modules are built first if the sources have changed. Exit status: 0 passed,
1 failed, 4 skipped, 2 the lab could not run it.
"""
import argparse
import pathlib
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True

import build
import images
import scenario
import session
from config import CACHE, LabError

EXIT = {session.PASS: 0, session.FAIL: 1, session.SKIP: 4}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", help="name in scenarios/, or a path")
    parser.add_argument("--kernel", default="6.12", help="version prefix, or a kernel-build.sh "
                        "flavour: uml, uml-kasan, base, kasan, kcsan (default 6.12)")
    parser.add_argument("--built", type=pathlib.Path, help="directory with ready-made modules")
    parser.add_argument("--results", type=pathlib.Path, help="directory for logs and KTAP")
    parser.add_argument("--timeout", type=float, help="seconds, instead of the header's")
    parser.add_argument("--icount", action="store_true", help="deterministic time")
    parser.add_argument("--smp", type=int, help="vCPUs per guest, instead of the header's")
    parser.add_argument("--append", default="", help="words for the kernel command line")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--add", action="append", default=[], metavar="FILE[:NAME]",
                        help="put a file into every guest as /lab/NAME")
    parser.add_argument("--disk", action="append", default=[], metavar="[ROLE:]FILE",
                        help="give guests a raw disk image; changes go into the file")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what guests print")
    return parser.parse_args()


def split_disk(text):
    role, colon, path = text.partition(":")
    return (role, pathlib.Path(path).resolve()) if colon else ("", pathlib.Path(text).resolve())


def split_file(text):
    path, colon, name = text.partition(":")
    return pathlib.Path(path), name if colon else pathlib.Path(path).name


def main():
    args = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scen = scenario.find(args.scenario)
    scen.timeout = args.timeout or scen.timeout
    scen.icount = scen.icount or args.icount
    scen.smp = args.smp or scen.smp
    kernel = images.kernel(args.kernel)
    built = args.built or (build.modules(kernel, scen.debug) if scen.modules else None)
    results = args.results or CACHE / "results" / f"{scen.name}-{args.kernel}"
    shutil.rmtree(results, ignore_errors=True)
    run = session.Run(scen, kernel, results, built=built, append=args.append,
                      env=dict(e.split("=", 1) for e in args.env),
                      files=[split_file(a) for a in args.add],
                      disks=[split_disk(d) for d in args.disk], verbose=args.verbose)
    started = time.monotonic()
    status, reasons = run.execute()
    if status == session.FAIL and not args.verbose:
        print("\n".join(run.tail()))
    session.announce(status, reasons, time.monotonic() - started, results)
    return EXIT[status]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(2)

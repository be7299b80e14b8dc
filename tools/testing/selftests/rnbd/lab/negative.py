#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Prove that the lab notices what it must: every scenario in negative/ has to fail, and for the
reason that its "# expect:" line gives as a regular expression. Those named debug-* are for kernels
that have the checker in question.

    negative.py [--kernel K] [--results DIR] [NAME...]

Exit status 0 if all of them failed as expected.
"""
import argparse
import concurrent.futures
import pathlib
import re
import shutil
import sys

sys.dont_write_bytecode = True

import images
import scenario
import session
from config import CACHE, LAB, LabError, cached, key_of, run

HERE = LAB / "negative"


# What is built for them, and under which name.
MODULES = {"stuck-module.c": "rtrs-core.c", "defects.c": "lab-defects.c"}


def modules(kernel):
    """Directory with a module named rtrs-core that cannot be unloaded, and one with defects."""
    sources = [HERE / name for name in MODULES]

    def make(part):
        part.mkdir(parents=True)
        for source in sources:
            shutil.copy(source, part / MODULES[source.name])
        objects = " ".join(name.replace(".c", ".o") for name in MODULES.values())
        (part / "Kbuild").write_text(f"obj-m := {objects}\n")
        words = ["ARCH=um"] if kernel.arch == "um" else []
        run(["make", "-C", kernel.build, f"M={part}", *words, "modules"])
    return cached(f"stuck/{kernel.name}", key_of(*sources, kernel.release, kernel.build), make)


def try_one(path, kernel, results):
    """Returns (whether it went as expected, one line)."""
    expect = re.search(r"^# expect: (.*)$", path.read_text(), re.M)[1]
    scen = scenario.load(path)
    built = modules(kernel) if scen.modules else None
    status, reasons = session.Run(scen, kernel, results / scen.name, built=built).execute()
    if status == session.FAIL and any(re.search(expect, reason) for reason in reasons):
        return True, f"{scen.name}: noticed"
    return False, f"{scen.name}: {status}, expected a failure with '{expect}': {reasons}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="6.12")
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    kernel = images.kernel(args.kernel)
    results = args.results or CACHE / "results" / f"lab-negative-{args.kernel}"
    paths = [p for p in sorted(HERE.glob("*.sh"))
             if scenario.load(p).runs_on(kernel.name) and p.stem in (args.names or [p.stem])]
    good = bool(paths)
    # one vCPU each: two at a time fill the machine
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for fine, line in pool.map(lambda p: try_one(p, kernel, results), paths):
            print(line, flush=True)
            good = good and fine
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(2)

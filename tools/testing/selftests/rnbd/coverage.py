#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which lines of the modules the scenarios run.

    coverage.py                     the scenarios of the quick tier that run in User Mode Linux
    coverage.py map 'path*'         these only; * and ? are patterns
    TIER=full coverage.py           the long ones too

Builds the modules so that they count (GCOV_PROFILE), runs the scenarios with them and prints a
table: lines, lines that ran, percent, per file and together. The lines that never ran go into
"uncovered" beside the logs: the function they are in, their text, and why nothing runs them, which
coverage.reasons knows. Those that it does not know are printed. Exit status 0 if at least one
scenario counted, whatever the figures are; scenarios that failed are named, and what they ran
before counts.
"""
import argparse
import collections
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "lab"))

import build
import images
import scenario
import session
from config import CACHE, REPO, LabError

SOURCES = {str(path) for path in build.sources()
           if path.suffix in (".c", ".h") and "tests" not in path.parts and
           path.parts[0] != "compat"}


class Lines:
    """How often each line ran: counts[file][line], and which function the line is in."""

    def __init__(self):
        self.counts = collections.defaultdict(collections.Counter)
        self.functions = {}

    def add(self, notes, data):
        """Count what a guest has left in data; notes is where the .gcno files are."""
        with tempfile.TemporaryDirectory() as work:
            for path in data.glob("*.gcda"):
                shutil.copy(path, work)
                shutil.copy(notes / f"{path.stem}.gcno", work)
            names = sorted(path.name for path in pathlib.Path(work).glob("*.gcda"))
            if not names:
                return False
            out = subprocess.run(["gcov", "--json-format", "--stdout", *names], cwd=work,
                                 stdout=subprocess.PIPE, check=True).stdout.decode()
        for text in out.splitlines():
            for file in json.loads(text)["files"] if text else []:
                self._add_file(file)
        return True

    def _add_file(self, file):
        name = source_name(file["file"])
        if not name:
            return
        for line in file["lines"]:
            where = (name, line["line_number"])
            self.counts[name][line["line_number"]] += line["count"]
            self.functions[where] = line.get("function_name", "")


def source_name(path):
    """The file relative to the repository; None for the kernel's headers and for unit tests."""
    parts = pathlib.PurePath(path).parts
    for rel in ("/".join(parts[-2:]), parts[-1]):
        if rel in SOURCES:
            return rel
    return None


def chosen(patterns, kernel):
    tiers = ("quick", "full") if os.environ.get("TIER") == "full" else ("quick",)
    for scen in scenario.every():
        if not scen.modules or not scen.runs_on(kernel):
            continue
        if any(fnmatch.fnmatch(scen.name, p) for p in patterns or ["*"]):
            if patterns or scen.tier in tiers:
                yield scen


def run_one(kernel, scen, results):
    """Returns (status, where the notes are, where the counts are)."""
    notes = build.modules(kernel, scen.debug, gcov=True)
    where = results / scen.name
    data = where / "gcov"
    data.mkdir(parents=True)
    scen.timeout *= 2       # counting takes time
    started = time.monotonic()
    run = session.Run(scen, kernel, where, built=notes, env={"LAB_GCOV": data})
    status, reasons = run.execute()
    print(f"{status.upper()} {scen.name} ({time.monotonic() - started:.1f} s)",
          *(reasons if status == session.FAIL else []), sep="\n    ", flush=True)
    return status, notes, data


def table(lines):
    """The figures per file, those with the most lines that never ran first."""
    rows = []
    for name, counts in lines.counts.items():
        ran = sum(1 for count in counts.values() if count)
        rows.append((len(counts) - ran, name, len(counts), ran))
    rows.sort(key=lambda row: (-row[0], row[1]))
    rows.append((0, "together", sum(r[2] for r in rows), sum(r[3] for r in rows)))
    return [f"{'file':28} {'lines':>6} {'ran':>6} {'percent':>8}"] + [
        f"{name:28} {total:6} {ran:6} {100 * ran / total:7.1f}%" for _, name, total, ran in rows]


class Reasons:
    """Why lines never run, from coverage.reasons: a reason in brackets, and below it the lines that
    it is for, "FILE: FUNCTION: part of the text". File and function may be patterns."""

    def __init__(self, path):
        self.entries = []       # [file, function, text, reason, lines found]
        reason = None
        for line in path.read_text().splitlines():
            if not line or line.startswith("#"):
                continue
            if line.startswith("["):
                reason = line.strip("[]")
                continue
            file, function, text = (line.split(": ", 2) + ["", ""])[:3]
            if not reason or not function:
                raise LabError(f"{path}: {line!r} is no entry")
            self.entries.append([file, function, text, reason, 0])

    def find(self, file, function, text):
        for entry in self.entries:
            if (fnmatch.fnmatch(file, entry[0]) and fnmatch.fnmatch(function, entry[1]) and
                    entry[2] in text):
                entry[4] += 1
                return entry[3]
        return None

    def unused(self):
        return [": ".join(e[:3]).rstrip(": ") for e in self.entries if not e[4]]


def uncovered(lines, reasons):
    """The lines that never ran, as (what, why or None)."""
    for name, counts in sorted(lines.counts.items()):
        text = (REPO / name).read_text().splitlines()
        for number, count in sorted(counts.items()):
            if not count:
                function, line = lines.functions[name, number], text[number - 1].strip()
                yield f"{name}:{number}: {function}: {line}", reasons.find(name, function, line)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", help="names or patterns")
    parser.add_argument("--kernel", default="uml", help="uml (default) or uml-kasan")
    parser.add_argument("--jobs", type=int, default=2, help="guests at a time (default 2)")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    patterns = args.scenario or os.environ.get("TESTS", "").split()
    scens = list(chosen(patterns, args.kernel))
    if not scens:
        raise LabError("no such scenario runs there")
    kernel = images.kernel(args.kernel)
    results = CACHE / "results" / (time.strftime("coverage-%Y%m%d-%H%M%S-") + str(os.getpid()))
    lines, failed, counted = Lines(), [], 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        done = list(pool.map(lambda s: run_one(kernel, s, results), scens))
    for scen, (status, notes, data) in zip(scens, done):
        counted += lines.add(notes, data)
        if status == session.FAIL:
            failed.append(scen.name)
    if not counted:
        raise LabError("no scenario left any counts")
    reasons = Reasons(HERE / "coverage.reasons")
    never = list(uncovered(lines, reasons))
    (results / "uncovered").write_text(
        "".join(f"{what}\n    {why or 'no reason known'}\n" for what, why in never))
    print("\n".join(table(lines)))
    print(f"{counted} of {len(scens)} scenarios counted, failed: {' '.join(failed) or 'none'}")
    print(f"{len(never)} lines never ran: {results}/uncovered; these without a known reason:")
    print("".join(f"    {what}\n" for what, why in never if not why) or "    none")
    if not patterns and os.environ.get("TIER") == "full":
        print("reasons for lines that do run:", *reasons.unused() or ["none"], sep="\n    ")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"coverage: {error}", file=sys.stderr)
        sys.exit(2)

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the checks and count them.

    check.py                              everything of the quick tier
    TESTS="map io@6.1" check.py           these only, whatever their tier; * and ? are patterns
    KERNELS=uml check.py                  in User Mode Linux alone: the quickest way
    KERNELS=6.12 check.py                 on fewer kernels (default "6.12 6.1 uml"), or on
                                          others: 6.12-rt, and uml-kasan, base, kasan, kcsan
                                          (kernel-build.sh)
    TIER=full check.py                    the long ones too
    TIER=deep check.py                    the deep tier: see deep_checks()
    TIER="quick deep" check.py            both, as far as RNBD_CHECK_SECONDS allow
    check.py --list                       names only

Checks are: "build" (the modules, per kernel; "build-debug" with the debugging knobs), every
executable of static.d/, the scenarios on each kernel they are made for, and "lab-negative", which
proves that the lab can fail. Names are NAME or NAME@KERNEL. RNBD_CHECK_SECONDS bounds the whole:
what has not started by then is skipped, and so is what has not ended GRACE seconds later.

Prints a line as each ends, the reasons of failures, and at the very end "N passed, N failed,
N skipped". Exit status 0 only if something passed and nothing failed. Logs stay in the cache.
"""
import argparse
import dataclasses
import fnmatch
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "lab"))

import build
import images
import scenario
import session
from config import CACHE, LAB, LabError, OutOfTime, command

# Two checks at a time, whatever the machine: more, and waits inside guests stretch. Of emulated
# guests only one: it keeps more than a CPU busy.
CPUS = 2
STATIC_TIMEOUT = {"quick": 900, "full": 1800}
HEAVY_STATIC = ("build-gcc", "clang", "coccinelle", "sparse", "intree", "packages")  # two CPUs
SKIP_STATUS = 4
RESERVED_FLAGS = 0xffc08028  # of a CPU: always 0
GRACE = 240
DEEP_KERNELS = ("uml-kasan", "kasan", "kcsan", "6.12-rt")
DEEP_FUZZ_SECONDS = 180
# What a debug kernel runs first: most of the code, the most races, hostile input, no memory.
DEEP_FIRST = ("lifecycle", "failover", "map", "io", "peer", "fail-some")

PASS, FAIL, SKIP = session.PASS, session.FAIL, session.SKIP


@dataclasses.dataclass
class Check:
    """One line of the report. run() returns (PASS, FAIL or SKIP, lines that say why)."""
    name: str
    cpus: int
    run: object
    tier: str = "quick"
    emulated: bool = False


# --- what there is to check -----------------------------------------------------------------------

class Clock:
    """How much time there is for everything together."""

    def __init__(self, seconds):
        self.started = time.monotonic()
        self.seconds = seconds          # 0: no limit

    def elapsed(self):
        return time.monotonic() - self.started

    def may_start(self):
        return not self.seconds or self.elapsed() < self.seconds

    def left(self):
        """Seconds for what runs now, None if there is no limit."""
        return max(1, self.seconds + GRACE - self.elapsed()) if self.seconds else None


class Kernels:
    """The kernels asked for, looked up (or built) once each when first needed."""

    def __init__(self, names, clock):
        self.names = names
        self.clock = clock
        self.found = {}
        self.repeated = []  # scenarios whose first run counts for nothing, see mishap()
        self.locks = {name: threading.Lock() for name in (*names, *DEEP_KERNELS)}

    def get(self, name):
        with self.locks[name]:
            if name not in self.found:
                self.found[name] = images.kernel(name, self.clock.left())
            return self.found[name]

    def modules(self, name, debug=False):
        kernel = self.get(name)
        with self.locks[name]:
            return build.modules(kernel, debug)


def run_command(cmd, results, timeout, clock, **env):
    """A host-side check: an executable with exit status 0, 4 (skipped) or anything else."""
    limit = min(timeout, clock.left() or timeout)
    results.mkdir(parents=True, exist_ok=True)
    log = results / "log"
    with open(log, "wb") as out, command(cmd, stdout=out, stderr=subprocess.STDOUT,
                                         env={**os.environ, **env}) as process:
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
    lines = log.read_text(errors="replace").splitlines()
    if status is None and limit < timeout:
        return SKIP, [f"no time left, stopped after {limit:.0f} s"]
    if status is None:
        return FAIL, lines[-20:] + [f"not finished after {timeout} s"]
    if status == SKIP_STATUS:
        return SKIP, lines[-1:] or ["no reason given"]
    return (PASS, []) if status == 0 else (FAIL, lines[-60:] + [f"exit status {status}"])


def static_tier(path):
    """What a program of static.d says in a line "# check: tier=full"."""
    return "full" if "\n# check: tier=full\n" in path.read_text() else "quick"


def check_build(kernels, name, debug=False):
    built = kernels.modules(name, debug)
    warnings = (built / "warnings").read_text().splitlines()
    return (FAIL, warnings) if warnings else (PASS, [])


def emulator_tripped(log):
    """An emulated CPU now and then does what a real one never does. It runs into the breakpoint of
    code that another one is patching (trace points, static keys): the log says "Oops: int3". Or
    its flags have bits that are always 0: they are a number from somewhere else."""
    flags = [int(word, 16) for word in re.findall(r"EFLAGS: ([0-9a-f]{8})", log)]
    return "Oops: int3" in log or any(word & RESERVED_FLAGS for word in flags)


def soft_roce_tripped(log):
    """Soft-RoCE now and then sends again although nothing was lost: its timer, armed for a request
    that has long been answered, goes off while the next one is under way. The one of 6.1 then
    registers memory a second time, which fails, and the queue pair stands still for good; when it
    is destroyed, somebody in Soft-RoCE holds it for another 50 s. Only a queue pair: a memory region
    that is held could be our doing."""
    return re.search(r"rxe_reg_fast_mr: .* not free|"
                     r"rxe_pool\.c:\d+ __rxe_cleanup(?:.*\n){1,60}?.* rxe_destroy_qp\+", log)


def results_lost(run):
    """Every guest ended well and none of its results arrived: the channel, not the scenario. A
    scenario that hangs or fails is not taken for this."""
    return all(r.ended and r.status == 0 and not (r.passed or r.failed or r.skipped)
               for r in run.reports.values())


def tells(reason):
    """A finding, and not what comes of stopping a scenario before its end."""
    return re.search(r"^\S+: (not ok|left in the kernel|kernel:)", reason)


def never_excused(reason):
    """No trouble of an emulator looks like this."""
    return re.search(r"KASAN|KCSAN|UBSAN|kmemleak|deadlock|lockdep|suspicious RCU", reason)


def mishap(run, results):
    """What went wrong with a failed run if it was the lab's machinery, else None."""
    if results_lost(run):
        return "its results were not heard"
    if run.boot_hung:
        return "a guest did not boot"
    logs = [path.read_text(errors="replace") for path in results.glob("*.log")]
    if any(map(soft_roce_tripped, logs)):
        return "Soft-RoCE sent twice what must be done once"
    return "the emulated CPU went astray" if any(map(emulator_tripped, logs)) else None


def run_scenario(kernels, name, scen, results, built):
    """Returns (the run, PASS, FAIL or SKIP, reasons). What the end of all time stops is skipped,
    unless it has failed by then."""
    run = session.Run(scen, kernels.get(name), results, built=built, limit=kernels.clock.left())
    status, reasons = run.execute()
    if status == FAIL and run.cut_short and not any(map(tells, reasons)):
        status, reasons = SKIP, [f"no time left, stopped after {run.limit:.0f} s"]
    return run, status, reasons


def check_scenario(kernels, name, scen, results):
    built = kernels.modules(name, scen.debug) if scen.modules else None
    run, status, reasons = run_scenario(kernels, name, scen, results, built)
    why = status == FAIL and not any(map(never_excused, reasons)) and mishap(run, results)
    if why:
        kernels.repeated.append(f"{scen.name}@{name}")
        print(f"{scen.name}@{name}: {why}; once more", flush=True)
        results.rename(results.with_name(results.name + ".first"))
        run, status, reasons = run_scenario(kernels, name, scen, results, built)
    if status == FAIL:
        reasons = run.tail() + reasons
    return status, reasons


def scenario_check(kernels, name, scen, results):
    where = results / f"{scen.name}@{name}"
    return Check(f"{scen.name}@{name}", 1, lambda: check_scenario(kernels, name, scen, where),
                 scen.tier_on(name), not scenario.is_uml(name))


def negative_check(kernels, name, results):
    def run():
        kernels.get(name)   # its time is not the check's
        return run_command([LAB / "negative.py", "--kernel", name, "--results",
                            results / f"lab-negative@{name}"],
                           results / f"lab-negative@{name}", 800, kernels.clock)
    return Check(f"lab-negative@{name}", 1, run, emulated=not scenario.is_uml(name))


def all_checks(kernels, results):
    """Every check there is for these kernels, in the order in which they start: what needs both
    CPUs, then emulated guests, with the others beside them."""
    static = [p for p in sorted((HERE / "static.d").glob("*"))
              if p.is_file() and os.access(p, os.X_OK)]

    def of_sources(path):
        return Check(path.name, CPUS if path.name in HEAVY_STATIC else 1,
                     lambda: run_command([path], results / path.name,
                                         STATIC_TIMEOUT[static_tier(path)], kernels.clock),
                     static_tier(path))

    yield from (of_sources(path) for path in static if path.name in HEAVY_STATIC)
    for name in kernels.names:
        yield Check(f"build@{name}", CPUS, lambda n=name: check_build(kernels, n))
        if any(scen.debug and scen.runs_on(name) for scen in scenario.every()):
            yield Check(f"build-debug@{name}", CPUS, lambda n=name: check_build(kernels, n, True))
    yield from (of_sources(path) for path in static if path.name not in HEAVY_STATIC)
    negative = next((n for n in kernels.names if scenario.STOCK.match(n)), None)
    if negative:
        yield negative_check(kernels, negative, results)
    for name in sorted(kernels.names, key=scenario.is_uml):
        for scen in scenario.every():
            if scen.runs_on(name):
                yield scenario_check(kernels, name, scen, results)


def deep_checks(kernels, results):
    """The deep tier, most telling first. In one lane everything in User Mode Linux with KASAN,
    lockdep and kmemleak, fault injection included, and longer fuzzing; in the other one QEMU, with
    two CPUs: the same checkers, the detector of data races and a real-time kernel. DEEP_FIRST comes
    before the other scenarios, in QEMU then those that User Mode Linux cannot run, so that each has
    been under the checkers once, and what takes long last."""
    native, *emulated = DEEP_KERNELS

    def of_kernel(name, wanted):
        scens = [s for s in scenario.every() if s.runs_on(name) and wanted(s)]
        scens.sort(key=lambda s: DEEP_FIRST.index(s.name) if s.name in DEEP_FIRST else 99)
        for scen in scens:
            yield scenario_check(kernels, name, scen, results)

    yield Check(f"build@{native}", 1, lambda: check_build(kernels, native))
    for name in emulated:
        yield Check(f"build@{name}", 1, lambda n=name: check_build(kernels, n), emulated=True)
        yield from of_kernel(name, lambda s: s.name in DEEP_FIRST)
    alone = emulated[0]     # with the checkers of the native one
    yield from of_kernel(alone, lambda s: s.name not in DEEP_FIRST and not s.runs_on(native))
    for wanted in ("quick", "full"):
        for name in emulated:
            yield from of_kernel(name, lambda s: s.name not in DEEP_FIRST and
                                  (name != alone or s.runs_on(native)) and
                                  s.tier_on(name) == wanted)
    yield negative_check(kernels, native, results)
    yield from of_kernel(native, lambda s: s.tier_on(native) == "quick")
    yield Check("fuzz-long", 1, lambda: run_command(
        [HERE / "static.d/fuzz"], results / "fuzz-long", 8 * DEEP_FUZZ_SECONDS, kernels.clock,
        FUZZ_SECONDS=str(DEEP_FUZZ_SECONDS)))
    for wanted in ("full", "deep"):
        yield from of_kernel(native, lambda s: s.tier_on(native) == wanted)


def is_named(check, pattern):
    """True if this word of TESTS stands for the check."""
    name = check.name.partition("@")[0]
    return fnmatch.fnmatch(check.name, pattern) or fnmatch.fnmatch(name, pattern)


def selected(kernels, results, patterns, tiers):
    """What these tiers run, or what the words of TESTS name in their lists. A word may stand for
    nothing in one of two lists, but not in both."""
    found = []
    if tiers != ["deep"]:
        found += [check for check in all_checks(kernels, results)
                  if patterns or "full" in tiers or check.tier == "quick"]
    if "deep" in tiers:
        found += deep_checks(kernels, results)
    unused = [p for p in patterns if not any(is_named(check, p) for check in found)]
    if unused:
        raise LabError(f"no check is named {' '.join(unused)} (see --list)")
    return [c for c in found if not patterns or any(is_named(c, p) for p in patterns)]


# --- running them ---------------------------------------------------------------------------------

class Runner:
    """Starts checks as CPUs become free and reports them as they end."""

    def __init__(self, checks, clock):
        self.waiting = list(checks)
        self.clock = clock
        self.free = CPUS
        self.emulating = False
        self.changed = threading.Condition()
        self.results = {}

    def run(self):
        running = []
        with self.changed:
            while self.waiting or self.free < CPUS:
                self._start(running)
                self.changed.wait(1)
        for thread in running:
            thread.join()
        return self.results

    def _start(self, running):
        """Start the first waiting check that fits, again and again."""
        if self.waiting and not self.clock.may_start():
            print(f"[{self.clock.elapsed():6.0f} s] no time left for {len(self.waiting)} checks",
                  flush=True)
            for check in self.waiting:
                self.results[check.name] = SKIP, ["no time left"]
            self.waiting = []
        for check in list(self.waiting):
            if check.cpus > self.free or (check.emulated and self.emulating):
                continue
            self.waiting.remove(check)
            self.free -= check.cpus
            self.emulating |= check.emulated
            thread = threading.Thread(target=self._work, args=[check], daemon=True)
            running.append(thread)
            thread.start()

    def _work(self, check):
        started = time.monotonic()
        try:
            status, lines = check.run()
        except OutOfTime as error:
            status, lines = SKIP, [str(error)]
        except LabError as error:
            status, lines = FAIL, str(error).splitlines()
        except Exception as error:      # a defect of the lab must count as a failure
            status, lines = FAIL, [f"{type(error).__name__}: {error}"]
        with self.changed:
            self._report(check, status, lines, time.monotonic() - started)
            self.free += check.cpus
            self.emulating &= not check.emulated
            self.changed.notify()

    def _report(self, check, status, lines, seconds):
        self.results[check.name] = status, lines
        left = f", {len(self.waiting)} waiting" if self.waiting else ""
        print(f"[{self.clock.elapsed():6.0f} s] {status.upper()} {check.name} ({seconds:.1f} s{left})")
        if status != PASS:
            for line in lines:
                print(f"    {line}")
        sys.stdout.flush()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the names of the checks")
    return parser.parse_args()


def end_early(*_):
    """Clean up, which a second signal does not disturb."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def main():
    args = parse_arguments()
    signal.signal(signal.SIGTERM, end_early)
    clock = Clock(float(os.environ.get("RNBD_CHECK_SECONDS") or 0))
    kernels = Kernels((os.environ.get("KERNELS") or "6.12 6.1 uml").split(), clock)
    patterns = os.environ.get("TESTS", "").split()
    tiers = (os.environ.get("TIER") or "quick").split()
    results = CACHE / "results" / (time.strftime("check-%Y%m%d-%H%M%S-") + str(os.getpid()))
    checks = selected(kernels, results, patterns, tiers)
    if args.list:
        print("\n".join(check.name for check in checks))
        return 0
    results.mkdir(parents=True)
    names = () if tiers == ["deep"] else kernels.names
    names = (*names, *(DEEP_KERNELS if "deep" in tiers else ()))
    print(f"{len(checks)} checks on {' '.join(names)}, tier {' '.join(tiers)}, logs in {results}",
          flush=True)
    done = Runner(checks, clock).run()
    forget_old_results()
    if kernels.repeated:
        print(f"repeated: {' '.join(kernels.repeated)}: trouble of the lab, see above")
    return summary(done)


def summary(done):
    """The names of what did not pass, with what a reader of the last lines alone needs to know of
    it, and the count. Returns the exit status."""
    skipped = {}
    for name, (status, lines) in done.items():
        if status == SKIP:
            skipped.setdefault(lines[-1], []).append(name)
    for reason, names in skipped.items():
        print(f"{SKIP}: {' '.join(names)}: {reason}")
    for name, (status, lines) in done.items():
        if status == FAIL:
            print(f"{status}: {name}")
            print("".join(f"    {line}\n" for line in why_failed(lines)), end="")
    statuses = [status for status, _ in done.values()]
    count = {status: statuses.count(status) for status in (PASS, FAIL, SKIP)}
    print(f"{count[PASS]} passed, {count[FAIL]} failed, {count[SKIP]} skipped", flush=True)
    return 0 if count[PASS] and not count[FAIL] else 1


def why_failed(lines, most=4):
    """The first results of a scenario that are not ok, or the last lines of anything else."""
    return [line for line in lines if ": not ok" in line][:most] or lines[-most:]


def forget_old_results(keep=10):
    """The logs of the last runs stay, older ones go."""
    runs = sorted((CACHE / "results").glob("check-*"), key=lambda p: p.stat().st_mtime)
    for path in runs[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"check: {error}", file=sys.stderr)
        sys.exit(2)

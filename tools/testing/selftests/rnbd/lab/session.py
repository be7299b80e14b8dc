# SPDX-License-Identifier: GPL-2.0-or-later
"""One run: start the guests of a scenario, listen to them, judge.

A run passes only if every guest said its end mark, its scenario exited with 0 (or 4, skipped),
at least one result was reported and none failed, nothing of ours was left in the kernel, and the
kernel log holds no complaint. Everything else fails, so a hang or a crash can only fail. Whatever
happens, no process and no temporary file survives the run.

A scenario can have a guest killed, and started again (guest_kill and guest_reboot of lib-net.sh). Of a
life that ended so nothing is expected, but its results and its kernel log are judged as ever; and
a guest that was gone already when it was to be killed fails the run.
"""
import atexit
import dataclasses
import os
import pathlib
import re
import selectors
import shutil
import sys
import tempfile
import time

import klog
from guest import Guest
from scenario import slowness

GRACE_AFTER_FAILURE = 15    # seconds the other guests get once one has failed
BOOT_TIME = 90              # seconds until a guest must have come as far as the scenario
DUMP_TIME = 3               # seconds for a stuck guest to write its task states to the log
KTAP_SKIP = 4
MONITOR_WORDS = {"pause": "stop", "resume": "cont"}

PASS, FAIL, SKIP = "pass", "fail", "skip"

_active = set()     # runs that an early end of this program has to clean up after


@atexit.register
def _stop_all():
    for run in list(_active):
        run.stop()


def _forget_dead():
    """Remove what a lab left that was killed outright (its guests died with it)."""
    for path in pathlib.Path(tempfile.gettempdir()).glob("rnbd-lab-*-*"):
        pid = path.name.split("-")[2]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(path, ignore_errors=True)


@dataclasses.dataclass
class Report:
    """What one guest has told so far, in one life."""
    name: str                   # of its files
    log: pathlib.Path
    out: object                 # its KTAP file
    launched: float = dataclasses.field(default_factory=time.monotonic)
    killed: bool = False        # on purpose
    partial: bytes = b""
    ctl_partial: bytes = b""
    booted: float = None
    status: int = None
    ended: bool = False
    remark: str = ""            # the latest "# " line since the last result
    left: list = dataclasses.field(default_factory=list)
    passed: int = 0
    failed: list = dataclasses.field(default_factory=list)
    skipped: list = dataclasses.field(default_factory=list)

    def result_line(self, line):
        """Count a KTAP result; nested ones are indented and counted by their parent."""
        if line.startswith("# "):
            self.remark = "" if line.startswith("# ---") else line[2:]
        found = re.match(r"(not )?ok (\d+) ?(.*)", line)
        if not found:
            return
        name, why, self.remark = found[3], self.remark, ""
        if found[1]:
            self.failed.append(f"{name} ({why})" if why else name)
        elif re.search(r"# SKIP", name):
            self.skipped.append(name)
        else:
            self.passed += 1


@dataclasses.dataclass(eq=False)
class Run:
    """Settings of a run; execute() performs it."""
    scenario: object
    kernel: object
    results: pathlib.Path
    built: pathlib.Path = None      # directory with the project's modules
    append: str = ""                # more kernel command line
    env: dict = dataclasses.field(default_factory=dict)
    files: list = dataclasses.field(default_factory=list)   # (source, name below /lab)
    disks: list = dataclasses.field(default_factory=list)   # (role or "", image file)
    verbose: bool = False
    limit: float = None             # seconds, if that is less than the scenario's own time
    cut_short: bool = False         # that limit is what ended it
    boot_hung: bool = False         # a guest that did not boot is what ended it

    def execute(self):
        """Returns (PASS, FAIL or SKIP, list of reasons)."""
        self.results.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        self.reasons = []
        _forget_dead()
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix=f"rnbd-lab-{os.getpid()}-"))
        self.guests = [Guest(self, n) for n in range(1, self.scenario.guests + 1)]
        self.reports = {}       # of the present life of each guest
        self.lives = []         # all reports
        self.signals = []       # for guests that boot again
        self.orders = []        # (word, role): guests to be killed or stopped
        self.selector = selectors.DefaultSelector()
        _active.add(self)
        try:
            for guest in self.guests:
                self._launch(guest)
            self._listen()
        finally:
            self.stop()
        return self._judge()

    def stop(self):
        """End the guests and remove every temporary file; harmless when done twice."""
        _active.discard(self)
        for guest in self.guests:
            guest.kill()
            guest.close()
        self.selector.close()
        for report in self.lives:
            report.out.close()
        shutil.rmtree(self.tmp, ignore_errors=True)

    def _launch(self, guest):
        guest.start()
        report = Report(guest.name, guest.log, open(self.results / f"{guest.name}.ktap", "w"))
        self.reports[guest] = report
        self.lives.append(report)
        self.selector.register(guest.process.stdout, selectors.EVENT_READ, (guest, "out"))
        self.selector.register(guest.ctl, selectors.EVENT_READ, (guest, "ctl"))

    # --- listening --------------------------------------------------------------------------------

    def _listen(self):
        own_time = self.scenario.timeout_on(self.kernel.name)
        deadline = self.started + min(own_time, self.limit or own_time)
        dumped = hurried = False
        while self._open_outputs():
            now = time.monotonic()
            if now >= deadline:
                if dumped:
                    return
                dumped = True
                self.cut_short = bool(self.limit) and now - self.started >= self.limit
                deadline = now + DUMP_TIME
                self._give_up(now)
            for key, _ in self.selector.select(min(0.5, max(0.01, deadline - now))):
                self._read(key)
            self._obey()
            hangs = self._boot_hangs()  # also when its peer has failed: it may be why
            if not hurried and (hangs or self._guest_failed()):
                hurried = True
                deadline = min(deadline, time.monotonic() + GRACE_AFTER_FAILURE)

    def _open_outputs(self):
        """Guests whose output has not ended."""
        return {key.data[0] for key in self.selector.get_map().values() if key.data[1] == "out"}

    def _guest_failed(self):
        """True once some guest has gone and failed: its peers may wait for it in vain."""
        gone = [self.reports[g] for g in set(self.guests) - self._open_outputs()]
        return any(not r.ended or r.status not in (0, KTAP_SKIP) for r in gone if not r.killed)

    def _boot_hangs(self):
        """True if a guest is not as far as the scenario, which loads modules, in all its time."""
        allowed = BOOT_TIME * slowness(self.kernel.name)
        self.boot_hung |= any(r.booted is None and not r.killed and
                              time.monotonic() - r.launched > allowed
                              for r in self.reports.values())
        return self.boot_hung

    def _give_up(self, now):
        stuck = [g for g in self.guests
                 if not (self.reports[g].ended or self.reports[g].killed)]
        for guest in stuck:
            self.reasons.append(f"{guest.role}: not finished after {now - self.started:.0f} s")
            guest.tell("dump")

    def _read(self, key):
        guest, channel = key.data
        try:
            data = (guest.ctl.recv(65536) if channel == "ctl"
                    else guest.process.stdout.read1(65536))
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(key.fileobj)
            return
        report = self.reports[guest]
        if channel == "ctl":
            *lines, report.ctl_partial = (report.ctl_partial + data).split(b"\n")
            for line in lines:
                self._message(guest, report, line.decode(errors="replace").strip())
        else:
            *lines, report.partial = (report.partial + data).split(b"\n")
            for line in lines:
                self._output(guest, report, line.decode(errors="replace").rstrip("\r"))

    def _message(self, guest, report, text):
        word, _, rest = text.partition(" ")
        if word == "signal":
            self.signals.append(text)
            for other in self.guests:
                if other is not guest and other.running:
                    other.tell(text)
        elif word in ("kill", "reboot", "pause", "resume"):
            self.orders.append((word, rest))
        elif word == "boot":
            report.booted = time.monotonic() - self.started
            guest.plug_in()
            if guest.boot > 1:
                for signal in self.signals:
                    guest.tell(signal)
        elif word == "exit":
            report.status = int(rest)
        elif word == "left":
            report.left.append(rest)
        elif word == "end":
            report.ended = True

    def _output(self, guest, report, line):
        report.result_line(line)
        stamp = f"[{time.monotonic() - self.started:6.1f}] {line}"
        print(stamp, file=report.out, flush=True)
        if self.verbose:
            print(f"{report.name} {stamp}", flush=True)

    # --- killing, stopping ------------------------------------------------------------------------

    def _obey(self):
        """Kill or stop guests as scenarios have asked for; not amid the reading of their channels."""
        while self.orders:
            word, role = self.orders.pop(0)
            guest = next((g for g in self.guests if g.role == role), None)
            if word in MONITOR_WORDS:
                if not guest or not guest.monitor_says(MONITOR_WORDS[word]):
                    self.reasons.append(f"{role}: cannot {word}")
            elif not guest or not self._kill(guest):
                self.reasons.append(f"{role}: is not there to be killed")
            elif word == "reboot":
                self._launch(guest)

    def _kill(self, guest):
        """Returns False if it does not run: it ended, crashed or was killed before."""
        report = self.reports[guest]
        if not guest.running or guest.process.poll() is not None or report.ended:
            return False
        report.killed = True
        guest.kill()
        # what it has said before counts
        for channel in (guest.process.stdout, guest.ctl):
            while channel in self.selector.get_map():
                self._read(self.selector.get_key(channel))
        guest.close()
        return True

    # --- judging ----------------------------------------------------------------------------------

    def _judge_end(self, report, say):
        """What is expected of a guest that was not killed."""
        if report.status is None:
            say("the scenario did not end")
        elif report.status not in (0, KTAP_SKIP):
            say(f"the scenario exited with {report.status}")
        if report.passed + len(report.failed) + len(report.skipped) == 0:
            say("no result was reported")
        if not report.ended:
            say("no end mark")

    def _judge_life(self, report):
        say = lambda text: self.reasons.append(f"{report.name}: {text}")
        for name in report.failed:
            say(f"not ok {name}")
        for text in report.left:
            say(f"left in the kernel: {text}")
        if not report.killed:
            self._judge_end(report, say)
        if report.log.exists() and "Linux version" in report.log.read_text(errors="replace"):
            for line in klog.complaints(report.log, self.scenario.allow)[:8]:
                say(f"kernel: {line}")
        else:
            say("no kernel log")

    def _judge(self):
        for report in self.lives:
            self._judge_life(report)
        if self.reasons:
            return FAIL, self.reasons
        ended = [r for r in self.lives if not r.killed]
        if all(r.status == KTAP_SKIP for r in ended):
            return SKIP, [name for r in ended for name in r.skipped]
        return PASS, []

    def tail(self, context=4, lines=15):
        """What the guests printed around failed results and at their end."""
        text = []
        for report in self.lives:
            path = self.results / f"{report.name}.ktap"
            shown = path.read_text(errors="replace").splitlines() if path.exists() else []
            wanted = set(range(max(0, len(shown) - lines), len(shown)))
            for number, line in enumerate(shown):
                if "] not ok " in line:
                    wanted.update(range(max(0, number - context),
                                        min(len(shown), number + context)))
            text += [f"{report.name} | {shown[number]}" for number in sorted(wanted)]
            error = self.results / f"{report.name}.err"
            if error.exists() and not report.booted:
                text += [f"{report.name} ! {line}" for line in
                         error.read_text(errors="replace").splitlines()[-8:]]
        return text


def announce(status, reasons, seconds, results):
    """One paragraph on stdout for a single run."""
    print(f"lab: {status} in {seconds:.1f} s, logs in {results}")
    for reason in reasons:
        print(f"  {reason}")
    sys.stdout.flush()

# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest: the files it starts from, its command line and its three channels.

Channels of every guest, whatever runs it:
  out      results and whatever the scenario prints (a pipe that the lab reads)
  ctl      one-line messages both ways (a socket pair), see guest/run
  log      the kernel log (a file)
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess

import images
from config import REPO, TESTS, LabError, die_with_parent, run
from scenario import slowness

# Every word is there for speed or for a clean log under emulation: no calibration loops, no
# mitigations, no audit, no self-tests; an oops ends the guest at once.
QEMU_WORDS = """console=ttyS0 loglevel=7 panic=-1 oops=panic nokaslr mitigations=off tsc=reliable
    no_timer_check audit=0 net.ifnames=0 cryptomgr.notests random.trust_cpu=on
    rcupdate.rcu_expedited=1 null_blk.nr_devices=0"""
UML_WORDS = """console=ttyS0 con=null con0=null,fd:{out} ssl=null ssl0=null,fd:{log}
    ssl1=fd:{ctl},fd:{ctl} panic=-1 oops=panic loglevel=7 root=/dev/ram0 null_blk.nr_devices=0"""
# A warning fails every run, by the log. Here it ends the guest at once, so that nothing hides the
# state it was in; the debug kernels of QEMU warn of themselves (kernel-report.ok, kernel-log.ok).
PANIC_ON_WARN = ("uml-kasan",)


class Guest:
    """A guest of a run. start() launches it; out and ctl are then readable. After kill() it can be
    started again, with the same payload and disks."""

    def __init__(self, run, number):
        self.run = run
        self.number = number
        self.role = run.scenario.roles[number - 1]
        self.dir = run.tmp / self.role
        self.boot = 0           # how often it was started
        self.running = False    # started and not killed; it may have ended by itself
        self.process = None
        self.ctl = None
        self.monitor = None     # of QEMU
        self.cables = []        # (socket of its end, its name when plugged in), until then

    @property
    def name(self):
        """Its role, and which start of it this is if not the first; names its files."""
        return self.role if self.boot < 2 else f"{self.role}.boot{self.boot}"

    @property
    def log(self):
        return self.run.results / f"{self.name}.log"

    # --- what it starts from ----------------------------------------------------------------------

    def _env(self):
        uml = self.run.kernel.arch == "um"
        values = {"LAB_ROLE": self.role, "LAB_N": self.number, "LAB_GUESTS": self.run.scenario.guests,
                  "LAB_SLOW": slowness(self.run.kernel.name),
                  "LAB_KERNEL": self.run.kernel.name, "LAB_SCENARIO": self.run.scenario.path.name,
                  "LAB_OUT": "/dev/tty0" if uml else "/dev/hvc0",
                  "LAB_CTL": "/dev/ttyS1" if uml else "/dev/hvc1", **self.run.env}
        return "".join(f"export {key}='{value}'\n" for key, value in values.items())

    def _payload(self):
        """The archive with this run's own files, below /lab in the guest."""
        top = self.dir / "payload"
        lab = top / "lab"
        (lab / "scenarios").mkdir(parents=True)
        for path in [*TESTS.glob("lib*"), TESTS / "leftovers.sh", TESTS / "run-one.sh",
                     TESTS / "rnbd-tool.sh"]:
            shutil.copy(path, lab)
        for name in ("guest/run", "lab/kernel-log.bad", "lab/kernel-log.ok"):
            (lab / name).parent.mkdir(exist_ok=True)
            shutil.copy(TESTS / "lab" / name.removeprefix("lab/"), lab / name)
        shutil.copytree(REPO / "Documentation/ABI/testing", lab / "abi")
        shutil.copy(self.run.scenario.path, lab / "scenarios")
        programs = [(images.own_program(p), f"bin/{p}") for p in self.run.scenario.own_programs]
        machine = self.run.scenario.machine
        machine = images.machine_files(images.kernel(machine)) if machine else []
        for source, name in self.run.files + programs + machine:
            (lab / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, lab / name)
        if self.run.scenario.tools:
            run([REPO / "dist/install.sh", top])
        (lab / "env").write_text(self._env())
        images.pack(top, self.dir / "payload.cpio")
        return self.dir / "payload.cpio"

    def _initramfs(self):
        parts = [images.userland(), images.modules_cpio(self.run.kernel)]
        parts += images.extra_cpios(self.run.scenario.extra_programs)
        if self.run.built:
            parts.append(images.project_cpio(self.run.kernel, self.run.built))
        parts.append(self._payload())
        goal = self.dir / "initramfs"
        with open(goal, "wb") as out:
            for part in parts:
                with open(part, "rb") as file:
                    shutil.copyfileobj(file, out, 1 << 20)
        return goal

    def _make_disks(self):
        """Images of the disks= header (sparse files) and of --disk, in order."""
        found = []
        for number, text in enumerate(self.run.scenario.disks):
            role, colon, size = text.rpartition(":")
            if colon and role != self.role:
                continue
            path = self.dir / f"disk{number}"
            with open(path, "wb") as file:
                file.truncate(parse_size(size))
            found.append(path)
        return found + [path for role, path in self.run.disks if role in ("", self.role)]

    # --- command lines ----------------------------------------------------------------------------

    def _qemu_cpu(self):
        scen = self.run.scenario
        if scen.icount:
            return ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-seed", "1",
                    "-rtc", "base=2026-01-01T00:00:00,clock=vm", "-cpu", "max", "-smp", "1"]
        return ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(scen.cpus)]

    def _qemu_net(self):
        """A cable between two guests is a pair of unix datagram sockets, not plugged in yet."""
        args, self.cables = [], []
        scen = self.run.scenario
        for peer in range(1, scen.guests + 1):
            if peer == self.number:
                continue
            pair = f"{min(peer, self.number)}{max(peer, self.number)}"
            for link in range(scen.links):
                name = f"n{pair}{link}"
                local, remote = (self.run.tmp / f"{pair}.{link}.{n}" for n in (self.number, peer))
                fresh = local.with_name(local.name + ".new")
                fresh.unlink(missing_ok=True)   # of a life that did not get as far
                self.cables.append((fresh, local))
                args += ["-netdev", f"dgram,id={name},local.type=unix,local.path={fresh},"
                         f"remote.type=unix,remote.path={remote}",
                         "-device", f"virtio-net-pci,netdev={name},host_mtu=9000,"
                         f"mac=52:54:00:{pair}:{link:02x}:{self.number:02x}"]
        return args

    def plug_in(self):
        """The guest has booted, and takes frames from now on.

        Until then they get lost, as with a machine that is off.  Waiting for it, a few would stop
        the transmit ring of its peer, where Soft-RoCE frees a queue pair after 50 s all the same.
        """
        for fresh, local in self.cables:
            fresh.rename(local)
        self.cables = []

    def _tsc_khz(self):
        """The guest cannot calibrate its clock on a busy host: tell it."""
        if self.run.scenario.icount:
            return 1000000
        found = re.search(r"cpu MHz\s*: ([\d.]+)", pathlib.Path("/proc/cpuinfo").read_text())
        return int(1000 * float(found[1])) if found else 2000000

    def _qemu(self, ctl, mon):
        # what the kernel does not know goes into the environment of init
        words = (f"{QEMU_WORDS} tsc_early_khz={self._tsc_khz()} {self.run.append} "
                 f"LAB_BOOT={self.boot}")
        if self.run.scenario.icount:
            words += " norandmaps"
        args = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", "-M", "q35,hpet=off", *self._qemu_cpu(),
                "-m", self.run.scenario.mem, "-kernel", str(self.run.kernel.image),
                "-initrd", str(self.initramfs), "-append", " ".join(words.split()),
                "-chardev", f"file,id=log,path={self.log}", "-serial", "chardev:log",
                "-device", "virtio-serial-pci,ioeventfd=off",
                "-chardev", "stdio,id=out,signal=off", "-device", "virtconsole,chardev=out",
                "-chardev", f"socket,id=ctl,fd={ctl}", "-device", "virtconsole,chardev=ctl",
                "-chardev", f"socket,id=mon,fd={mon}", "-mon", "chardev=mon,mode=readline"]
        for number, path in enumerate(self.disks):
            name = str(path).replace(",", ",,")     # as QEMU wants a comma in a value
            args += ["-drive", f"file={name},format=raw,if=none,id=d{number},cache=unsafe",
                     "-device", f"virtio-blk-pci,drive=d{number},serial=lab{number}"]
        return args + self._qemu_net()

    def _uml(self, ctl, log):
        if self.run.scenario.guests != 1:
            raise LabError("a UML run has one guest")
        words = UML_WORDS.format(out=1, log=log, ctl=ctl)
        if self.run.kernel.name in PANIC_ON_WARN:
            words += " panic_on_warn=1"
        args = [str(self.run.kernel.image), f"mem={self.run.scenario.mem}",
                f"initrd={self.initramfs}",
                f"umid=rnbd-{os.getpid()}-{self.number}-{self.boot}",
                f"uml_dir={self.run.tmp}/uml", *words.split(), *self.run.append.split(),
                f"LAB_BOOT={self.boot}"]
        for number, path in enumerate(self.disks):
            args.append(f"ubd{chr(ord('a') + number)}={path}")
        return args

    def _prepare(self):
        self.dir.mkdir()
        self.initramfs = self._initramfs()
        self.disks = self._make_disks()

    def start(self):
        if not self.boot:
            self._prepare()
        self.boot += 1
        self.ctl, theirs = socket.socketpair()
        fds = [theirs.fileno()]
        if self.run.kernel.arch == "um":
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            fds.append(log)
            args = self._uml(theirs.fileno(), log)
        else:
            self.monitor, mon = socket.socketpair()
            fds.append(mon.detach())
            args = self._qemu(theirs.fileno(), fds[1])
        with open(self.run.results / f"{self.name}.err", "wb") as err:
            self.process = subprocess.Popen(
                args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err,
                pass_fds=fds, preexec_fn=die_with_parent, start_new_session=True)
        self.running = True
        theirs.close()
        for fd in fds[1:]:
            os.close(fd)

    def tell(self, text):
        """Send an order; a guest that is gone does not mind."""
        try:
            self.ctl.sendall(text.encode() + b"\n")
        except OSError:
            pass

    def monitor_says(self, text):
        """Have QEMU's monitor do something; returns False without a monitor."""
        if self.monitor:
            self.monitor.sendall(text.encode() + b"\n")
        return bool(self.monitor)

    def kill(self):
        """End the guest (UML: with all its processes) and wait for it."""
        if not self.running:
            return
        self.running = False
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            pass
        self.process.wait()

    def close(self):
        """Forget the channels of a guest that was killed."""
        if self.process:
            self.process.stdout.close()
            self.ctl.close()
        if self.monitor:
            self.monitor.close()


def parse_size(text):
    """Bytes of "64M", "1G", "512K" or a plain number."""
    found = re.fullmatch(r"(\d+)([KMG]?)", text)
    if not found:
        raise LabError(f"'{text}' is no size")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2]]

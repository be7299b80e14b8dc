# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios: what their headers say.

A scenario has header lines "# lab: KEY=VALUE ..." among its first comments:
  guests=N        machines it needs, 1 (default) to 3; the same script runs on each
  roles=A,B       their roles (LAB_ROLE), default "solo", or "server,client[,third]"
  timeout=SEC     for the whole run on an idle machine, boot included (default 60)
  kernel=LIST     kernels it runs on, of those that were asked for: "any" is every kernel in QEMU
                  (default), others by name, for example any,uml or 6.12; uml means uml-kasan too
  tier=quick|full|deep   quick ones run in every check (default), full ones only with TIER=full
                  and in the deep tier, deep ones only there
  full=LIST       kernels on which a quick one takes long: there it belongs to the full tier
  modules=no      does not use the project's modules
  debug=yes       uses modules that were built with the debugging knobs (make RNBD_DEBUG=y)
  mem=SIZE        memory of a guest (default 1G)
  smp=N           vCPUs of a guest (default 2 in a lone guest, else 1). Take 1 for scenarios that
                  switch trace events or kprobes: a second emulated CPU now and then runs into a
                  breakpoint of code that is being patched ("Oops: int3" in unrelated code)
  links=N         network cables between each two guests (default 2)
  disks=LIST      virtio disks /dev/vda, ...: SIZE or ROLE:SIZE, for example server:64M
  programs=LIST   programs that not every guest has: our own, or of Debian (OWN_PROGRAMS and
                  EXTRA_PROGRAMS in images.py)
  machine=KERNEL  that kernel, and modules for a virtio disk with ext4, are in /lab/machine: for a
                  machine that the scenario starts inside of the guest
  tools=yes       rnbdmap, rnbdexport, udev rules and so on are installed, as by make tools_install
  icount=yes      deterministic time (one vCPU, no disks)
  allow=REGEX     kernel log lines that this scenario provokes (no spaces; use . or \\s)
"""
import dataclasses
import pathlib
import re

from config import TESTS, LabError
from images import EXTRA_PROGRAMS

DEFAULT_ROLES = {1: ["solo"], 2: ["server", "client"], 3: ["server", "client", "third"]}
STOCK = re.compile(r"^\d")


@dataclasses.dataclass
class Scenario:
    path: pathlib.Path
    guests: int = 1
    roles: list = None
    timeout: float = 60
    kernels: list = None
    tier: str = "quick"
    full: list = dataclasses.field(default_factory=list)
    modules: bool = True
    debug: bool = False
    mem: str = "1G"
    smp: int = 0
    links: int = 2
    disks: list = None
    programs: list = None
    machine: str = None
    tools: bool = False
    icount: bool = False
    allow: str = None

    @property
    def name(self):
        return self.path.stem

    @property
    def cpus(self):
        """vCPUs of one guest."""
        if self.icount:
            return 1
        return self.smp or (2 if self.guests == 1 else 1)

    @property
    def extra_programs(self):
        return [name for name in self.programs if name in EXTRA_PROGRAMS]

    @property
    def own_programs(self):
        return [name for name in self.programs if name not in EXTRA_PROGRAMS]

    def runs_on(self, kernel):
        return _is_in(kernel, self.kernels)

    def tier_on(self, kernel):
        return "full" if self.tier == "quick" and _is_in(kernel, self.full) else self.tier

    def timeout_on(self, kernel):
        return self.timeout * slowness(kernel) * PATIENCE


# A machine that has something else to do as well takes longer than any estimate; who waits in vain
# is somebody whose scenario hangs.
PATIENCE = 2


def slowness(kernel):
    """Checkers make a kernel several times slower: for all bounds, in the lab and in the guest."""
    return 4 if kernel.endswith(("kasan", "kcsan")) else 1


def is_uml(kernel):
    return kernel.startswith("uml")


def _is_in(kernel, names):
    return kernel in names or ("uml" if is_uml(kernel) else "any") in names


def _fields(path):
    fields = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            break
        if line.startswith("# lab:"):
            for word in line[len("# lab:"):].split():
                key, equals, value = word.partition("=")
                if not equals:
                    raise LabError(f"{path}: '{word}' in the header is not KEY=VALUE")
                fields[key] = value
    return fields


def load(path):
    """Read a scenario's header; raises LabError if it is wrong."""
    path = pathlib.Path(path)
    text = _fields(path)
    known = {"guests": int, "timeout": float, "smp": int, "links": int, "tier": str, "mem": str,
             "allow": str, "machine": str, "icount": lambda v: v == "yes",
             "tools": lambda v: v == "yes",
             "modules": lambda v: v != "no", "debug": lambda v: v == "yes",
             **{key: lambda v: v.split(",") for key in ("roles", "disks", "programs", "full")}}
    fields = {"kernels": text.pop("kernel", "any").split(",")}
    for key, value in text.items():
        if key not in known:
            raise LabError(f"{path}: unknown key {key} in the header")
        fields[key] = known[key](value)
    scen = Scenario(path, **fields)
    scen.roles = scen.roles or DEFAULT_ROLES.get(scen.guests)
    scen.disks = scen.disks or []
    scen.programs = scen.programs or []
    if not scen.roles or len(scen.roles) != scen.guests or scen.guests > 3:
        raise LabError(f"{path}: guests={scen.guests} and roles={scen.roles} do not fit")
    return scen


def find(name):
    """A scenario by path, or by name in scenarios/."""
    for path in (pathlib.Path(name), TESTS / "scenarios" / f"{name}.sh"):
        if path.is_file():
            return load(path)
    raise LabError(f"no scenario {name}")


def every():
    return [load(path) for path in sorted((TESTS / "scenarios").glob("*.sh"))]

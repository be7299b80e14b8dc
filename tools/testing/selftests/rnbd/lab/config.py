# SPDX-License-Identifier: GPL-2.0-or-later
"""Places and small helpers that every part of the lab shares.

Nothing is ever written below the source tree. Everything that took time to make lives in the
cache, in files and directories whose names carry a hash of what they were made from.
"""
import atexit
import contextlib
import ctypes
import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys

LAB = pathlib.Path(__file__).resolve().parent
TESTS = LAB.parent
REPO = TESTS.parents[3]
CACHE = pathlib.Path(os.environ.get("RNBD_LAB_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or
                                  pathlib.Path.home() / ".cache") / "rnbd-lab")

MODULES = ["rtrs-core", "rtrs-client", "rtrs-server", "rnbd-client", "rnbd-server"]


class LabError(Exception):
    """The lab itself could not do its work; the message says what is missing."""


class OutOfTime(LabError):
    """Something was given up because the time for everything is over; it did not fail."""


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def key_of(*inputs):
    """A short name for a set of inputs: text as it is, files by content, directories by name."""
    digest = hashlib.sha256()
    for item in inputs:
        is_file = isinstance(item, pathlib.Path) and item.is_file()
        data = item.read_bytes() if is_file else str(item).encode()
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()[:12]


class Lock:
    """Only one lab at a time makes a given thing; others wait and then find it made."""

    def __init__(self, name):
        CACHE.mkdir(parents=True, exist_ok=True)
        self.path = CACHE / f".{name}.lock"

    def __enter__(self):
        self.file = open(self.path, "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *exc):
        self.file.close()


def cached(name, key, make):
    """The path CACHE/name-key; make(temporary path) creates it if it is not there yet.

    Older versions of the same thing go away when a new one is made, unless used today.
    """
    path = CACHE / f"{name}-{key}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        os.utime(path)
        return path
    with Lock(name.replace("/", "-")):
        if path.exists():
            return path
        part = path.with_name(path.name + ".part")
        remove(part)
        make(part)
        part.rename(path)
        os.utime(path)
        for old in path.parent.glob(f"{path.name.rsplit('-', 1)[0]}-" + "?" * 12):
            if old != path and old.stat().st_mtime < path.stat().st_mtime - 86400:
                remove(old)
    return path


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run(cmd, **more):
    """Run a command; on failure show its output in the error."""
    done = subprocess.run([str(c) for c in cmd], stdin=more.pop("stdin", subprocess.DEVNULL),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if done.returncode:
        tail = "\n".join(done.stdout.decode(errors="replace").splitlines()[-30:])
        raise LabError(f"{' '.join(map(str, cmd))}: status {done.returncode}\n{tail}")
    return done.stdout.decode(errors="replace")


_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def die_with_parent():
    """For preexec_fn: the child is killed when its parent is gone, however that happened."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


_groups = set()     # leaders of those that run now


@atexit.register
def _end_groups():
    for process in list(_groups):
        _end_group(process)


def _end_group(process):
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def command(cmd, **more):
    """A process for what takes long. With all that it has started it ends with the block at the
    latest, and with this program if that is told to end before."""
    process = subprocess.Popen([str(c) for c in cmd], stdin=subprocess.DEVNULL,
                               start_new_session=True, preexec_fn=die_with_parent, **more)
    _groups.add(process)
    try:
        yield process
    finally:
        _groups.discard(process)
        _end_group(process)

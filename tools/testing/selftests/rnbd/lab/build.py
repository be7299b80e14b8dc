# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the project's modules for a kernel, outside the source tree, once per state of both.

The sources are copied to a directory of the cache that stays, so that make there is incremental;
the modules of each state are kept in a directory named by a hash of the sources.
"""
import os
import pathlib
import shutil
import subprocess

from config import CACHE, LAB, REPO, LabError, Lock, cached, command, key_of, say

SOURCE_DIRS = ["", "rtrs", "rtrs/tests", "tests", "compat"]
SOURCE_TYPES = (".c", ".h", ".S")
SOURCE_NAMES = ("Makefile", "Kbuild", "Kconfig", ".kunitconfig")


def sources():
    """Files that a build reads, relative to the repository."""
    found = []
    for name in SOURCE_DIRS:
        top = REPO / name
        if top.is_dir():
            found += [p for p in top.iterdir() if p.is_file() and
                      (p.suffix in SOURCE_TYPES or p.name in SOURCE_NAMES)]
    for path in (REPO / "compat").rglob("*"):
        if path.is_file() and path not in found:
            found.append(path)
    return sorted(p.relative_to(REPO) for p in found)


def source_key():
    files = sources()
    return key_of(*[str(f) for f in files], *[REPO / f for f in files])


def _sync(target):
    """Make target hold exactly the sources; unchanged files keep their time for make."""
    wanted = set(sources())
    for rel in wanted:
        new, old = REPO / rel, target / rel
        if not old.exists() or old.read_bytes() != new.read_bytes():
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(new, old)
    for path in list(target.rglob("*")):
        rel = path.relative_to(target)
        is_source = path.suffix in SOURCE_TYPES or path.name in SOURCE_NAMES
        if path.is_file() and is_source and rel not in wanted and not path.name.endswith(".mod.c"):
            path.unlink()


def make(kernel, target, *words):
    """Run the project's makefile in target for this kernel; returns (ok, output lines)."""
    cmd = ["make", "-C", target, f"-j{os.cpu_count() or 2}", f"KDIR={kernel.build}", *words]
    if kernel.arch == "um":
        cmd.append("ARCH=um")
    # a make that runs us ("make check") must not hand its flags and jobs down
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    with command(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env) as process:
        out, _ = process.communicate()
    return process.returncode == 0, out.decode(errors="replace").splitlines()


def modules(kernel, debug=False, gcov=False):
    """Directory with the .ko files of the present sources for this kernel, with the debugging
    knobs or (as they are used) without; gcov: they count how often each line runs, and the
    notes of the compiler on their lines (.gcno) are beside them. A file "warnings" lists what the
    compiler said; raises LabError with the compiler's words on failure."""
    key = key_of(source_key(), kernel.release, kernel.build, LAB / "build.py")
    name = kernel.name + ("-debug" if debug else "") + ("-gcov" if gcov else "")
    words = ["W=1"] + ["RNBD_DEBUG=y"] * debug + ["GCOV_PROFILE=y"] * gcov

    def build(part):
        target = CACHE / "build" / name
        target.mkdir(parents=True, exist_ok=True)
        stamp = target / ".kernel"
        if not stamp.exists() or stamp.read_text() != str(kernel.build):
            shutil.rmtree(target)
            target.mkdir()
        stamp.unlink(missing_ok=True)
        say(f"building the modules for {name}")
        _sync(target)
        with Lock("build"):
            good, lines = make(kernel, target, *words)
        (CACHE / "build" / f"{name}.log").write_text("\n".join(lines) + "\n")
        warnings = [line for line in lines if _is_warning(line)]
        if good and not warnings:   # else begin anew next time: what is built would not warn again
            stamp.write_text(str(kernel.build))
        if not good:
            raise LabError(f"the modules do not build for {name}:\n" +
                           "\n".join(lines[-60:]))
        part.mkdir(parents=True)
        for path in [*target.rglob("*.ko"), *(target.rglob("*.gcno") if gcov else [])]:
            shutil.copy(path, part / path.name)
        (part / "warnings").write_text("\n".join(warnings))
    return cached(f"built/{name}", key, build)


def _is_warning(line):
    """The compiler's and modpost's, not what make says about itself."""
    return "warning:" in line.lower() and not line.startswith("make")

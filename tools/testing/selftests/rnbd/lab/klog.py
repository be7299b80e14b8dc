# SPDX-License-Identifier: GPL-2.0-or-later
"""What in a kernel log makes a run fail.

Two lists of extended regular expressions, one a line, kept as files so that run-one.sh can use
them with grep on a real machine: kernel-log.bad and, for harmless lines that match it,
kernel-log.ok (each with the reason as a comment). Reports of debug kernels that are harmless as a
whole are in kernel-report.ok.
"""
import re

from config import LAB


def _patterns(name, flags=0):
    lines = (LAB / name).read_text().splitlines()
    return re.compile("|".join(f"(?:{line})" for line in lines
                               if line and not line.startswith("#")) or r"(?!)", flags)


BAD, HARMLESS = _patterns("kernel-log.bad"), _patterns("kernel-log.ok")
HARMLESS_REPORT = _patterns("kernel-report.ok", re.DOTALL)
START = re.compile(r"-\[ cut here \]|\bBUG: ")
REPORT = re.compile(r"^[^\n]*(?:-\[ cut here \].*?-\[ end trace [^\n]*|\bBUG: .*?</TASK>)\n",
                    re.DOTALL | re.MULTILINE)


def _without_harmless_reports(text):
    """A report that ran into the next one stays."""
    def kept(match):
        single = len(START.findall(match[0])) == 1
        return "" if single and HARMLESS_REPORT.search(match[0]) else match[0]
    return REPORT.sub(kept, text)


def complaints(path, allow=None):
    """The bad lines of a kernel log file, up to the dump of tasks that the lab asks a stuck guest
    for. allow: one more harmless expression, from a scenario that provokes a report on purpose."""
    allowed = re.compile(allow) if allow else None
    found = []
    with open(path, errors="replace") as file:
        text = _without_harmless_reports(file.read())
    for line in text.splitlines():
        if "sysrq: Show Blocked State" in line:
            break
        if not BAD.search(line) or HARMLESS.search(line):
            continue
        if allowed and allowed.search(line):
            continue
        found.append(line.rstrip())
    return found

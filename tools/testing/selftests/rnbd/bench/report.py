# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benchmark measured, as text tables and as a chart (SVG).

A latency here is guest time under -icount, that is executed instructions of everything in the
guest: fio, both ends, Soft-RoCE. Ratios are "other / rnbd": above 1 means that rnbd needs less.
"Fixed keys" is the mode always_invalidate=N.
"""
import statistics
from collections import namedtuple

Cell = namedtuple("Cell", "rw bs depth")
TITLES = {"rnbd": "rnbd", "rnbd-noai": "rnbd, fixed keys", "nvme-rdma": "nvme-rdma",
          "nbd": "nbd (TCP)", "floor": "verbs floor"}
COLOURS = {"rnbd": "#1b6ca8", "rnbd-noai": "#6fb1de", "nvme-rdma": "#c8553d", "nbd": "#e9b44c",
           "floor": "#8a8d91"}
# The aims: at least so many times the instructions of rnbd for nvme-rdma.
GOALS = {Cell("randread", "4k", 1): 1.0, Cell("randwrite", "4k", 1): 1.0,
         Cell("randread", "4k", 32): 1.2, Cell("randwrite", "4k", 32): 1.2,
         Cell("read", "128k", 4): 1.3, Cell("write", "128k", 4): 1.3}


class Results:
    """Latencies by contender and cell, costs by contender, direction, side and quantity.

    Every cell is measured several times; the median counts, and the spread is shown.
    """

    def __init__(self, lines):
        measured = {}
        self.costs = {}
        for line in lines:
            word = line.split()
            if word[:1] == ["BENCH"] and len(word) == 6:
                cell = Cell(word[2], word[3], int(word[4]))
                measured.setdefault(word[1], {}).setdefault(cell, []).append(float(word[5]))
            elif word[:1] == ["COST"] and len(word) == 6:
                self.costs.setdefault((word[1], word[2]), {})[word[3], word[4]] = float(word[5])

        self.latency = {name: {cell: statistics.median(values) for cell, values in cells.items()}
                        for name, cells in measured.items()}
        self.spread = {name: {cell: (max(values) - min(values)) / statistics.median(values)
                              for cell, values in cells.items()}
                       for name, cells in measured.items()}

    @property
    def contenders(self):
        return list(self.latency)

    @property
    def cells(self):
        return list(next(iter(self.latency.values()))) if self.latency else []

    def ratio(self, other, cell):
        """How many times rnbd's instructions the other one needs; None if not measured."""
        mine = self.latency.get("rnbd", {}).get(cell)
        theirs = self.latency.get(other, {}).get(cell)
        return theirs / mine if mine and theirs else None


def _label(cell):
    return f"{cell.bs} {cell.rw} QD{cell.depth}"


def table(results):
    """Latencies in microseconds of guest time, ratios behind them, goals in the last column."""
    names = results.contenders
    rows = [["cell"] + [TITLES[n] for n in names] + ["nvme/rnbd", "goal"]]
    for cell in results.cells:
        row = [_label(cell)]
        for name in names:
            ratio = results.ratio(name, cell)
            text = f"{results.latency[name].get(cell, float('nan')):.1f}"
            row.append(text if name == "rnbd" or ratio is None else f"{text} ({ratio:.2f})")
        ratio, goal = results.ratio("nvme-rdma", cell), GOALS.get(cell)
        row.append(f"{ratio:.2f}" if ratio else "-")
        row.append("-" if goal is None or ratio is None else
                   f">= {goal:.1f} {'met' if ratio >= goal else 'MISSED'}")
        rows.append(row)
    return _align(rows)


def spread_table(results):
    """How far the rounds of a cell are apart, in per cent of the median."""
    names = results.contenders
    rows = [["spread, %"] + [TITLES[n] for n in names]]
    for cell in results.cells:
        rows.append([_label(cell)] + [f"{100 * results.spread[n].get(cell, 0):.1f}"
                                      for n in names])
    return _align(rows)


def cost_table(results):
    """Work requests, posts, completions and messages per 4 KiB I/O, each side, as traced."""
    rows = [["per 4 KiB I/O", "side", "work requests", "posts", "completions", "messages"]]
    for (name, rw), counts in results.costs.items():
        for side in ("client", "server"):
            rows.append([f"{TITLES[name]} {rw}", side] +
                        [f"{counts.get((side, q), 0):.2f}"
                         for q in ("wrs", "posts", "completions", "messages")])
    return _align(rows) if len(rows) > 1 else ""


def _align(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0])] +
                       [text.rjust(width) for text, width in zip(row[1:], widths[1:])])
             for row in rows]
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(lines)


def chart(results):
    """A bar chart: cells from left to right, a bar per contender, rnbd = 1."""
    names, cells = results.contenders, results.cells
    bar, gap, height, left, top = 26, 34, 240, 60, 50
    group = bar * len(names) + gap
    width = left + group * len(cells) + 20
    most = max([results.ratio(n, c) or 0 for n in names for c in cells] + [1.0]) * 1.1
    scale = height / most
    base = top + height
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{base + 90}" '
           f'font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{base + 90}" fill="white"/>',
           f'<text x="{left}" y="22" font-size="15">Instructions per I/O relative to rnbd '
           '(higher than 1: needs more)</text>']
    line = base - scale
    out.append(f'<line x1="{left}" y1="{line:.1f}" x2="{width - 20}" y2="{line:.1f}" '
               'stroke="#444" stroke-dasharray="4 3"/>')
    out.append(f'<text x="{left - 8}" y="{line + 4:.1f}" text-anchor="end">1.0</text>')
    for i, cell in enumerate(cells):
        x = left + i * group + gap / 2
        for name in names:
            ratio = results.ratio(name, cell)
            if ratio:
                out.append(_bar(x, base, bar, ratio, scale, COLOURS[name]))
            x += bar
        out.append(f'<text x="{left + i * group + group / 2:.1f}" y="{base + 18}" '
                   f'text-anchor="middle">{_label(cell)}</text>')
    for i, name in enumerate(names):
        x = left + i * 170
        out.append(f'<rect x="{x}" y="{base + 40}" width="12" height="12" '
                   f'fill="{COLOURS[name]}"/>')
        out.append(f'<text x="{x + 18}" y="{base + 50}">{TITLES[name]}</text>')
    return "\n".join(out + ["</svg>\n"])


def _bar(x, base, width, ratio, scale, colour):
    tall = ratio * scale
    return (f'<rect x="{x:.1f}" y="{base - tall:.1f}" width="{width - 2}" height="{tall:.1f}" '
            f'fill="{colour}"/><text x="{x + width / 2:.1f}" y="{base - tall - 4:.1f}" '
            f'text-anchor="middle" font-size="10">{ratio:.2f}</text>')

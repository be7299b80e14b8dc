#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare rnbd with other block transports by instructions per I/O.

    bench.py                            everything: about eight minutes
    bench.py --contenders "rnbd nvme-rdma"
    bench.py --cells "randread 4k 1 400"

One guest under -icount, where guest time is executed instructions, runs all contenders over one
Soft-RoCE link to one null_blk disk (guest.sh). Prints tables of latencies and ratios and of what
a 4 KiB I/O costs in work requests, posts, completions and messages; draws the ratios as SVG.
"""
import argparse
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab")]

import build
import images
import report
import scenario
import session
from config import CACHE, LabError


def ours(args, kernel):
    """Directory with our modules; None when only others are measured."""
    if args.contenders and "rnbd" not in args.contenders:
        return None
    return args.modules or build.modules(kernel)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", help="some of: floor rnbd rnbd-noai nvme-rdma nbd")
    parser.add_argument("--cells", help="lines `rw blocksize depth requests` instead of the usual")
    parser.add_argument("--results", type=pathlib.Path, default=CACHE / "results" / "bench")
    parser.add_argument("--modules", type=pathlib.Path, help="directory with ready-made modules")
    args = parser.parse_args()

    kernel = images.kernel("6.12")
    shutil.rmtree(args.results, ignore_errors=True)
    env = {}
    if args.contenders:
        env["BENCH_CONTENDERS"] = args.contenders
    if args.cells:
        env["BENCH_CELLS"] = args.cells
    bench = session.Run(scenario.load(HERE / "guest.sh"), kernel, args.results,
                        built=ours(args, kernel), env=env, verbose=True)
    status, reasons = bench.execute()
    if status != session.PASS:
        session.announce(status, reasons, 0, args.results)
        return 1

    ktap = (args.results / "solo.ktap").read_text().splitlines()
    results = report.Results(line.partition("] ")[2] for line in ktap)
    text = "\n\n".join([report.table(results), report.spread_table(results),
                        report.cost_table(results)])
    (args.results / "bench.txt").write_text(text + "\n")
    (args.results / "bench.svg").write_text(report.chart(results))
    print("\nMean latency of a request, microseconds of guest time (thousands of instructions),")
    print("median of the rounds; in parentheses: how many times rnbd's.\n")
    print(text)
    print(f"\nTable and chart: {args.results}/bench.txt, bench.svg")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)

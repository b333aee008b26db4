# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the scripts of bench/ share: where the tools are, what a process takes, where figures go.

$BENCH_RESULTS, if set, collects one run's figures: lines of columns separated by tabs,

    row  goal  contender  unit  median  min  max  cpu  memory  bytes  records

where the unit "s" is wall time of a job on that many bytes and records, with the CPU seconds of all its
processes and the KiB of the largest; other units have only what they measure, and "-" or 0 elsewhere.
The first contender of a row is ours. Lines that begin with "#" say what was measured, and where.
"""

import os
import resource
import statistics
import time

BINDIR = os.path.abspath(os.environ.get("HEKA_BINDIR", "target/release"))
PATH = BINDIR + ":" + os.environ["PATH"]
ENV = dict(os.environ, PATH=PATH)
RUNS = int(os.environ.get("RUNS", "5"))


def many_files():
    """As many descriptors as the system permits."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def cpu_seconds(pid):
    """The CPU time of a process, to the nanosecond: its clock (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


def memory(pid, what="VmHWM"):
    """KiB of memory of a process: the most so far (VmHWM) or now (VmRSS)."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(what))


def record(row, goal, contender, unit, values, cpu="-", peak="-", size=0, count=0):
    """Appends a figure to $BENCH_RESULTS: the median of values, or a single one."""
    values = values if isinstance(values, list) else [values]
    path = os.environ.get("BENCH_RESULTS")
    if not path:
        return
    columns = [row, goal, contender, unit, *(f"{value:.6g}" for value in (
        statistics.median(values), min(values), max(values))), cpu, peak, size, count]
    with open(path, "a", encoding="utf-8") as file:
        print(*columns, sep="\t", file=file)

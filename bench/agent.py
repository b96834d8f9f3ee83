"""How light and how quick a node agent is: CPU, memory, latency, lateness, start, and cost against GPUs.

    .venv/bin/python bench/agent.py [--quick] [--part weight ...]

The agent is its three real processes, as in a cluster, on the fake driver with eight GPUs, each figure with and
without the slow driver: setters of 50 to 300 ms, one lock for all devices, power sampled 25 of every 100 ms. CPU is
the scheduler's count, so it means something on a busy machine too; latencies want a quiet one.
"""

import argparse
import asyncio
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import agent_fleet  # noqa: E402 - the fakes of the tests are found from the root
import agent_parts as parts  # noqa: E402 - as above
from wattline.fake.nvml import build  # noqa: E402 - as above

PARTS = ("weight", "crossing", "fleet", "lateness", "start", "scale")
MODULES = ("main", "supervisor", "device_process", "nvml", "network_process", "orders_kube", "kubelet")
"""What the image of the node agent compiles."""
SCALE = (1, 8, 16, 64)
QUICK_SCALE = (8, 64)
QUICK_SETTLE_SECONDS = 2.0
MODES = {"plain driver": False, "slow driver": True}


def machine():
    """Return this machine in a line."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if "model name" in line), "?")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1e6
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{model}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GB, Linux {platform.release()}, "
        f"Python {platform.python_version()}; load before: {load}"
    )


def compiled(folder):
    """Have byte code kept in ``folder`` by every process from now on, and make it, as an image has it."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)
    modules = ", ".join(f"wattline_agent.{each}" for each in MODULES)
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)


class Table:
    """Rows as they come."""

    def __init__(self):
        self.rows = []

    def row(self, what, target, found, fine=None):
        mark = "" if fine is None else "yes" if fine else "NO"
        self.rows.append((what, target, *found, mark))
        print(
            f"{what:<62} {target:>12}  " + "  ".join(f"{each:>16}" for each in found) + f"  {mark}",
            flush=True,
        )


async def main(asked):
    table = Table()
    if asked.quick:
        parts.SETTLE_SECONDS = QUICK_SETTLE_SECONDS
    print(machine())
    print(
        f"{'8 GPUs unless said':<62} {'asked for':>12}  "
        + "  ".join(f"{each:>16}" for each in MODES)
        + "  met"
    )
    with tempfile.TemporaryDirectory(prefix="wattline-bench-") as name:
        folder = Path(name)
        compiled(folder / "pycache")
        library = build(folder / "lib", os.environ.get("CC", "cc"))
        for part in asked.part or PARTS:
            await globals()[f"show_{part}"](table, folder / part, library, quick=asked.quick)


async def show_weight(table, folder, library, *, quick):
    found = [
        await parts.weight(folder / mode, library, 8, 5 if quick else 30, slow=slow)
        for mode, slow in MODES.items()
    ]
    cpu = [parts.total(each, "cpu") for each in found]
    table.row("CPU of all processes", "<= 2 %", [f"{each:.2f} %" for each in cpu], max(cpu) <= 2.0)
    for part in ("supervisor", "device", "network"):
        table.row(f"  {part} process", "", [f"{each['cpu'][part]:.2f} %" for each in found])
    rss = [parts.total(each, "Rss") for each in found]
    table.row(
        "RSS, summed over the processes", "<= 90 MB", [f"{each:.1f} MB" for each in rss], max(rss) <= 90
    )
    once = [each["once"] for each in found]
    table.row("  the same, shared pages of files counted once", "", [f"{each:.1f} MB" for each in once])
    for kind in ("Pss", "Uss"):
        table.row(f"  {kind.upper()}", "", [f"{parts.total(each, kind):.1f} MB" for each in found])
    for part in ("supervisor", "device", "network"):
        table.row(f"  {part} process, RSS", "", [f"{each['memory'][part]['Rss']:.1f} MB" for each in found])
    table.row("a safety pass, median", "", [f"{1000 * each['pass']:.2f} ms" for each in found])


async def show_crossing(table, folder, library, *, quick):
    count = 8 if quick else 100
    took = await asyncio.gather(
        *(parts.crossings(folder / mode, library, count, slow=slow, seed=1) for mode, slow in MODES.items())
    )
    ends = [parts.percentile(each, 0.99) for each in took]
    fine = ends[0] <= 0.4 and ends[1] <= 0.8
    table.row(
        f"margin crossed to least limit read back, p99 of {count}",
        "400 / 800 ms",
        [f"{1000 * each:.0f} ms" for each in ends],
        fine,
    )
    table.row("  median", "", [f"{1000 * parts.percentile(each, 0.5):.0f} ms" for each in took])


async def show_fleet(table, folder, _, *, quick):
    folder.mkdir()
    loops = 20 if quick else 200
    found = [agent_fleet.answers(folder, loops, 1, slow=slow) for slow in MODES.values()]
    worst = [parts.percentile(each, 0.999) for each in found]
    table.row(
        f"emergency signal to level read back, 99.9 % of {loops} loops",
        "<= 2 s",
        [f"{each:.2f} s" for each in worst],
        max(worst) <= 2.0,
    )
    table.row("  median", "", [f"{parts.percentile(each, 0.5):.2f} s" for each in found])


async def show_lateness(table, folder, library, *, quick):
    late = [
        await parts.lateness(folder / mode, library, 5 if quick else 40, slow=slow)
        for mode, slow in MODES.items()
    ]
    ends = [parts.percentile(each, 0.99) for each in late]
    table.row(
        "lateness of the safety loop beside a busy process per core, p99",
        "<= 20 ms",
        [f"{1000 * each:.1f} ms" for each in ends],
        max(ends) <= 0.02,
    )
    table.row("  worst", "", [f"{1000 * max(each):.1f} ms" for each in late])


async def show_start(table, folder, library, *, quick):
    found = [
        await parts.starts(folder / mode, library, 1 if quick else 6, slow=slow)
        for mode, slow in MODES.items()
    ]
    after = [max(after) for _, after in found]
    table.row(
        "start to first safe state, after a predecessor, worst",
        "<= 1.5 s",
        [f"{each:.2f} s" for each in after],
        max(after) <= 1.5,
    )
    fresh = [max(fresh) for fresh, _ in found]
    table.row(
        "start to first safe state, every GPU to be lowered, worst",
        "<= 1.5 s",
        [f"{each:.2f} s" for each in fresh],
        max(fresh) <= 1.5,
    )


async def show_scale(table, folder, library, *, quick):
    found = {
        gpus: await parts.weight(folder / str(gpus), library, gpus, 5 if quick else 10)
        for gpus in (QUICK_SCALE if quick else SCALE)
    }
    for gpus, each in found.items():
        table.row(
            f"{gpus} GPUs: CPU; a pass and RSS",
            "linear",
            [
                f"{parts.total(each, 'cpu'):.2f} %",
                f"{1000 * each['pass']:.2f} ms {parts.total(each, 'Rss'):.0f} MB",
            ],
        )
    few, many = (parts.total(found[gpus], "cpu") / gpus for gpus in (8, 64))
    table.row("CPU per GPU, 64 against 8", "<= 1.25", [f"{many / few:.2f}", ""], many / few <= 1.25)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a minute instead of eight")
    parser.add_argument("--part", action="append", choices=PARTS)
    asyncio.run(main(parser.parse_args()))

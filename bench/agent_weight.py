"""What the agent's processes weigh: CPU by the scheduler's count, memory by smaps_rollup."""

import re
from pathlib import Path

KINDS = ("Rss", "Pss", "Uss")


def cpu_seconds(pid):
    """Return the CPU time of all threads, by the scheduler's own count in nanoseconds."""
    return (
        sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())
        / 1e9
    )


def memory_megabytes(pid, without=""):
    """Return RSS, PSS and USS; the pages of a mapped file ``without`` are left out, as no real driver has them."""
    sums = dict.fromkeys(KINDS, 0)
    name = ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)$", line)
        if head:
            name = head[1]
            continue
        key, _, rest = line.partition(":")
        if without and name.startswith(without):
            continue
        if key in {"Rss", "Pss"}:
            sums[key] += int(rest.split()[0])
        elif key in {"Private_Clean", "Private_Dirty"}:
            sums["Uss"] += int(rest.split()[0])
    return {kind: kilobytes / 1000 * 1.024 for kind, kilobytes in sums.items()}


def once_megabytes(pids, without=""):
    """Return the resident memory of all processes together, with pages of a file they share counted once.

    Of each file the largest share that any process has counts.
    """
    anonymous, files = 0, {}
    for pid in pids:
        mine, name = {}, ""
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            head = re.match(r"^([0-9a-f]+)-[0-9a-f]+ \S+ (\S+) (\S+) (\d+)\s*(.*)$", line)
            if head:
                name = (
                    None
                    if head[4] == "0" or (without and head[5].startswith(without))
                    else (head[5], head[2])
                )
                fake = bool(without) and head[5].startswith(without)
            elif line.startswith("Rss:"):
                rss = int(line.split()[1])
            elif line.startswith("Anonymous:"):
                own = int(line.split()[1])
                anonymous += 0 if fake else own
                if name is not None:
                    mine[name] = mine.get(name, 0) + rss - own
        for name, kilobytes in mine.items():
            files[name] = max(files.get(name, 0), kilobytes)
    return (anonymous + sum(files.values())) / 1000 * 1.024

"""Who else on this machine sets limits and clocks of GPUs, or could: from /proc, systemd, cron and the kubelet. Read-only.

Nothing is run and nothing is asked of a driver. What cannot be read is passed over: a container sees the processes of
its own, unless the host's tree is given as ``root``.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from wattline_agent.pods import PodDevices


class Role(StrEnum):
    """What a neighbour does to devices."""

    WRITES = "writes"
    """It sets limits or clocks: one of us two has to go."""
    MAY_WRITE = "may write"
    """It can be told to, and then does so again and again."""
    READS = "reads"
    """It only reads, which costs driver time and keeps the driver loaded."""


@dataclass(frozen=True, slots=True)
class Writer:
    """One neighbour."""

    name: str
    role: Role
    where: str
    """Process, unit, file or pod."""
    detail: str
    """What it does, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process as /proc shows it."""

    pid: int
    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A program that touches GPUs."""

    name: str
    role: Role
    detail: str
    process: re.Pattern[str]
    """What its command line looks like, words joined by blanks, folders left out of the first."""
    pod: re.Pattern[str]
    """What its pods are called."""


NEVER = re.compile(r"(?!)")
OPTIONS = (
    r"(?:-pl|--power-limit|-lgc|--lock-gpu-clocks|-rgc|--reset-gpu-clocks|-ac|--applications-clocks|-rac"
    r"|--reset-applications-clocks|-lmc|--lock-memory-clocks|-gtt|--gpu-target-temp|-pm|--persistence-mode)(?:[\s=]|$)"
)
"""Options of nvidia-smi that set something we set as well (`nvidia-smi --help`)."""
SETS = re.compile(rf"(?:^|\s){OPTIONS}")

KNOWN = (
    Known(
        "DCGM configuration",
        Role.WRITES,
        "sets limits and clocks through the DCGM host engine, which sets them again after every reset of a GPU",
        re.compile(r"dcgmi\s(?:.*\s)?config\s(?:.*\s)?--(?:set|enforce)\b"),
        NEVER,
    ),
    Known(
        "DCGM host engine",
        Role.MAY_WRITE,
        "enforces what `dcgmi config --set` told it, again after every reset of a GPU; its memory cannot be read, "
        "`dcgmi config --get` shows it",
        re.compile(r"nv-hostengine\b"),
        re.compile(r"nvidia-dcgm-(?!exporter)"),
    ),
    Known(
        "dcgm-exporter",
        Role.READS,
        "reads what the agent reads; it is no harm beside it",
        re.compile(r"dcgm-exporter\b"),
        re.compile(r"dcgm-exporter-"),
    ),
    Known(
        "Dynamo power agent",
        Role.WRITES,
        "sets power limits every 15 s for pods that carry dynamo.nvidia.com/gpu-power-limit; keep it off this node",
        re.compile(r"power_agent\.py\b"),
        re.compile(r"power-agent-"),
    ),
    Known(
        "nvidia-smi",
        Role.WRITES,
        "is setting a limit, a clock or persistence mode right now",
        re.compile(rf"nvidia-smi.*\s{OPTIONS}"),
        NEVER,
    ),
    Known(
        "zeusd",
        Role.MAY_WRITE,
        "sets limits and clocks for whoever may speak to its socket",
        re.compile(r"zeusd\b"),
        re.compile(r"zeusd-"),
    ),
    Known(
        "nvidia-powerd",
        Role.WRITES,
        "moves watts between CPU and GPU of a notebook (Dynamic Boost)",
        re.compile(r"nvidia-powerd\b"),
        NEVER,
    ),
)

AGENT = re.compile(r"wattline_agent\.(?:main run|supervisor )|^wattline-node-agent run")
"""Ours: the process that was told the flags, and the same once it supervises."""

UNIT_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
CRON = ("etc/crontab", "etc/cron.d", "var/spool/cron/crontabs", "var/spool/cron")
DYNAMO_STATE = "var/lib/dynamo-power-agent/managed_gpus.json"
COMMAND = re.compile(r"nvidia-smi\b[^;&|\n]*")
EXECUTES = re.compile(r"^Exec\w+=.*$", re.MULTILINE)


def found(root: Path, pods: Iterable[PodDevices] = (), *, own_pids: Iterable[int] = ()) -> tuple[Writer, ...]:
    """Return every neighbour that can be seen, those that write first; ``own_pids`` are not neighbours."""
    ours = frozenset(own_pids)
    seen = {
        *_running(process for process in processes(root) if process.pid not in ours),
        *_pods(pods),
        *_units(root),
        *_cron(root),
        *_left(root),
    }
    order = list(Role)
    return tuple(sorted(seen, key=lambda each: (order.index(each.role), each.name, each.where)))


def processes(root: Path) -> Iterator[Process]:
    """Yield the processes that /proc shows."""
    for folder in _entries(root / "proc"):
        if not folder.name.isdecimal():
            continue
        words = tuple(_text(folder / "cmdline").rstrip("\0").split("\0"))
        if words != ("",):  # a thread of the kernel has none
            yield Process(int(folder.name), _text(folder / "comm").strip(), words)


def _running(alive: Iterable[Process]) -> Iterator[Writer]:
    for process in alive:
        line = _line(process.words)
        where = f"process {process.pid}"
        for known in KNOWN:
            if known.process.search(line):
                yield Writer(known.name, known.role, where, known.detail)
        if AGENT.search(line):
            yield Writer(
                "Wattline node agent",
                Role.READS,
                where,
                "one agent holds a GPU, and a lock keeps every other off it",
            )


def _line(words: tuple[str, ...]) -> str:
    return " ".join(word.rpartition("/")[2] if word.startswith("/") else word for word in words)


def _pods(pods: Iterable[PodDevices]) -> Iterator[Writer]:
    for pod in pods:
        for known in KNOWN:
            if known.pod.search(pod.name):
                yield Writer(known.name, known.role, f"pod {pod.namespace}/{pod.name}", known.detail)


def _units(root: Path) -> Iterator[Writer]:
    timers = {
        path.stem for folder in UNIT_FOLDERS for path in _entries(root / folder) if path.suffix == ".timer"
    }
    for folder in UNIT_FOLDERS:
        for path in _entries(root / folder):
            if path.suffix != ".service":
                continue
            for command in _setting(" ".join(EXECUTES.findall(_text(path)))):
                how = "again and again, by its timer" if path.stem in timers else "when it is started"
                yield Writer(
                    "nvidia-smi", Role.WRITES, f"unit {path.name}", f"runs `{command}` {how}; disable it"
                )


def _cron(root: Path) -> Iterator[Writer]:
    for name in CRON:
        path = root / name
        for file in _entries(path) if path.is_dir() else (path,):
            lines = [line for line in _text(file).splitlines() if not line.lstrip().startswith("#")]
            for command in _setting("\n".join(lines)):
                where = f"cron table /{file.relative_to(root)}"
                yield Writer("nvidia-smi", Role.WRITES, where, f"runs `{command}` again and again; remove it")


def _setting(text: str) -> Iterator[str]:
    for match in COMMAND.finditer(text):
        if SETS.search(match[0]):
            yield " ".join(match[0].split()).rstrip("'\"")


def _left(root: Path) -> Iterator[Writer]:
    if _text(root / DYNAMO_STATE):
        yield Writer(
            "Dynamo power agent",
            Role.MAY_WRITE,
            f"file /{DYNAMO_STATE}",
            "it has held GPUs of this node, and puts the ones named there back to their default when it starts",
        )


def _entries(folder: Path) -> Iterable[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return ()


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace") if path.is_file() else ""
    except OSError:
        return ""

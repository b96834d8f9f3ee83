"""ServeGen: rates of production clients by window, and distributions of their lengths; calls are drawn with a seed."""

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import exp, isfinite, lgamma
from pathlib import Path
from random import Random
from typing import Any

from wattline.model.sums import in_order
from wattline.sim import tables
from wattline.sim.recording import Calls, Recording, TraceError
from wattline.sim.traces.asked import Asked

NEEDED = frozenset({"client_chunk", "windows"})
WINDOWS = frozenset({"workload", "client_chunk", "start_s", "rate_rps"})
PATTERN = "chunk-*-trace.csv*"
WINDOW_SECONDS = 600.0
MOST_CALLS = 50_000_000
LEAST_RATE = 1e-9
"""Calls per second below which a client is silent."""
LEAST_SHAPE = 0.02
"""Ours: gaps of a client with a smaller shape are all but one zero."""

_BIN = re.compile(r"\s*(\d+)(?:\.\d+)?\s*:\s*([0-9.eE+-]+)\s*(?:,|$)")
_PROMPTS = ("input_tokens", "text_tokens", "image_tokens", "audio_tokens", "video_tokens")
"""Fields that add up to the prompt."""


@dataclass(frozen=True, slots=True)
class Window:
    """How often a client calls in one stretch of time."""

    start_seconds: float
    rate_per_second: float
    law: str
    """Of the gaps: Gamma, Weibull, or anything else for exponential."""
    shape: float


@dataclass(frozen=True, slots=True)
class Lengths:
    """A distribution of whole numbers."""

    values: tuple[int, ...]
    sums: tuple[float, ...]

    def draw(self, rng: Random) -> int:
        """Return one of the values."""
        at = bisect_right(self.sums, rng.random() * self.sums[-1])
        return self.values[min(at, len(self.values) - 1)]


@dataclass(slots=True)
class Client:
    """One client of the service."""

    name: str
    windows: list[Window] = field(default_factory=list)
    lengths: list[tuple[float, dict[str, Lengths]]] = field(default_factory=list)
    """Start in seconds, ascending, and distributions by field."""

    @property
    def usable(self) -> bool:
        """Whether calls can be drawn from it."""
        return bool(self.windows and self.lengths)


def load(path: Path, asked: Asked) -> Recording:
    """Return calls drawn from the clients' rates and lengths, from the file's first window on.

    ``path`` is a folder of the original files (``chunk-N-trace.csv``, ``chunk-N-dataset.json``), or a workload's
    datasets in one file with the rate windows beside it. Gaps keep each client's law and shape and are scaled to its
    rate; each client and window draws from a stream of its own.
    """
    clients = _of_folder(path, asked) if path.is_dir() else _of_tables(path, asked)
    usable = [client for client in clients if client.usable]
    for client in clients:
        if not client.usable:
            asked.notes.count("clients without rates or without lengths, left out", f"{path}: {client.name}")
    if not usable:
        raise TraceError(f"{path}: no client with rates and lengths")
    begin = min(window.start_seconds for client in usable for window in client.windows)
    horizon = asked.hours * 3600
    mean = in_order(
        window.rate_per_second
        * max(0.0, min(WINDOW_SECONDS, horizon - (window.start_seconds - begin)))
        / horizon
        for client in usable
        for window in client.windows
    )
    if not mean > 0:
        raise TraceError(f"{path}: nobody calls in its first {asked.hours:g} h")
    scale = 1.0 if asked.rate_per_second is None else asked.rate_per_second / mean
    if mean * scale * horizon > MOST_CALLS:
        raise TraceError(
            f"{path}: {mean * scale * horizon:.0f} calls in {asked.hours:g} h are more than memory holds; ask for a "
            "lower rate or fewer hours"
        )
    drawn = sorted(
        (at, order, place, prompt, output, images)
        for order, client in enumerate(usable)
        for place, (at, prompt, output, images) in enumerate(_drawn(client, begin, horizon, scale, asked))
    )
    if not drawn:
        raise TraceError(
            f"{path}: no call was drawn in {asked.hours:g} h; ask for more hours or a higher rate"
        )
    calls = Calls("servegen", "servegen")
    for _, _, _, prompt, output, images in drawn:
        calls.add(prompt, output, images)
    return Recording(calls, array("d", (each[0] for each in drawn)), drawn=True)


def _drawn(
    client: Client, begin: float, horizon: float, scale: float, asked: Asked
) -> Iterator[tuple[float, int, int, int]]:
    starts = [start for start, _ in client.lengths]
    for window in client.windows:
        start = window.start_seconds - begin
        if start >= horizon:
            continue
        rng = Random(f"{asked.seed}/{client.name}/{window.start_seconds}")
        fields = client.lengths[max(0, bisect_right(starts, window.start_seconds) - 1)][1]
        rate = window.rate_per_second * scale
        if rate < LEAST_RATE:
            continue
        at = start - rng.random() * _gap(window, rate, rng)
        while True:
            at += _gap(window, rate, rng)
            if at >= min(start + WINDOW_SECONDS, horizon):
                break
            prompt = sum(fields[name].draw(rng) for name in _PROMPTS if name in fields)
            output = fields["output_tokens"].draw(rng)
            images = fields["image_count"].draw(rng) if "image_count" in fields else 0
            if at >= start:
                yield at, max(1, prompt), max(1, output), images


def _gap(window: Window, rate: float, rng: Random) -> float:
    """Return a gap whose mean is one over the rate."""
    shape = max(LEAST_SHAPE, window.shape)
    if window.law == "Gamma":
        return rng.gammavariate(shape, 1 / (shape * rate))
    if window.law == "Weibull":
        return rng.weibullvariate(exp(-lgamma(1 + 1 / shape)) / rate, shape)
    return rng.expovariate(rate)


def _of_folder(folder: Path, asked: Asked) -> list[Client]:
    """Return the clients of ``data/CATEGORY/WORKLOAD`` as ServeGen publishes it."""
    clients = []
    for file in sorted(folder.glob(PATTERN)):
        name = file.name.split("-")[1]
        client = Client(name)
        for line, text in enumerate(tables.lines(file), start=1):
            cells = text.strip().split(",")
            if cells == [""]:
                continue
            if len(cells) != 6:
                raise TraceError(
                    f"{file}:{line}: {len(cells)} cells; expected start, rate, cv, law and two parameters"
                )
            row = dict(zip(("start_s", "rate_rps", "cv", "iat_dist", "param1", "param2"), cells, strict=True))
            _window(file, line, row, client)
        dataset = tables.beside(file, f"chunk-{name}-dataset.json")
        if dataset is not None:
            _datasets(str(dataset), tables.document(dataset), client, asked)
        clients.append(client)
    return clients


def _of_tables(path: Path, asked: Asked) -> list[Client]:
    """Return the clients of a file of datasets, whose workload its name or the wish says."""
    rates = tables.beside(path, "servegen_client_rate_windows.csv")
    if rates is None:
        raise TraceError(f"{path}: needs servegen_client_rate_windows.csv[.gz] beside it")
    missing = sorted(WINDOWS - set(tables.columns(rates)))
    if missing:
        raise TraceError(f"{rates}:1: no column {', '.join(missing)}")
    workload = asked.workload or path.name.removeprefix("servegen_").partition("_dataset")[0]
    clients: dict[str, Client] = {}
    for line, value in tables.objects(path):
        name = str(value.get("client_chunk"))
        if name in clients:
            raise TraceError(f"{path}:{line}: client {name} is here again; take one of the two out")
        clients[name] = Client(name)
        _datasets(f"{path}:{line}", value.get("windows"), clients[name], asked)
    for line, row in tables.numbered(rates):
        if row["workload"] == workload and row["client_chunk"] in clients:
            _window(rates, line, row, clients[row["client_chunk"]])
    if not any(client.windows for client in clients.values()):
        raise TraceError(f"{rates}: no client of a workload {workload}; name one of the file's")
    return list(clients.values())


def _window(file: Path, line: int, row: Mapping[str, str], client: Client) -> None:
    rate = tables.least(file, row, "rate_rps", line=line)
    if rate == 0:
        return
    start = tables.least(file, row, "start_s", line=line)
    if client.windows and start <= client.windows[-1].start_seconds:
        raise TraceError(
            f"{file}:{line}: the window at {start:g} s comes after that at {client.windows[-1].start_seconds:g} s; "
            "rows stand twice or were mixed"
        )
    shape = tables.least(file, row, "param1", line=line)
    client.windows.append(Window(start, rate, row.get("iat_dist", ""), shape))


def _datasets(place: str, windows: Any, client: Client, asked: Asked) -> None:
    if not isinstance(windows, dict):
        raise TraceError(f"{place}: expected windows with distributions")
    for start, fields in windows.items():
        if not str(start).isdecimal() or not isinstance(fields, dict):
            raise TraceError(
                f"{place}: window {str(start)[:20]!r}: expected a start in seconds, and distributions"
            )
        found = {
            name: lengths
            for name, text in fields.items()
            if name in (*_PROMPTS, "output_tokens", "image_count")
            and (lengths := _lengths(f"{place}: window {start}: {name}", text)) is not None
        }
        if "output_tokens" in found and any(name in found for name in _PROMPTS):
            client.lengths.append((float(start), found))
        else:
            asked.notes.count("windows without lengths, taken to be like the one before", place)
    client.lengths.sort(key=lambda each: each[0])


def _lengths(place: str, text: Any) -> Lengths | None:
    """Return a histogram that is written as ``{value: share, ...}``; None for an empty one."""
    if not isinstance(text, str) or not text.startswith("{") or not text.endswith("}"):
        raise TraceError(f"{place}: expected a distribution like {{45: 0.1, 46: 0.9}}")
    inside, at = text[1:-1], 0
    values: list[int] = []
    weights: list[float] = []
    while at < len(inside):
        match = _BIN.match(inside, at)
        weight = _weight(match[2]) if match else -1.0
        if match is None or not weight >= 0:
            raise TraceError(f"{place}: not a distribution at {inside[at : at + 20]!r}")
        values.append(int(match[1]))
        weights.append(weight)
        at = match.end()
    return _summed(values, weights)


def _summed(values: Sequence[int], weights: Sequence[float]) -> Lengths | None:
    sums = tuple(accumulate(weights))
    return Lengths(tuple(values), sums) if sums and sums[-1] > 0 else None


def _weight(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return -1.0
    return value if isfinite(value) else -1.0

"""Hashes that say whether two answers are of the same question, of the same work and of the same code."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import wattline
from wattline.api.base import Object
from wattline.model.fleet import Fleet
from wattline.model.runs import Arrival

DECIDING_ROOMS = ("api", "model", "policy", "loops", "world", "sim", "study")
"""Rooms whose code may change what comes out of a simulation."""


@cache
def of_code() -> str:
    """Return the hash of all code that may change an answer."""
    root = Path(wattline.__file__).parent
    whole = sha256()
    for room in DECIDING_ROOMS:
        for file in sorted((root / room).rglob("*.py")):
            whole.update(f"{file.relative_to(root)}\0".encode())
            whole.update(file.read_bytes())
    return whole.hexdigest()


def of_file(path: Path) -> str:
    """Return the hash of a file, or of the files directly in a folder."""
    files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    whole = sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                whole.update(block)
    return whole.hexdigest()


def of_fleet(fleet: Fleet) -> str:
    """Return the hash of what a fleet's objects ask for."""
    things: tuple[Object[Any, Any], ...] = (
        *fleet.domains,
        *fleet.pools,
        *fleet.workflows,
        *fleet.profiles,
    )
    return of_values(
        {
            f"{thing.kind}/{thing.metadata.namespace or ''}/{thing.metadata.name}": thing.spec.model_dump(
                mode="json", by_alias=True
            )
            for thing in things
        }
    )


def of_values(values: Mapping[str, object]) -> str:
    """Return the hash of plain values by name."""
    return sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


class Arrivals(Protocol):
    """Arrivals that are counted, and asked for in order."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Arrival]: ...


class Work:
    """Hashes arrivals while they are played: when which run starts, and how long its turns are."""

    def __init__(self) -> None:
        self._parts: dict[str, Passing] = {}

    def passing(self, pool: str, arrivals: Arrivals) -> "Passing":
        """Return a pool's arrivals as they are; none is made before it is asked for."""
        self._parts[pool] = Passing(arrivals)
        return self._parts[pool]

    def hexdigest(self) -> str:
        """Return the hash of what has passed."""
        return of_values({pool: part.hexdigest() for pool, part in self._parts.items()})


class Passing:
    """Arrivals of one pool, hashed on their way."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._hash = sha256()

    def __len__(self) -> int:
        return len(self._arrivals)

    def __iter__(self) -> Iterator[Arrival]:
        self._hash = sha256()
        for arrival in self._arrivals:
            run = arrival.run
            self._hash.update(f"{arrival.at_seconds!r} {run.id} {run.session}".encode())
            for turn in run.turns:
                context = sum(extent.tokens for extent in turn.context)
                self._hash.update(f" {context} {turn.output.tokens} {turn.gap_seconds!r}".encode())
            yield arrival

    def hexdigest(self) -> str:
        """Return the hash of the last time that they passed."""
        return self._hash.hexdigest()

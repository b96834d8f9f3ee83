"""One call of ``wattline simulate``: what is asked, in values that can be kept, hashed and sent elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, get_args

from wattline.api.inferencepool import InferencePool
from wattline.model.fleet import Fleet, full_name
from wattline.model.sums import in_order
from wattline.policy.route import Mode
from wattline.sim import mix
from wattline.sim.changes import Change
from wattline.sim.recording import TraceError
from wattline.sim.scenario import Cap, Scenario, ScenarioError, Served, chosen_pool, physics_of
from wattline.sim.sensors import EXACT, REAL
from wattline.sim.standing import stood, wanted
from wattline.study import digest
from wattline.world.curve import SHAPES
from wattline.world.gpu import PRODUCTS
from wattline.world.profiled import engines_of

SENSORS = {"exact": EXACT, "real": REAL}

RUNS_PER_SECOND_OF_A_REPLICA = 0.01
"""Rate where nobody says one."""

Value = float | int | str | None


@dataclass(frozen=True, slots=True)
class Question:
    """A fleet, its work, and which policies are on."""

    fleet: Fleet
    origin: str
    """Where the fleet is from, as people read it."""
    pools: tuple[str, ...] = ()
    """Pools that get runs, as NAME or NAME=RATE; the only one there is when unset."""
    trace: Path | None = None
    """Recorded runs; generated ones when unset."""
    arrivals: Path | None = None
    """Moments at which runs start; the trace's own, or Poisson, when unset."""
    parts: tuple[mix.Source, ...] = ()
    """Several traces, or one that is played otherwise, instead of ``trace`` and ``arrivals``."""
    load: float = 1.0
    """Multiplies every rate; recorded time passes so much faster."""
    rate: float | None = None
    """Runs per second."""
    hours: float = 3.0
    shared_prefix: bool = True
    routing: str = "wattline"
    admission: bool = True
    clock: str = "wattline"
    """full, wattline or MHz."""
    cap: str = "none"
    shape: str = "perseus"
    product: str = "h100"
    gpus_per_node: int = 8
    """Of nodes that no manifest lists."""
    seed: int = 0
    what_if: tuple[str, ...] = ()
    """Edits of the fleet and changes, as told."""
    changes: tuple[Change, ...] = ()
    """What happens while it is played."""
    sensors: str = "real"
    """real: as coarse and as late as machines and networks make readings; or exact."""
    series_seconds: float | None = None

    @property
    def sources(self) -> tuple[mix.Source, ...]:
        """What is played, and when."""
        moments = None if self.arrivals is None else str(self.arrivals)
        return self.parts or (mix.Source(self.trace, arrivals=moments),)

    def check(self) -> None:
        """Raise `ScenarioError` or `TraceError` where the question cannot be asked, without playing anything."""
        mix.check(self.sources)
        fleet = self.standing()
        for load in self.loads():
            physics_of(chosen_pool(fleet, full_name(load.pool)), self.product, engines_of(fleet.profiles))
        clock_of(self.clock, self.product)
        if self.cap not in get_args(Cap):
            raise ScenarioError(f"cap {self.cap}: there is {', '.join(get_args(Cap))}")
        if self.cap != "none" and not self.fleet.domains:
            raise ScenarioError(f"cap {self.cap}: no PowerDomain says a budget; add one to the manifests")

    def standing(self) -> Fleet:
        """Return the fleet with a node for every replica; raise `ScenarioError` where one cannot be."""
        return stood(self.fleet, self.product, engines_of(self.fleet.profiles), self.gpus_per_node).fleet

    def asked(self) -> dict[str, Value]:
        """Return what is asked, by name; the same question gives the same values."""
        return {
            "asked.fleet": self.origin,
            "asked.what_if": " ".join(self.what_if) or None,
            "asked.pool": " ".join(full_name(load.pool) for load in self.loads()),
            "asked.trace": joined(None if each.trace is None else str(each) for each in self.sources),
            "asked.arrivals": joined(each.arrivals for each in self.sources),
            "asked.load": self.load,
            "asked.rate": _total(load.runs_per_second for load in self.loads()),
            "asked.hours": self.hours,
            "asked.shared_prefix": "on" if self.shared_prefix else "off",
            "asked.routing": self.routing,
            "asked.admission": "on" if self.admission else "off",
            "asked.clock": self.clock,
            "asked.cap": self.cap,
            "asked.shape": self.shape,
            "asked.product": self.product,
            "asked.gpus_per_node": self.gpus_per_node,
            "asked.sensors": self.sensors,
            "asked.seed": self.seed,
        }

    def loads(self) -> tuple["Load", ...]:
        """Return the pools that get runs, and at what rate; raise `ScenarioError` where there is no such pool."""
        names = [full_name(pool) for pool in self.fleet.pools]
        if not self.pools and len(names) > 1:
            raise ScenarioError(
                f"which InferencePools get the runs? Name them: --pool {names[0]} --pool {names[1]}; "
                f"there is: {', '.join(names)}"
            )
        out = []
        for text in self.pools or (None,):
            name, equals, rate = text.partition("=") if text else (None, "", "")
            pool = chosen_pool(self.fleet, name)
            out.append(Load(pool, self._rate_of(pool, rate if equals else None)))
        return tuple(out)

    def _rate_of(self, pool: InferencePool, told: str | None) -> float | None:
        if told is not None:
            try:
                rate = float(told)
            except ValueError:
                rate = 0.0
            if rate > 0 and isfinite(rate):
                return rate
            raise ScenarioError(f"pool {full_name(pool)}={told}: expected runs per second above 0, e.g. 0.02")
        if self.rate is None and not any(source.recorded for source in self.sources):
            return RUNS_PER_SECOND_OF_A_REPLICA * wanted(pool)
        return self.rate

    def key(self) -> str:
        """Return the hash of all that decides the answer: the question, its files, and the code."""
        files = {
            f"source {index}": {
                "is": str(replace(source, trace=None, arrivals=None, origin="")),
                "arrivals": source.arrivals if source.arrivals in {None, mix.OWN, mix.POISSON} else "file",
                "files": [hash_of(path) for path in source.files],
            }
            for index, source in enumerate(self.sources)
        }
        by_hash = {"asked.fleet", "asked.trace", "asked.arrivals"}
        named = {name: value for name, value in self.asked().items() if name not in by_hash}
        hashes = {"fleet": digest.of_fleet(self.fleet), "code": digest.of_code()}
        return digest.of_values({**named, **hashes, **files})

    def scenario(self) -> tuple[Scenario, digest.Work, tuple[str, ...]]:
        """Return the scenario, the hash of its work for when the work is done, and what is to be said of its traces."""
        self.check()
        loads = self.loads()
        work = digest.Work()
        notes: dict[str, None] = {}
        served = []
        for load in loads:
            name = full_name(load.pool)
            made = mix.work(
                self.sources,
                rate_per_second=load.runs_per_second,
                hours=self.hours,
                seed=self.seed,
                shared_prefix=self.shared_prefix,
                load=self.load,
                default_rate_per_second=RUNS_PER_SECOND_OF_A_REPLICA * wanted(load.pool),
                stream="" if len(loads) == 1 else name,
                longest_tokens=self._longest_tokens(load.pool),
            )
            notes.update(dict.fromkeys((*made.told, *map(str, made.notes))))
            arrivals: Any = work.passing(name, made.arrivals)  # counted and asked for in order, no more
            served.append(Served(name, arrivals))
        return (
            Scenario(
                fleet=self.fleet,
                served=tuple(served),
                hours=self.hours,
                product=self.product,
                routing=Mode(self.routing),
                admission=self.admission,
                clock=clock_of(self.clock, self.product),
                cap=self.cap,  # type: ignore[arg-type]  # check() has refused all others
                shape=SHAPES[self.shape],
                gpus_per_node=self.gpus_per_node,
                changes=self.changes,
                sensors=SENSORS[self.sensors],
                seed=self.seed,
                series_seconds=self.series_seconds,
            ),
            work,
            tuple(notes),
        )

    def _longest_tokens(self, pool: InferencePool) -> int:
        """Return the most tokens that any run may have to be played."""
        standing = self.standing()
        engines = physics_of(
            chosen_pool(standing, full_name(pool)), self.product, engines_of(standing.profiles)
        )
        admissible = int(pool.spec.memory.never_above * min(each.capacity_tokens for each in engines))
        return min(admissible, *(each.max_context_tokens for each in engines))


@dataclass(frozen=True, slots=True)
class Load:
    """A pool that gets runs."""

    pool: InferencePool
    runs_per_second: float | None
    """None where arrivals stand as recorded."""


def _total(rates: Iterable[float | None]) -> float | None:
    known = list(rates)
    return None if None in known else in_order(rate for rate in known if rate is not None)


def joined(texts: Iterable[str | None], between: str = " ") -> str | None:
    """Return texts in one; none where there is none."""
    return between.join(text for text in texts if text is not None) or None


def clock_of(text: str, product: str) -> int | str | None:
    """Return what a scenario takes for ``full``, ``wattline`` or a clock in MHz."""
    if text in {"full", "wattline"}:
        return None if text == "full" else text
    if not text.isdecimal() or int(text) == 0:
        raise ScenarioError(f"clock: expected full, wattline or a clock in MHz, not {text!r}")
    clocks = PRODUCTS[product].clocks_mhz
    if not min(clocks) <= int(text) <= max(clocks):
        raise ScenarioError(
            f"clock: {text} MHz is not a clock of {product}: {min(clocks)} to {max(clocks)} MHz"
        )
    return int(text)


@lru_cache(maxsize=16)
def hash_of(path: Path) -> str:
    """Return the hash of a trace's file or folder; raise `TraceError` where it cannot be read."""
    try:
        return digest.of_file(path)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror}") from error

"""One pool at the gateway: its desk, its replicas' speed, and the turns that wait."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from wattline.api.inferencepool import InferencePool
from wattline.doors.clock import Clock
from wattline.doors.engine import EngineSample
from wattline.gateway.blocks import Blocks
from wattline.gateway.prompt import Api
from wattline.gateway.served import EnginePlace, ServedPool
from wattline.gateway.settings import Settings
from wattline.loops.desk import Desk
from wattline.loops.turns import Answer, Ask, DeskSpec
from wattline.model.ledger import Ledger
from wattline.model.rates import AgentRates
from wattline.model.wire import ReplicaLoad
from wattline.policy.admit import AdmitSpec
from wattline.policy.route import RouteSpec

KEPT_SECONDS = 60.0
"""A replica that is none of the pool's any more is remembered so long, and for as long as turns run there."""

SILENT_READINGS = 3
"""An engine that did not answer so often in a row is away."""


@dataclass(slots=True)
class Learnt:
    """A ratio learnt from sums that fade; starts from a prior of a little weight."""

    over: float
    under: float
    fade: float = 0.98

    @property
    def ratio(self) -> float:
        """Return the ratio."""
        return self.over / self.under

    def add(self, over: float, under: float) -> None:
        """Take one more observation."""
        if over > 0 and under > 0:
            self.over = self.over * self.fade + over
            self.under = self.under * self.fade + under


@dataclass(slots=True)
class Replica:
    """One engine of the pool."""

    endpoint: EnginePlace
    declared: bool = True
    """It is one of the pool's."""
    active: bool = True
    """It gets work."""
    rates: AgentRates = field(default_factory=AgentRates)
    sample: EngineSample | None = None
    silent: int = 0
    sequences: int = 0
    """Answers that it makes for us."""
    left_seconds: float = 0.0
    """When it stopped to be one of the pool's."""

    @property
    def usable(self) -> bool:
        """Whether turns may go there."""
        return self.active and self.sample is not None


class Pool:
    """Admits, routes and counts the turns of one pool."""

    def __init__(self, served: ServedPool, settings: Settings, clock: Clock) -> None:
        self.name = served.name
        self.declared = served.pool
        self.created_at = served.created_at
        self.gone = False
        """Nobody declares it any more; it answers what it has and takes nothing."""
        self.withheld = served.withheld
        """Why replicas get no work, where somebody said so."""
        self.blocks = Blocks()
        self.tokens_per_byte = Learnt(1_000.0, 4_000.0)
        """Tokens of a prompt for a byte of its text; four bytes a token until usage says better."""
        self.stream_ratios = {api: Learnt(10.0, 2_000.0) for api in Api}
        """Output tokens for a byte of a stream, framing included."""
        self.replicas: dict[str, Replica] = {}
        self.desk = Desk(_desk_spec(served.pool, settings), (), Ledger(self.tokens_per_byte.ratio))
        self._settings = settings
        self._clock = clock
        self._answers: dict[object, tuple[asyncio.Event, list[Answer]]] = {}
        self.declare(served)

    def declare(self, served: ServedPool) -> None:
        """Take the pool as it stands now."""
        self.declared, self.created_at, self.gone = served.pool, served.created_at, False
        self.withheld = served.withheld
        self.desk.spec = _desk_spec(served.pool, self._settings)
        for place in served.engines:
            replica = self.replicas.get(place.name)
            if replica is None or replica.endpoint.url != place.url:
                left = 0
                if replica is not None:  # a pod that was made anew under its old name
                    self.desk.lost(place.name)
                    left = replica.sequences  # which still end, and are counted off then
                replica = self.replicas[place.name] = Replica(place, sequences=left)
            replica.endpoint, replica.declared = place, True
            replica.active = place.name in served.active
            self._tell(place.name)
        self._leave(set(self.replicas) - {place.name for place in served.engines})

    def withdraw(self) -> None:
        """Take nothing new: the pool was deleted. Held turns are told so, running ones finish."""
        self.gone = True
        self._leave(set(self.replicas))
        for event, _ in self._answers.values():
            event.set()

    def tidy(self) -> tuple[str, ...]:
        """Forget the replicas that left and have nothing to do any more; return them."""
        past = self._clock.now() - KEPT_SECONDS
        left = tuple(
            name
            for name, replica in self.replicas.items()
            if not replica.declared
            and replica.left_seconds <= past
            and not replica.sequences
            and not self.desk.running(name)
        )
        for name in left:
            del self.replicas[name]
            self.desk.forget(name, self._clock.now())
        return left

    def _leave(self, names: set[str]) -> None:
        for name in names:
            replica = self.replicas[name]
            if replica.declared:
                replica.left_seconds = self._clock.now()
            replica.declared = replica.active = False
            self._tell(name)

    async def seat(self, ask: Ask, wait_seconds: float) -> Answer | None:
        """Return where a turn may start, as soon as it may; None after ``wait_seconds``."""
        placed: tuple[asyncio.Event, list[Answer]] = (asyncio.Event(), [])
        self._answers[ask.turn] = placed
        try:
            self.desk.arrive(ask, self._clock.now())
            self.pump()
            if not placed[1]:
                await self._clock.sleep_until(self._clock.now() + wait_seconds, or_set=placed[0])
            return placed[1][0] if placed[1] else None
        except asyncio.CancelledError:
            if placed[1]:
                self.desk.ended(ask.turn, self._clock.now())
            raise
        finally:
            del self._answers[ask.turn]
            self.desk.gave_up(ask.turn)

    def pump(self) -> None:
        """Let those turns start that may."""
        self.desk.ledger.tokens_per_unit = self.tokens_per_byte.ratio
        for answer in self.desk.place(self._clock.now()):
            event, answers = self._answers[answer.turn]
            answers.append(answer)
            event.set()

    def release_first(self) -> None:
        """Let the first turns that are held go without a place."""
        for turn in self.desk.held_first:
            self._answers[turn][0].set()

    def answered(self, name: str, sample: EngineSample) -> None:
        """Take an engine's reading; one whose counters went back has started anew, with empty memory."""
        replica = self.replicas[name]
        before = replica.sample
        if before is not None and sample.prompt_tokens < before.prompt_tokens:
            self.desk.lost(name)
        replica.sample, replica.silent = sample, 0
        self._tell(name)

    def at(self, name: str, url: str) -> bool:
        """Return whether a replica still stands there."""
        return name in self.replicas and self.replicas[name].endpoint.url == url

    def silent(self, name: str, *, gone: bool) -> bool:
        """Note that an engine did not answer; return whether that is news."""
        replica = self.replicas[name]
        replica.silent += 1
        was_there = replica.sample is not None
        if gone or replica.silent >= SILENT_READINGS:
            replica.sample = None
            self._tell(name)
        if gone:
            self.desk.lost(name)
        return replica.sample is None and (was_there or replica.silent == 1)

    def failed(self, name: str, *, gone: bool) -> None:
        """Take an engine that failed a turn out of use until it answers the next reading."""
        self.replicas[name].silent = SILENT_READINGS
        self.silent(name, gone=gone)

    def loads(self, node: str | None) -> list[ReplicaLoad]:
        """Return the pool's replicas as the agents of their nodes want to know them."""
        return [
            ReplicaLoad(
                pool=self.name,
                name=name,
                resident_tokens=self.desk.resident_tokens(name),
                capacity_tokens=None if replica.sample is None else replica.sample.capacity_tokens,
                slowest_agent_tokens_per_second=replica.rates.slowest(self._clock.now()),
                running=self.desk.running(name),
                waiting=self.desk.waiting(name),
            )
            for name, replica in self.replicas.items()
            if node in {None, replica.endpoint.node} and (replica.declared or self.desk.running(name))
        ]

    @property
    def reachable(self) -> bool:
        """Whether any engine answers."""
        return any(replica.usable for replica in self.replicas.values())

    def urls(self) -> Mapping[str, str]:
        """Return where the engines listen."""
        return {name: replica.endpoint.url for name, replica in self.replicas.items() if replica.declared}

    def _tell(self, name: str) -> None:
        replica = self.replicas[name]
        capacity = None if replica.sample is None else replica.sample.capacity_tokens
        self.desk.replica(name, usable=replica.usable, capacity_tokens=capacity)


def _desk_spec(declared: InferencePool, settings: Settings) -> DeskSpec:
    spec = declared.spec
    return DeskSpec(
        AdmitSpec(spec.memory),
        RouteSpec(spec.routing, spec.memory, settings.routing),
        admission=settings.admission,
    )

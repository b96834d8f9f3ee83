"""The gateway in the simulator: the product's desk of a pool on virtual time, and what goes by it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wattline.api.inferencepool import InferencePoolSpec
from wattline.loops.desk import Desk
from wattline.loops.turns import Ask, DeskSpec
from wattline.model.prefixtree import Known
from wattline.model.runs import Turn
from wattline.policy.admit import AdmitSpec
from wattline.policy.route import Mode, RouteSpec
from wattline.policy.route import Why as RouteWhy
from wattline.sim.events import Events
from wattline.sim.migration import Mover
from wattline.sim.rates import AgentRates
from wattline.sim.recording import Shared
from wattline.sim.replica import Replica
from wattline.world.engine import EngineEvent
from wattline.world.request import Finished, FirstToken, Request

RETRY_SECONDS = 0.5
"""From the loss of an answer to the agent's next attempt: the first delay of the OpenAI and Anthropic clients [R]."""


@dataclass(slots=True)
class Tally:
    """What the gateway saw go by."""

    prompt_tokens: int = 0
    prefilled_tokens: int = 0
    recomputed_tokens: int = 0
    output_tokens: int = 0
    turns: int = 0
    moved: int = 0
    """Times that a session was given another replica."""
    returned: int = 0
    """Times that a session went back to pending because memory ran out under it."""
    held: int = 0
    """Turns that had to wait at the gateway."""
    retried: int = 0
    """Turns that were asked again because their replica went away."""
    lost_tokens: int = 0
    """Output tokens that were out when a replica went away, and were generated again."""
    successes: float = 0.0
    """Runs that ended, each with the chance of success of the lowest rung that any of its turns was served on."""
    migrated: int = 0
    """Times that a session's KV memory was sent to its new replica."""
    ttft_seconds: list[float] = field(default_factory=list)

    @property
    def recomputed_ratio(self) -> float:
        """Recomputed share of what was prefilled."""
        return self.recomputed_tokens / self.prefilled_tokens if self.prefilled_tokens else 0.0


@dataclass(slots=True)
class _Open:
    """A turn that has not ended."""

    session: str
    turn: Turn
    arrived_seconds: float
    done: Callable[[], None]
    replica: str | None = None
    """Where it runs, or its memory is on the way to."""
    begun: bool = False
    """Whether its first token came."""
    shown_tokens: int = 0
    """Tokens that were out when a replica went away."""


class Gateway:
    """One pool's sessions, from a turn's arrival to its last token."""

    def __init__(
        self,
        spec: InferencePoolSpec,
        mode: Mode,
        *,
        admission: bool,
        events: Events,
        rates: AgentRates,
        migration: Mover | None = None,
    ) -> None:
        self.tally = Tally()
        self.replicas: dict[str, Replica] = {}
        self.away: set[str] = set()
        """Replicas that stopped, sleep or load."""
        self.desk = Desk(
            DeskSpec(
                route=RouteSpec(routing=spec.routing, memory=spec.memory, mode=mode),
                admit=AdmitSpec(memory=spec.memory),
                admission=admission,
            ),
            [endpoint.name for endpoint in spec.active()],
        )
        self._events = events
        self._rates = rates
        self._migration = migration
        self._success: dict[str, float] = {}
        """Chance of success of sessions that were served on a lower rung, against the pool's own model's."""
        self._homes: dict[str, str] = {}
        """Replica on which a session ran last; kept only where memory migrates."""
        self._open: dict[str, _Open] = {}
        self._computed: dict[str, Known] = {}
        """All that was ever computed for a session."""
        self._openings = Known()
        self._turns = 0

    def use(self, replicas: Mapping[str, Replica]) -> None:
        """Take the replicas that get work, in the pool's order."""
        self.replicas = dict(replicas)
        for name, replica in replicas.items():
            self.desk.replica(name, usable=True, capacity_tokens=replica.engine.capacity_tokens)

    def up(self, name: str, replica: Replica) -> None:
        """Give a replica work from now on."""
        self.replicas[name] = replica
        self.away.discard(name)
        self.desk.replica(name, usable=True, capacity_tokens=replica.engine.capacity_tokens)
        self.place()

    def closed(self, name: str) -> None:
        """Give a replica no more work; what runs there goes on."""
        replica = self.replicas[name]
        self.desk.replica(name, usable=False, capacity_tokens=replica.engine.capacity_tokens)
        self.place()

    def runs_on(self, name: str) -> bool:
        """Return whether a replica has turns, or is about to get their memory."""
        return any(turn.replica == name for turn in self._open.values())

    def lost(self, name: str) -> None:
        """Note that a replica is gone with all it ran and held; agents ask again for what it ran."""
        now = self._events.now_seconds
        self.away.add(name)
        self.desk.replica(name, usable=False, capacity_tokens=None)
        self.desk.lost(name)
        for each, turn in list(self._open.items()):
            if turn.replica == name:
                self._retry(each, turn, now)
        self.place()

    # What agents do.

    def ask(self, session: str, turn: Turn, done: Callable[[], None]) -> None:
        """Take a turn; ``done`` is called when its last token is out."""
        now = self._events.now_seconds
        self._turns += 1
        name = f"{session}/{self._turns}"
        if session not in self._computed:
            self._computed[session] = Known()
        self._open[name] = _Open(session, turn, now, done)
        self._rates.arrived(session, now)
        self.desk.arrive(Ask(name, session, turn.context), now)
        held = self.desk.held
        self.place()
        self.tally.held += self.desk.held >= held

    def finish(self, session: str) -> None:
        """Forget a session that has ended."""
        self.desk.finished(session)
        self._rates.left(session, self._events.now_seconds)
        del self._computed[session]
        self.tally.successes += self._success.pop(session, 1.0)
        self._homes.pop(session, None)
        self.place()

    def place(self) -> None:
        """Start the turns that may start now."""
        for answer in self.desk.place(self._events.now_seconds):
            if answer.replica is None:
                raise RuntimeError(f"{answer.turn}: {answer.admitted}; such runs are sorted out beforehand")
            turn = self._open[str(answer.turn)]
            replica = self.replicas[answer.replica]
            request = Request(
                str(answer.turn), turn.turn.context, (turn.turn.output,), turn.turn.output.tokens
            )
            self.tally.moved += answer.routed is RouteWhy.REASSIGNED
            turn.replica = answer.replica
            self._rates.dispatched(turn.session, _counter(replica, request.id, turn.shown_tokens))
            if self._migration is None or not self._sent(turn, replica, request, self._migration):
                replica.submit(request)

    # What engines say.

    def heard(self, replica: Replica, event: EngineEvent) -> None:
        """Take an engine's event."""
        turn = self._open[event.id]
        if isinstance(event, FirstToken):
            if not turn.begun:
                turn.begun = True
                self.tally.ttft_seconds.append(event.at_seconds - turn.arrived_seconds)
            self._count(turn, event)
        elif isinstance(event, Finished):
            self._ended(event.id, turn)
        else:
            raise TypeError(
                f"{replica.key} refused {event.id}: {event.why}; such runs are sorted out beforehand"
            )

    def slowest(self, replica: str) -> float | None:
        """Return the P5 of the agent rates of a replica's sessions."""
        return self._rates.slowest(str(name) for name in self.desk.ledger.sessions(replica))

    def _retry(self, name: str, turn: _Open, now: float) -> None:
        """Let an agent ask again for a turn that its replica took along."""
        assert turn.replica is not None
        out = self.replicas[turn.replica].engine.generated(name)
        self.tally.retried += 1
        self.tally.lost_tokens += out
        turn.shown_tokens = max(turn.shown_tokens, out)
        turn.replica = None
        shown = turn.shown_tokens
        self._rates.dispatched(turn.session, lambda: shown)
        self.desk.ended(name, now)
        del self._open[name]
        self._turns += 1
        again = f"{turn.session}/{self._turns}"
        self._open[again] = turn

        def asks() -> None:
            self.desk.arrive(Ask(again, turn.session, turn.turn.context), self._events.now_seconds)
            self.place()

        self._events.at(now + RETRY_SECONDS, asks)

    def _sent(self, turn: _Open, replica: Replica, request: Request, migration: Mover) -> bool:
        """Send a session's memory ahead of its turn, where it has any elsewhere; say whether it is on its way."""
        before, self._homes[turn.session] = self._homes.get(turn.session), replica.key
        if before is None or before == replica.key:
            return False
        tokens = self.replicas[before].engine.holds(request.context)
        if tokens <= replica.engine.holds(request.context):
            return False
        self.tally.migrated += 1
        there = replica.engine

        def arrives() -> None:
            if replica.engine is there and request.id in self._open:
                replica.catch_up()
                there.bring(request.context, tokens)
                replica.submit(request)

        seconds = migration.seconds(tokens * replica.engine.physics.architecture.kv_bytes_per_token)
        self._events.at(self._events.now_seconds + seconds, arrives)
        return True

    def _count(self, turn: _Open, first: FirstToken) -> None:
        context = turn.turn.context
        known = max(self._computed[turn.session].shared(context), self._openings.shared(context))
        prefilled = first.prompt_tokens - first.cached_tokens
        recomputed = max(0, prefilled - (first.prompt_tokens - known))
        self.tally.prompt_tokens += first.prompt_tokens
        self.tally.prefilled_tokens += prefilled
        self.tally.recomputed_tokens += recomputed
        self.desk.prefilled(first.id, first.at_seconds, prefilled, recomputed)
        opening = context[:1]
        if isinstance(opening[0].stream, Shared) and self._openings.shared(opening) < opening[0].tokens:
            self._openings.add(opening)

    def _ended(self, name: str, turn: _Open) -> None:
        del self._open[name]
        rung = None if turn.replica is None else self.replicas[turn.replica].rung
        if rung is not None:
            known = self._success.get(turn.session, 1.0)
            self._success[turn.session] = min(known, rung.success_ratio)
        whole = (*turn.turn.context, turn.turn.output)
        self._computed[turn.session].add(whole)
        self.desk.ended(name, self._events.now_seconds, whole)
        self.tally.returned += not self.desk.inside(turn.session)
        self.tally.turns += 1
        self.tally.output_tokens += turn.turn.output.tokens
        self._rates.ended(turn.session, self._events.now_seconds, turn.turn.output.tokens)
        turn.done()
        self.place()


def _counter(replica: Replica, request: str, shown_tokens: int) -> Callable[[], int]:
    """Return what counts a turn's tokens; those of a second attempt count once they are new."""
    if not shown_tokens:
        return lambda: replica.engine.generated(request)
    return lambda: max(shown_tokens, replica.engine.generated(request))

"""The gateway in the simulator: the product's desk of a pool on virtual time, and what goes by it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wattline.api.inferencepool import InferencePoolSpec
from wattline.loops.desk import Desk
from wattline.loops.turns import Ask, DeskSpec
from wattline.model.prefixtree import PrefixTree
from wattline.model.runs import Turn
from wattline.policy.admit import AdmitSpec
from wattline.policy.route import Mode, RouteSpec
from wattline.policy.route import Why as RouteWhy
from wattline.sim.events import Events
from wattline.sim.rates import AgentRates
from wattline.sim.recording import Shared
from wattline.sim.replica import Replica
from wattline.world.engine import EngineEvent
from wattline.world.request import Finished, FirstToken, Request


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


class Gateway:
    """One pool's sessions, from a turn's arrival to its last token."""

    def __init__(
        self, spec: InferencePoolSpec, mode: Mode, *, admission: bool, events: Events, rates: AgentRates
    ) -> None:
        self.tally = Tally()
        self.replicas: dict[str, Replica] = {}
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
        self._open: dict[str, _Open] = {}
        self._computed: dict[str, PrefixTree] = {}
        """All that was ever computed for a session."""
        self._openings = PrefixTree()
        self._turns = 0

    def use(self, replicas: Mapping[str, Replica]) -> None:
        """Take the replicas that get work, in the pool's order."""
        self.replicas = dict(replicas)
        for name, replica in replicas.items():
            self.desk.replica(name, usable=True, capacity_tokens=replica.engine.capacity_tokens)

    # What agents do.

    def ask(self, session: str, turn: Turn, done: Callable[[], None]) -> None:
        """Take a turn; ``done`` is called when its last token is out."""
        now = self._events.now_seconds
        self._turns += 1
        name = f"{session}/{self._turns}"
        self._computed.setdefault(session, PrefixTree())
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
            self._rates.dispatched(turn.session, _counter(replica, request.id))
            replica.submit(request)

    # What engines say.

    def heard(self, replica: Replica, event: EngineEvent) -> None:
        """Take an engine's event."""
        turn = self._open[event.id]
        if isinstance(event, FirstToken):
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
            self._openings.hold(opening)

    def _ended(self, name: str, turn: _Open) -> None:
        del self._open[name]
        whole = (*turn.turn.context, turn.turn.output)
        self._computed[turn.session].hold(whole)
        self.desk.ended(name, self._events.now_seconds, whole)
        self.tally.returned += not self.desk.inside(turn.session)
        self.tally.turns += 1
        self.tally.output_tokens += turn.turn.output.tokens
        self._rates.ended(turn.session, self._events.now_seconds, turn.turn.output.tokens)
        turn.done()
        self.place()


def _counter(replica: Replica, request: str) -> Callable[[], int]:
    return lambda: replica.engine.generated(request)

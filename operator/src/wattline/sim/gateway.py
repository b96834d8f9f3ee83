"""The gateway in the simulator: the product's ledger, admission and routing on virtual time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wattline.api.inferencepool import InferencePoolSpec
from wattline.model.context import Context, tokens
from wattline.model.ledger import Ledger
from wattline.model.prefixtree import PrefixTree
from wattline.model.runs import Turn
from wattline.policy import admit, route
from wattline.sim.events import Events
from wattline.sim.rates import AgentRates
from wattline.sim.recording import Shared
from wattline.sim.replica import Replica
from wattline.world.engine import EngineEvent
from wattline.world.request import Finished, FirstToken, Refused, Request


@dataclass(slots=True)
class Tally:
    """What the gateway saw go by."""

    prompt_tokens: int = 0
    prefilled_tokens: int = 0
    recomputed_tokens: int = 0
    output_tokens: int = 0
    turns: int = 0
    reassigned: int = 0
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
class _Session:
    done: Callable[[], None]
    home: str | None = None
    turns_at_home: int = 0
    in_ledger: bool = False
    was_in: bool = False
    computed: PrefixTree = field(default_factory=PrefixTree)
    """All that was ever computed for it."""
    turn: Turn | None = None
    arrived_seconds: float = 0.0
    context_tokens: int = 0
    request: int = 0
    held: bool = False


class Gateway:
    """One pool's sessions, from a turn's arrival to its last token."""

    def __init__(
        self,
        spec: InferencePoolSpec,
        mode: route.Mode,
        *,
        admission: bool,
        events: Events,
        rates: AgentRates,
    ) -> None:
        self.tally = Tally()
        self.ledger = Ledger()
        self.replicas: dict[str, Replica] = {}
        self._route = route.RouteSpec(mode=mode, routing=spec.routing, memory=spec.memory)
        self._routed = route.RouteState()
        self._admit = admit.AdmitSpec(memory=spec.memory) if admission else None
        self._growth = admit.Growth()
        self._admitted: dict[str, admit.AdmitState] = {}
        self._events = events
        self._rates = rates
        self._sessions: dict[str, _Session] = {}
        self._pending: dict[str, None] = {}
        self._openings = PrefixTree()

    def use(self, replicas: Mapping[str, Replica]) -> None:
        """Take the replicas that get work, in the pool's order."""
        self.replicas = dict(replicas)
        self._admitted = dict.fromkeys(self.replicas, admit.AdmitState())

    # What agents do.

    def ask(self, session: str, turn: Turn, done: Callable[[], None]) -> None:
        """Take a turn; ``done`` is called when its last token is out."""
        now = self._events.now_seconds
        kept = self._sessions.get(session)
        if kept is None:
            kept = self._sessions[session] = _Session(done)
        kept.done, kept.turn, kept.arrived_seconds = done, turn, now
        kept.context_tokens = tokens(turn.context)
        self._rates.arrived(session, now)
        if not self._start(session, kept):
            kept.held = True
            self.tally.held += 1
            self._pending[session] = None

    def finish(self, session: str) -> None:
        """Forget a session that has ended."""
        kept = self._sessions.pop(session, None)
        if kept is not None:
            self.ledger.release(session)
            self._growth = self._growth.end()
            self._rates.left(session, self._events.now_seconds)
            self.retry()

    # What policies see.

    def waiting(self, replica: str) -> int:
        """Return the turns that are held for a replica, and the first turns held for any."""
        return sum(self._sessions[name].home in (None, replica) for name in self._pending)

    def slowest(self, replica: str) -> float | None:
        """Return the P5 of the agent rates of a replica's sessions."""
        return self._rates.slowest(str(name) for name in self.ledger.sessions(replica))

    # What engines say.

    def heard(self, replica: Replica, event: EngineEvent) -> None:
        """Take an engine's event."""
        session = event.id.rpartition("/")[0]
        kept = self._sessions[session]
        if isinstance(event, FirstToken):
            self.tally.ttft_seconds.append(event.at_seconds - kept.arrived_seconds)
            self._count(replica, kept, event)
        elif isinstance(event, Finished):
            self._ended(replica, session, kept)
        elif isinstance(event, Refused):
            raise TypeError(f"{event.id}: {event.why}; runs that outgrow the model are sorted out beforehand")

    def retry(self) -> None:
        """Start held turns for which there is room now: those that were in before first, then by arrival."""
        if not self._pending:
            return
        order = sorted(self._pending, key=lambda name: not self._sessions[name].was_in)
        for session in order:
            kept = self._sessions[session]
            if self._start(session, kept):
                del self._pending[session]
                kept.held = False
            elif not kept.was_in:
                return  # first turns wait in line

    def _start(self, session: str, kept: _Session) -> bool:
        turn = kept.turn
        assert turn is not None
        seen = [
            route.ReplicaSeen(
                name,
                usable=True,
                resident_tokens=self.ledger.resident_tokens(name),
                capacity_tokens=replica.engine.capacity_tokens,
                added_tokens=self.ledger.added_tokens(session, name, turn.context),
            )
            for name, replica in self.replicas.items()
        ]
        choice = route.decide(self._route, self._routed, route.Ask(kept.home, kept.turns_at_home), seen)
        assert choice.replica is not None
        target = next(each for each in seen if each.name == choice.replica)
        if not kept.in_ledger and not self._may_start(target, kept):
            return False
        self._routed = choice.state
        self.tally.reassigned += choice.why is route.Why.REASSIGNED
        kept.turns_at_home = kept.turns_at_home + 1 if kept.home == choice.replica else 1
        kept.home = choice.replica
        kept.in_ledger = kept.was_in = True
        self.ledger.hold(session, choice.replica, turn.context)
        kept.request += 1
        request = Request(f"{session}/{kept.request}", turn.context, (turn.output,), turn.output.tokens)
        replica = self.replicas[choice.replica]
        self._rates.dispatched(session, lambda: replica.engine.generated(request.id))
        replica.submit(request)
        return True

    def _may_start(self, target: route.ReplicaSeen, kept: _Session) -> bool:
        if self._admit is None:
            return True
        return admit.decide(
            self._admit,
            self._growth,
            self._admitted[target.name],
            admit.AdmitSeen(
                self._events.now_seconds,
                target.resident_tokens,
                target.capacity_tokens,
                self.ledger.session_count(target.name),
                target.added_tokens,
                kept.was_in,
            ),
        ).admitted

    def _count(self, replica: Replica, kept: _Session, first: FirstToken) -> None:
        turn = kept.turn
        assert turn is not None
        known = max(kept.computed.shared(turn.context), self._openings.shared(turn.context))
        prefilled = first.prompt_tokens - first.cached_tokens
        recomputed = max(0, prefilled - (first.prompt_tokens - known))
        tally = self.tally
        tally.prompt_tokens += first.prompt_tokens
        tally.prefilled_tokens += prefilled
        tally.recomputed_tokens += recomputed
        if self._admit is not None:
            state = self._admitted[replica.key]
            self._admitted[replica.key] = state.prefilled(
                self._admit, first.at_seconds, prefilled, recomputed
            )
        opening: Context = turn.context[:1]
        if (
            opening
            and isinstance(opening[0].stream, Shared)
            and self._openings.shared(opening) < opening[0].tokens
        ):
            self._openings.hold(opening)

    def _ended(self, replica: Replica, session: str, kept: _Session) -> None:
        turn = kept.turn
        assert turn is not None
        whole = (*turn.context, turn.output)
        before = self.ledger.tokens_of(session)
        kept.computed.hold(whole)
        self.ledger.hold(session, replica.key, whole)
        self._growth = self._growth.turn(self.ledger.tokens_of(session) - before)
        self.tally.turns += 1
        self.tally.output_tokens += turn.output.tokens
        self._rates.ended(session, self._events.now_seconds, turn.output.tokens)
        if self._admit is not None and admit.goes_back(
            self._admit,
            self.ledger.resident_tokens(replica.key),
            replica.engine.capacity_tokens,
            self.ledger.session_count(replica.key),
        ):
            self.ledger.release(session)
            kept.in_ledger = False
            self.tally.returned += 1
        kept.turn = None
        kept.done()
        self.retry()

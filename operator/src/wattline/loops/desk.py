"""The desk of one pool: ledger, admission and routing together, for the gateway and the simulator alike.

Turns arrive, are placed on a replica or held, and end. A turn of a session that is inside (its context is held
on a replica) goes on at once. Held are, first in first out: turns that are owed an answer (of sessions that
were inside before, and of sub-agents of such), and behind them first turns. A turn may stand in its line as if it
had come later or earlier than it did.
"""

from collections.abc import Hashable, Iterator, Sequence

from wattline.loops.line import Line
from wattline.loops.room import Room
from wattline.loops.turns import Answer, Ask, DeskSpec, Seat, Waiting
from wattline.model.context import Context
from wattline.model.ledger import Ledger
from wattline.policy import admit, route


class Desk:
    """Who may start in one pool, and where turns run. Time is told by the caller and never goes back."""

    def __init__(self, spec: DeskSpec, replicas: Sequence[str], ledger: Ledger | None = None) -> None:
        self.spec = spec
        self.ledger = Ledger() if ledger is None else ledger
        self.growth = admit.Growth()
        self.held_because: admit.Why | None = None
        """Why the first of the held turns could not start when it was last tried."""
        self._room = Room(replicas, self.ledger)
        self._route_state = route.RouteState()
        self._seats: dict[Hashable, Seat] = {}
        self._let_in = 0
        self._running: dict[Hashable, Ask] = {}
        self._running_of: dict[Hashable, int] = {}
        """By session."""
        self._running_at: dict[str, int] = {}
        """By home of the session."""
        self._inside: dict[Hashable, Waiting] = {}
        self._adopted, self._owed, self._first = Line(), Line(), Line()

    # what is seen

    def replica(self, name: str, *, usable: bool, capacity_tokens: int | None) -> None:
        """Note how a replica is; one that is gone takes no turns, and its sessions go elsewhere."""
        self._room.note(name, usable=usable, capacity_tokens=capacity_tokens)

    def lost(self, name: str) -> None:
        """Note that a replica lost its memory: nothing is resident there any more."""
        for session in self.ledger.drop(name):
            self._seats[session].inside = False

    def forget(self, name: str, at_seconds: float) -> None:
        """Forget a replica that left for good and runs nothing: its sessions start elsewhere, and are owed that."""
        self.lost(name)
        self._room.forget(name)
        for turn, waiting in list(self._inside.items()):
            if self._seats[waiting.ask.session].home == name:
                self._owed.join(self._inside.pop(turn), at_seconds)

    def arrive(self, ask: Ask, at_seconds: float) -> None:
        """Take a turn; ``place`` says when it may start."""
        seat, waiting = self._seats.get(ask.session), Waiting(ask, at_seconds)
        if seat is not None and seat.inside:
            self._inside[ask.turn] = waiting
        elif seat is not None:
            self._owed.join(waiting, at_seconds)
        else:
            line = self._adopted if ask.adopted else self._owed if ask.owed else self._first
            line.join(waiting, at_seconds)

    def gave_up(self, turn: Hashable) -> None:
        """Forget a turn that was still held."""
        self._inside.pop(turn, None)
        for line in (self._adopted, self._owed, self._first):
            line.leave(turn)

    def prefilled(
        self, turn: Hashable, at_seconds: float, prefilled_tokens: float, recomputed_tokens: float
    ) -> None:
        """Note what a turn's prompt cost its replica."""
        ask = self._running.get(turn)
        seat = None if ask is None else self._seats.get(ask.session)
        if seat is not None:
            seen, spec = self._room.replicas[seat.home], self.spec.admit
            state = seen.state.prefilled(spec, at_seconds, prefilled_tokens, recomputed_tokens)
            if seat.turns and seen.capacity_tokens:
                state = state.returned(spec, prefilled_tokens, recomputed_tokens, seen.capacity_tokens)
            self._room.learn(seat.home, state)

    def ended(
        self, turn: Hashable, at_seconds: float, context: Context | None = None, tokens: int | None = None
    ) -> None:
        """Note a turn's end and what its session holds now, output included; without a context, what it held before.

        Where growth went past beta, the session goes back to pending.
        """
        ask = self._running.pop(turn, None)
        if ask is None:
            return
        left = self._running_of[ask.session] = self._running_of[ask.session] - 1
        if not left:
            del self._running_of[ask.session]
        seat = self._seats.get(ask.session)
        if seat is None:
            return
        self._running_at[seat.home] -= 1
        seat.running -= 1
        seat.turns += 1
        seat.idle_since_seconds = at_seconds
        if not seat.inside:
            return
        if context is not None:
            self.ledger.hold(ask.session, seat.home, context, tokens)
        elif tokens is not None:
            self.ledger.correct(ask.session, tokens)
        held = self.ledger.tokens_of(ask.session)
        self.growth = self.growth.turn(held - seat.tokens)
        seat.tokens = held
        if self.spec.admission and seat.running == 0 and self._goes_back(ask.session, seat.home):
            self._put_back(ask.session, seat)

    def finished(self, session: Hashable) -> None:
        """Note that a session's last turn is over: it holds nothing and is owed nothing."""
        seat = self._seats.pop(session, None)
        self.ledger.release(session)
        if seat is not None:
            self._running_at[seat.home] -= self._running_of.get(session, 0)
            self.growth = self.growth.end()

    def expired(self, at_seconds: float, idle_seconds: float) -> tuple[Hashable, ...]:
        """Take memory from sessions that were idle for so long; their next turn is still owed an answer."""
        out = []
        for session, seat in self._seats.items():
            if seat.inside and not seat.running and at_seconds - seat.idle_since_seconds > idle_seconds:
                self._put_back(session, seat)
                out.append(session)
        return tuple(out)

    # what is decided

    def place(self, at_seconds: float) -> list[Answer]:
        """Return the turns that may start now, and those that never can."""
        answers: list[Answer] = []
        if self._inside:
            for waiting in list(self._inside.values()):
                answer = self._go_on(waiting, at_seconds)
                if answer is not None:
                    answers.append(answer)
        self.held_because = None
        for line in (self._adopted, self._owed, self._first):
            while line:
                waiting = line.first()
                answer = self._start(waiting, at_seconds)
                if answer is None:
                    return answers  # a first turn is small: it would take the room that an owed one waits for
                line.leave(waiting.ask.turn)
                answers.append(answer)
        return answers

    # what is asked

    def inside(self, session: Hashable) -> bool:
        """Return whether a session's context is held somewhere."""
        seat = self._seats.get(session)
        return seat is not None and seat.inside

    def known(self, session: Hashable) -> bool:
        """Return whether a session was let in and has not ended."""
        return session in self._seats

    def resident_tokens(self, replica: str) -> int:
        """Return the unique tokens that a replica must keep."""
        return self.ledger.resident_tokens(replica)

    def running(self, replica: str) -> int:
        """Return how many turns run on a replica."""
        return self._running_at.get(replica, 0)

    def waiting(self, replica: str) -> int:
        """Return how many turns are held for a replica, first turns counted for each."""
        first = len(self._first)
        if not self._inside and not self._adopted and not self._owed:
            return first
        owed = sum(
            1
            for waiting in (*self._inside.values(), *self._adopted.waiting(), *self._owed.waiting())
            if (seat := self._seats.get(waiting.ask.session)) is None or seat.home == replica
        )
        return owed + first

    @property
    def held_first(self) -> tuple[Hashable, ...]:
        """First turns that are held, in the order in which they are tried."""
        return tuple(self._first)

    @property
    def held(self) -> int:
        """Turns that are held."""
        return len(self._inside) + len(self._adopted) + len(self._owed) + len(self._first)

    # how

    def _go_on(self, waiting: Waiting, at_seconds: float) -> Answer | None:
        """Place a turn of a session that is inside; one whose replica went away queues among the owed."""
        ask = waiting.ask
        seat = self._seats[ask.session]
        routing = route.Ask(seat.home, seat.turns_at_home)
        home = self._room.glance(seat.home)
        why = admit.Why.ROOM if self.spec.admission else admit.Why.OFF
        if route.stays(self.spec.route, routing, home):
            del self._inside[ask.turn]
            decision = route.kept(self._route_state, home)
            self._route_state = decision.state
            return self._seated(ask, home.name, Answer(ask.turn, home.name, decision.why, why))
        seen = self._room.seen(ask, self.growth)
        decision = route.decide(self.spec.route, self._route_state, routing, seen)
        replica = decision.replica
        if self.spec.admission and replica != seat.home:
            chosen = next((each for each in seen if each.name == replica), None)
            verdict = self._verdict(chosen, at_seconds, returning=True)
            if not verdict.admitted and decision.why is route.Why.REASSIGNED:
                replica = seat.home
        elif replica is None:
            return None
        else:
            verdict = admit.AdmitDecision(admitted=True, why=why)
        if replica is None or (replica != seat.home and not verdict.admitted):
            del self._inside[ask.turn]
            if not seat.running:
                self._put_back(ask.session, seat)
            self._owed.join(waiting, at_seconds)
            return None
        del self._inside[ask.turn]
        self._route_state = decision.state
        return self._seated(ask, replica, Answer(ask.turn, replica, decision.why, why))

    def _start(self, waiting: Waiting, at_seconds: float) -> Answer | None:
        """Place a turn whose session holds nothing, if there is a replica with room for it."""
        ask = waiting.ask
        seat = self._seats.get(ask.session)
        if seat is not None and seat.inside:  # another turn of the session was let in meanwhile
            return self._seated(ask, seat.home, Answer(ask.turn, seat.home, route.Why.STAYS, admit.Why.ROOM))
        returning = seat is not None or ask.owed
        if returning and at_seconds - waiting.since_seconds >= self.spec.patience_seconds:
            self._make_room(ask, seat, at_seconds)
        self.held_because = None
        if self.spec.admission and not ask.adopted and self.spec.route.mode is not route.Mode.ROUND_ROBIN:
            self.held_because = self._room.full(self.spec, self.growth, ask, at_seconds, returning=returning)
            if self.held_because is not None:
                return None
        hopeless = True
        last: tuple[route.Why, admit.Why] = (route.Why.NONE_USABLE, admit.Why.CAPACITY_UNKNOWN)
        for decision, seen in self._candidates(ask, seat):
            if decision.replica is None:
                hopeless = False
                break
            if not self.spec.admission:
                verdict = admit.AdmitDecision(admitted=True, why=admit.Why.OFF)
            elif ask.adopted:
                verdict = admit.AdmitDecision(admitted=True, why=admit.Why.ADOPTED)
            else:
                verdict = self._verdict(seen, at_seconds, returning=returning)
            if verdict.admitted:
                self._route_state = decision.state
                return self._seated(
                    ask, decision.replica, Answer(ask.turn, decision.replica, decision.why, verdict.why)
                )
            hopeless &= verdict.hopeless
            last = (decision.why, verdict.why)
        self.held_because = last[1]
        return Answer(ask.turn, None, *last) if hopeless else None

    def _candidates(
        self, ask: Ask, seat: Seat | None
    ) -> Iterator[tuple[route.RouteDecision, route.ReplicaSeen | None]]:
        """Yield the replica the routing policy chooses, then the others, emptiest first."""
        seen = self._room.seen(ask, self.growth)
        home = None if seat is None else seat.home
        best = route.decide(self.spec.route, self._route_state, route.Ask(home), seen)
        yield best, next((each for each in seen if each.name == best.replica), None)
        if self.spec.route.mode is route.Mode.ROUND_ROBIN:
            return
        for other in sorted(seen, key=lambda replica: replica.share):
            if other.usable and other.name != best.replica:
                yield route.RouteDecision(best.state, other.name, route.Why.EMPTIEST), other

    def _verdict(
        self, seen: route.ReplicaSeen | None, at_seconds: float, *, returning: bool
    ) -> admit.AdmitDecision:
        return self._room.verdict(self.spec, self.growth, seen, at_seconds, returning=returning)

    def _seated(self, ask: Ask, replica: str, answer: Answer) -> Answer:
        seat = self._seats.get(ask.session)
        if seat is None:
            self._let_in += 1
            seat = self._seats[ask.session] = Seat(inside=True, home=replica, order=self._let_in)
            self._moved(ask.session, None, replica)
        if seat.home != replica:
            self._moved(ask.session, seat.home, replica)
            seat.home, seat.turns_at_home = replica, 0
        seat.inside = True
        seat.turns_at_home += 1
        seat.running += 1
        self._running[ask.turn] = ask
        self._running_of[ask.session] = self._running_of.get(ask.session, 0) + 1
        self._running_at[replica] += 1
        self.ledger.hold(ask.session, replica, ask.context, ask.tokens)
        seat.tokens = seat.tokens or self.ledger.tokens_of(ask.session)
        return answer

    def _moved(self, session: Hashable, before: str | None, home: str) -> None:
        """Count a session's running turns at its new home."""
        running = self._running_of.get(session, 0)
        if before is not None:
            self._running_at[before] -= running
        self._running_at[home] = self._running_at.get(home, 0) + running

    def _make_room(self, ask: Ask, seat: Seat | None, at_seconds: float) -> None:
        """Put sessions whose tool has run longest back to pending until the turn fits at its home."""
        home = "" if seat is None else seat.home
        if home not in self._room.replicas:
            home = self._room.emptiest()
        if not self._room.usable(home):
            return
        idle = sorted(
            (
                (other.idle_since_seconds, index, session)
                for index, (session, other) in enumerate(self._seats.items())
                if other.inside
                and other.home == home
                and not other.running
                and at_seconds - other.idle_since_seconds >= self.spec.patience_seconds
            ),
            key=lambda each: each[:2],
        )
        for _, _, session in idle:
            if self._verdict(self._room.look(ask, home, self.growth), at_seconds, returning=True).admitted:
                return
            self._put_back(session, self._seats[session])

    def _goes_back(self, session: Hashable, replica: str) -> bool:
        """Return whether growth went past beta and this session is among the youngest that hold the excess.

        The oldest go on and end; were everybody put back in turn, everybody would be computed again in turn.
        """
        capacity, count = self._room.replicas[replica].capacity_tokens, self.ledger.session_count(replica)
        resident = self.ledger.resident_tokens(replica)
        if not admit.goes_back(self.spec.admit, resident, capacity, count):
            return False
        since = self._seats[session].order
        younger = sum(
            self.ledger.tokens_of(other)
            for other in self.ledger.sessions(replica)
            if self._seats[other].order > since
        )
        return admit.goes_back(self.spec.admit, resident - younger, capacity, count)

    def _put_back(self, session: Hashable, seat: Seat) -> None:
        self.ledger.release(session)
        seat.inside = False

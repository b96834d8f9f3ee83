"""Agents: they play recorded runs against the gateway, one turn and one tool after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from wattline.model.runs import Arrival, Arrivals, Run
from wattline.sim.events import Events
from wattline.sim.gateway import Gateway


@dataclass(slots=True)
class Played:
    """What became of the runs."""

    offered: int = 0
    begun: int = 0
    """Runs whose first turn was asked."""
    outgrown: int = 0
    """Runs that no replica's model can hold; they are not started."""
    run_seconds: list[float] = field(default_factory=list)
    """From arrival to the last token, of finished runs."""
    run_ids: list[str] = field(default_factory=list)
    """Of those, in the same order."""

    @property
    def open(self) -> int:
        """Runs that were offered and have not ended."""
        return self.offered - self.outgrown - len(self.run_seconds)

    def begin(self) -> None:
        """Count from now on: what is open or still to come is offered, what has ended is forgotten."""
        self.offered = self.open
        self.outgrown = 0
        self.run_seconds.clear()
        self.run_ids.clear()


class Agents:
    """Starts every run at its arrival, or when the run before it in its session has ended."""

    def __init__(self, events: Events, gateway: Gateway, longest_tokens: int) -> None:
        self.played = Played()
        self._events = events
        self._gateway = gateway
        self._longest_tokens = longest_tokens
        self._busy: dict[str, list[Run]] = {}

    def expect(self, arrivals: Arrivals) -> None:
        """Schedule the arrivals, each when the one before it is there, so that no more of them than that are held.

        A list may be in any order; what makes its arrivals as they are asked for has them in that of time.
        """
        self.played.offered += len(arrivals)
        place = self._events.reserve(len(arrivals))
        if isinstance(arrivals, Sequence):
            self._await(_in_order(arrivals, place), 0.0)
        else:
            self._await(enumerate(arrivals, start=place), 0.0)

    def _await(self, coming: Iterator[tuple[int, Arrival]], since: float) -> None:
        """Schedule the next arrival."""
        place, arrival = next(coming, (0, None))
        if arrival is None:
            return
        if arrival.at_seconds < since:
            raise ValueError(
                f"arrival of {arrival.run.id} at {arrival.at_seconds:g} s comes after one at {since:g} s: arrivals that "
                "are made as they are asked for have to be in the order of time; sort them, or give a list"
            )
        arrives = self._arrival(arrival.run)

        def due() -> None:
            arrives()
            self._await(coming, arrival.at_seconds)

        self._events.at_place(arrival.at_seconds, place, due)

    def _arrival(self, run: Run) -> Callable[[], None]:
        def arrives() -> None:
            if run.longest_tokens > self._longest_tokens:
                self.played.outgrown += 1
            elif run.session in self._busy:
                self._busy[run.session].append(run)
            else:
                self._busy[run.session] = []
                self._play(run, 0, self._events.now_seconds)

        return arrives

    def _play(self, run: Run, index: int, started: float) -> None:
        turn = run.turns[index]
        self.played.begun += not index

        def done() -> None:
            if index + 1 < len(run.turns):
                again = self._events.now_seconds + turn.gap_seconds
                self._events.at(again, lambda: self._play(run, index + 1, started))
                return
            now = self._events.now_seconds
            self.played.run_seconds.append(now - started)
            self.played.run_ids.append(run.id)
            self._gateway.finish(run.id)
            waiting = self._busy[run.session]
            if waiting:
                following = waiting.pop(0)
                self._events.at(now, lambda: self._play(following, 0, self._events.now_seconds))
            else:
                del self._busy[run.session]

        self._gateway.ask(run.id, turn, done)


def _in_order(arrivals: Sequence[Arrival], place: int) -> Iterator[tuple[int, Arrival]]:
    """Yield them; of a generator expression the compiled build would make a list."""
    for index in sorted(range(len(arrivals)), key=lambda index: arrivals[index].at_seconds):
        yield place + index, arrivals[index]

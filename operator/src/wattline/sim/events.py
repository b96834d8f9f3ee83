"""The event queue: virtual time, in an order that depends on nothing but what was scheduled."""

from collections.abc import Callable
from heapq import heappop, heappush

Action = Callable[[], None]


class Events:
    """A heap of (time, counter, action); equal times run in the order they were scheduled."""

    def __init__(self) -> None:
        self.now_seconds = 0.0
        self._heap: list[tuple[float, int, Action]] = []
        self._scheduled = 0

    def at(self, at_seconds: float, action: Action) -> None:
        """Run ``action`` at ``at_seconds``, or now if that is past."""
        self._scheduled += 1
        heappush(self._heap, (max(at_seconds, self.now_seconds), self._scheduled, action))

    def reserve(self, count: int) -> int:
        """Return the first of so many places in the order of equal times; ``at_place`` fills them, whenever it likes."""
        first = self._scheduled + 1
        self._scheduled += count
        return first

    def at_place(self, at_seconds: float, place: int, action: Action) -> None:
        """Run ``action`` at ``at_seconds``, or now, as if it had been scheduled when its place was reserved."""
        heappush(self._heap, (max(at_seconds, self.now_seconds), place, action))

    def every(self, period_seconds: float, action: Action, while_true: Callable[[], bool]) -> None:
        """Run ``action`` each period from one period on, until ``while_true`` says no."""

        def tick() -> None:
            action()
            if while_true():
                self.at(self.now_seconds + period_seconds, tick)

        self.at(self.now_seconds + period_seconds, tick)

    def run(self, until_seconds: float) -> None:
        """Run until nothing is scheduled up to then."""
        heap = self._heap
        while heap and heap[0][0] <= until_seconds:
            self.now_seconds, _, action = heappop(heap)
            action()

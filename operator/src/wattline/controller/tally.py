"""What became of passes, for metrics and health."""

from collections import Counter

from wattline.controller.balance import Pass
from wattline.model.errors import ClusterError


class Tally:
    """The last whole pass and how many there were; `balance` tells it through `ended` and `abandoned`."""

    def __init__(self, *, leading: bool = True) -> None:
        self.leading = leading
        self.last: Pass | None = None
        self.passes = Counter({"whole": 0, "abandoned": 0})
        self.actions: Counter[str] = Counter()
        """Actions that were carried out, by what they are."""

    def ended(self, last: Pass) -> None:
        """Take note of a whole pass."""
        self.last = last
        self.passes["whole"] += 1
        self.actions.update(type(action).__name__.lower() for action in last.decisions.actions)

    def abandoned(self, error: ClusterError) -> None:  # noqa: ARG002 - `balance` says why in the log
        """Take note of a pass that could not see or write everything."""
        self.passes["abandoned"] += 1

    def lead(self) -> None:
        """Take note that this process leads from now on."""
        self.leading = True

    def follow(self) -> None:
        """Take note that another process leads; it tells of the passes now, so the last one here is forgotten."""
        self.leading = False
        self.last = None

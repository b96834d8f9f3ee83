"""One thing that a device does by itself once it is asked, as far as we asked for it."""

from dataclasses import dataclass

from wattline.api.powernode import Outcome


@dataclass(slots=True)
class Asked:
    """State of one such thing on one GPU; it never keeps the GPU from its limit or its clock."""

    stands: object = None
    """What we asked for and saw in force; none while nothing of ours stands."""
    outcome: Outcome = Outcome.NONE
    reason: str = ""
    wait_until: float = float("-inf")
    """It is not asked for again before this."""
    taken: bool = False
    """Whether somebody else changed what we had asked for, so that what stands there is theirs."""

    def applied(self, stands: object) -> None:
        """Note that what was asked is so."""
        self.stands, self.outcome, self.reason, self.taken = stands, Outcome.APPLIED, "", False

    def hold(self, outcome: Outcome, reason: str, until: float = float("-inf")) -> None:
        """Note why it is not so, and when to try again."""
        self.outcome, self.reason, self.wait_until = outcome, reason, until

    def forget(self) -> None:
        """Start again: nothing of ours stands any more, and nobody took it from us."""
        self.stands, self.outcome, self.reason, self.taken = None, Outcome.NONE, "", False
        self.wait_until = float("-inf")

    def words(self) -> str:
        """Return the outcome and why, for people; empty where nothing was asked."""
        if self.outcome is Outcome.NONE:
            return ""
        return f"{self.outcome}: {self.reason}" if self.reason else str(self.outcome)

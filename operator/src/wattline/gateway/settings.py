"""How a gateway behaves beside what the manifests say; all times in world seconds."""

from dataclasses import dataclass

from wattline.policy.route import Mode


@dataclass(frozen=True, slots=True)
class Settings:
    """Flags of ``wattline gateway``."""

    routing: Mode = Mode.WATTLINE
    admission: bool = True
    first_turn_wait_seconds: float = 120.0
    """A first turn that was held this long is refused."""
    turn_wait_seconds: float = 300.0
    """A turn of an admitted session that found no room for this long is answered with 503."""
    most_held: int = 1000
    """First turns held at once; more are refused at once."""
    idle_seconds: float = 900.0
    """A session that was silent this long gives its memory back."""
    forget_seconds: float = 6 * 3600.0
    """A session that was silent this long is new when it comes back."""
    adopting_seconds: float = 300.0
    """After a start, a session that comes with turns of the assistant was somebody's before, and is let in."""
    drain_seconds: float = 300.0
    """Most that a stopping gateway waits for the turns it has."""
    poll_seconds: float = 1.0
    """How often engines and agents are read."""

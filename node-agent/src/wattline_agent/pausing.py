"""``pause`` and ``resume``: a person takes the agent's hands off the driver and gives it back."""

from collections.abc import Callable

from wattline.doors.clock import Clock
from wattline_agent.endings import EXIT_REFUSED
from wattline_agent.pauses import PERSON, Pauses

LOOK_SECONDS = 0.1
"""Time between two looks."""


async def pause(
    pauses: Pauses, reason: str, wait_seconds: float, clock: Clock, *, say: Callable[[str], None] = print
) -> int:
    """Have the agent let go of the driver; 0 once it has, 1 if it has not in time, 3 if it cannot be asked."""
    try:
        pauses.ask(PERSON, f"Paused: {reason}")
    except OSError as error:
        say(f"the agent cannot be asked: {error}")
        return EXIT_REFUSED
    end = clock.now() + wait_seconds
    while not pauses.let_go and clock.now() < end:
        await clock.sleep_until(min(end, clock.now() + LOOK_SECONDS))
    if pauses.let_go:
        say("the agent has let go of the driver; `wattline-node-agent resume` gives it back")
        return 0
    say(
        f"no agent has let go of the driver within {wait_seconds:g} s: none runs here under this name, "
        "or a driver call hangs; the pause stands"
    )
    return 1


def resume(pauses: Pauses, *, say: Callable[[str], None] = print) -> int:
    """End the pause that a person asked for; 0 if the driver may be used now, 1 if somebody else still wants it."""
    try:
        was = pauses.end(PERSON)
    except OSError as error:
        say(f"the agent cannot be asked: {error}")
        return EXIT_REFUSED
    reason = pauses.reason()
    if reason:
        say(f"the driver is still left alone: {reason}")
        return 1
    say("the agent uses the driver again" if was else "nobody had paused this node's agent")
    return 0

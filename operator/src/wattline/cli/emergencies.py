"""What both emergency commands do: tell every agent at once, then look until it is in force."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from wattline.api.powernode import PowerNodeSpec
from wattline.doors.clock import Clock
from wattline.model.errors import ClusterError
from wattline.model.wire import EmergencySignal, EmergencyView

AGAIN_SECONDS = 0.2
"""Time between two looks at an agent."""
AT_ONCE = 64
"""Agents that are spoken to at the same time."""


@dataclass(frozen=True, slots=True)
class Talk:
    """How to speak to one agent."""

    tell: Callable[[EmergencySignal], Awaitable[None]]
    look: Callable[[], Awaitable[EmergencyView]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a signal at one agent."""

    name: str
    done: bool
    said: str
    """One sentence."""


def not_armed(where: str, level: str, orders: Iterable[PowerNodeSpec]) -> str:
    """Return what to say where no node has the level armed: which there are, and how one comes about."""
    known = sorted({each.level for order in orders for each in order.emergency})
    return (
        f"no node{where} has the level {level} armed; armed: {', '.join(known) or 'none'}. "
        "A PowerDomain arms one once it is enforced and has spec.emergency"
    )


async def signalled(
    agents: Mapping[str, Talk], signal: EmergencySignal, clock: Clock, timeout_seconds: float
) -> tuple[Outcome, ...]:
    """Return, by name, whether each agent took the signal and has it in force within the timeout."""
    turnstile = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, agent: Talk) -> Outcome:
        async with turnstile:
            try:
                await agent.tell(signal)
                return await _looked(name, agent, signal, clock, timeout_seconds)
            except ClusterError as error:
                return Outcome(name, done=False, said=str(error))

    return tuple(await asyncio.gather(*(one(name, agent) for name, agent in sorted(agents.items()))))


async def _looked(
    name: str, agent: Talk, signal: EmergencySignal, clock: Clock, timeout_seconds: float
) -> Outcome:
    until = clock.now() + timeout_seconds
    while True:
        view = await agent.look()
        level = next((each for each in view.levels if each.level == signal.level), None)
        if signal.action == "end" and (level is None or level.until_seconds is None):
            return Outcome(name, done=True, said="ended; the order counts again")
        if (
            signal.action == "start"
            and level is not None
            and level.until_seconds is not None
            and level.in_force
        ):
            left = level.until_seconds - view.at_seconds
            return Outcome(
                name, done=True, said=f"in force and read back: {level.budget_watts:.0f} W for {left:.0f} s"
            )
        if clock.now() >= until:
            return Outcome(name, done=False, said=_lacking(signal, armed=level is not None))
        await clock.sleep_until(clock.now() + AGAIN_SECONDS)


def _lacking(signal: EmergencySignal, *, armed: bool) -> str:
    if not armed:
        return f"no level {signal.level} is armed there"
    if signal.action == "end":
        return "not ended: nobody renews the order that would count then; the level ends by its duration"
    return "told, and not in force yet; its GPUs' states say why"

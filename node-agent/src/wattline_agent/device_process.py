"""The device process: owns the devices and the record, runs the fast loop, one thread, one call after the other."""

import sys

if __name__ == "__main__":  # it speaks to no network, and OpenSSL would be an eighth of its memory
    sys.modules.update(dict.fromkeys(("ssl", "_hashlib")))  # type: ignore[arg-type]  # None keeps a module out

import asyncio
import importlib
import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from wattline.doors.clock import BootClock, Clock
from wattline_agent.boot import boot_id
from wattline_agent.channel import Channel
from wattline_agent.config import Config
from wattline_agent.device import Device, DeviceUnusable, DriverChanged
from wattline_agent.endings import (
    EXIT_AGAIN,
    EXIT_LEFT,
    EXIT_PAUSED,
    EXIT_REFUSED,
    GIVE_UP,
    LET_GO,
    STOPPING,
    log_to_stderr,
)
from wattline_agent.governor import Governor
from wattline_agent.hands import Hands
from wattline_agent.locks import Taken, gpu_path, take
from wattline_agent.messages import INBOUND
from wattline_agent.priority import go_first
from wattline_agent.record import RecordFile
from wattline_agent.view import outcomes, view

log = logging.getLogger("wattline-node-agent")


class Stop:
    """Asked to finish, and perhaps to give up putting back; never in the middle of a driver call."""

    def __init__(self) -> None:
        self.asked = False
        self.given_up = False
        self.paused = False
        self.stirred = asyncio.Event()
        """Set when a sleeping loop has to look up: it is asked to finish, or a packet has come."""

    def finish(self) -> None:
        """Finish."""
        self.asked = True
        self.stirred.set()

    def give_up(self) -> None:
        """Finish without putting anything back."""
        self.given_up = True
        self.finish()

    def pause(self) -> None:
        """Finish so that the driver can be taken away."""
        self.paused = True
        self.finish()


async def run(
    governor: Governor, channel: Channel, clock: Clock, stop: Stop, boot_id: str, parent: int
) -> None:
    """Run the loop until stopped or orphaned, which a process may be before it comes here."""
    settings = governor.settings
    due = said_at = clock.now()
    said: object = None
    while not stop.asked:
        now = clock.now()
        listen(governor, channel, now)
        governor.tick(now)
        governor.hands.tally.passes.note(clock.now() - now)
        fresh = outcomes(governor, now)
        if now - said_at >= settings.view_seconds or fresh != said:
            channel.send(view(governor, boot_id, now).model_dump_json(by_alias=True))
            said_at, said = now, fresh
        if os.getppid() != parent:
            break
        if clock.now() >= due:  # a pass that was called for in between leaves the grid as it is
            due = max(due + settings.safety_seconds, clock.now())
        await rest(governor, channel, clock, stop, due)


async def rest(governor: Governor, channel: Channel, clock: Clock, stop: Stop, due: float) -> None:
    """Sleep until the next pass is due, or until something is heard that is not to wait for it."""
    while not stop.asked and (now := clock.now()) < due:
        stop.stirred.clear()
        planned = governor.decide_at
        listen(governor, channel, now)
        if governor.decide_at < planned:
            return
        await clock.sleep_until(due, or_set=stop.stirred)


async def end(
    governor: Governor, channel: Channel, clock: Clock, stop: Stop, boot_id: str, *, restore: bool
) -> int:
    """Leave the devices as they are or put them back; return the exit code, ``EXIT_LEFT`` if that was not possible."""
    settings = governor.settings
    until = clock.now() + settings.restore_seconds
    while restore and not stop.given_up and clock.now() < until and not governor.stop(clock.now()):
        await clock.sleep_until(clock.now() + settings.safety_seconds)
    left = tuple(governor.hands.record.record.gpus) if restore else ()
    for uuid in left:
        gpu = governor.hands.gpus.get(uuid)
        why = "the driver does not show it" if gpu is None else gpu.held(clock.now()) or "there was no time"
        log.warning("GPU %s was not put back: %s", uuid, why)
    channel.send(view(governor, boot_id, clock.now()).model_dump_json(by_alias=True))
    return EXIT_LEFT if left else 0


def let_go(governor: Governor, now: float) -> int:
    """Leave the devices so that their driver can be taken away; return the exit code.

    Limits and clocks stay as they are: they bound the GPUs until the driver goes, and go with it. Persistence mode
    that we switched on is switched off, as it keeps the driver loaded.
    """
    governor.hands.end_persistence(now)
    return EXIT_PAUSED


def listen(governor: Governor, channel: Channel, now: float) -> None:
    """Take in all packets that have come."""
    for text in channel.receive():
        hear(governor, text, now)


def hear(governor: Governor, text: str, now: float) -> None:
    """Take in one packet; one that makes no sense changes nothing."""
    try:
        message = INBOUND.validate_json(text)
    except ValidationError as error:
        log.warning("a message was not understood: %s", error)
        return
    governor.hear(message, now)


def build(config: Config, clock: Clock) -> Governor:
    """Return the loop's state around the configured device."""
    module, _, name = config.device.partition(":")
    make: Callable[[Callable[[], float], str], Device] = getattr(importlib.import_module(module), name)
    record = RecordFile(Path(config.state) / "agents" / config.node / "device.json", boot_id(), config.speed)

    def claim(uuid: str) -> None:
        take(gpu_path(Path(config.runtime), uuid), f"GPU {uuid}")

    return Governor(
        Hands(make(clock.now, config.driver_root), record, claim, clock.now, config.settings), config.settings
    )


async def _main(config: Config, channel: Channel) -> int:
    clock = BootClock(config.speed)
    stop = Stop()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.finish)
    loop.add_signal_handler(GIVE_UP, stop.give_up)
    loop.add_signal_handler(LET_GO, stop.pause)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # the supervisor decides what Ctrl-C means
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    loop.add_reader(channel.socket, stop.stirred.set)
    governor, boot = build(config, clock), boot_id()
    try:
        await run(governor, channel, clock, stop, boot, config.supervisor)
        if stop.paused:
            return let_go(governor, clock.now())
        return await end(governor, channel, clock, stop, boot, restore=config.on_stop == "restore")
    except (
        DriverChanged
    ) as error:  # settings went with the old driver, and the next process may find it no sooner
        governor.hands.driver_changed(str(error))
        channel.send(view(governor, boot, clock.now()).model_dump_json(by_alias=True))
        raise
    finally:
        governor.hands.close()


def main() -> int:
    """Run until stopped; the result says whether another try helps."""
    log_to_stderr()
    go_first()
    config = Config.loads(sys.argv[1])
    try:
        return asyncio.run(_main(config, Channel(socket.socket(fileno=int(sys.argv[2])))))
    except (Taken, DeviceUnusable) as error:
        log.warning("%s", error)
        return EXIT_REFUSED
    except DriverChanged as error:
        log.warning("%s; starting again under the new driver", error)
        return EXIT_AGAIN


if __name__ == "__main__":
    sys.exit(main())

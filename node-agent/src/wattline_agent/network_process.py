"""The network process: brings orders, leases and loads to the device process, and shows the world what it says.

It may die at any moment and be started again; the device process goes on with what it has.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from aiohttp import web
from pydantic import ValidationError

from wattline.api.powernode import GpuStatus, NodeState, PowerNodeStatus
from wattline.doors.clock import BootClock, Clock, utc_after
from wattline.model.errors import ClusterError
from wattline_agent import ready
from wattline_agent.boot import boot_id
from wattline_agent.channel import Channel
from wattline_agent.config import Config
from wattline_agent.courier import bring
from wattline_agent.emergency_web import routes
from wattline_agent.endings import EXIT_REFUSED, GIVE_UP, STOPPING, log_to_stderr
from wattline_agent.gateways import Gateways
from wattline_agent.messages import View
from wattline_agent.orders import Orders
from wattline_agent.pauses import Pauses
from wattline_agent.pods import Kinds, Known, Mapped
from wattline_agent.polling import Polling
from wattline_agent.reasons import Reasons
from wattline_agent.reporter import Reporter
from wattline_agent.signals import Signals
from wattline_agent.sources import opened
from wattline_agent.status import SILENT, Ends, budget_source, stale, status
from wattline_agent.unheld import let_go, released, silent, without_driver
from wattline_agent.web import Face, app

log = logging.getLogger("wattline-node-agent")


class Told(Protocol):
    """Whoever knows which pod has which GPU."""

    @property
    def seen(self) -> Mapped | None:
        """Return what was heard last; none before anything was."""


class Network:
    """What the device process said last, and what of it others are shown."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        channel: Channel,
        orders: Orders,
        pauses: Pauses,
        upgrading: Callable[[], str] = lambda: "",
    ) -> None:
        self._pauses = pauses
        self._upgrading = upgrading
        self._began_at = clock.now()
        self._config = config
        self._clock = clock
        self._channel = channel
        self._orders = orders
        self._reasons = Reasons(config.node)
        self._view: View | None = None
        self._gpus: tuple[GpuStatus, ...] = ()
        """The GPUs of the last view that had some."""
        self._address = ""
        self.kubelet: Told | None = None
        self._ends = Ends(clock, config.speed, utc_after)
        token_file = Path(config.emergency_token_file) if config.emergency_token_file else None
        self.signals = Signals(
            Path(config.emergency_file or Path(config.state) / "emergency"),
            token_file,
            channel,
            clock,
            lambda: self._view,
            config.settings,
        )

    def listen(self) -> None:
        """Take in views as they come; the last one counts."""
        for text in self._channel.receive():
            with contextlib.suppress(ValidationError):
                self._view = View.model_validate_json(text)
                self._gpus = tuple(line.status for line in self._view.gpus) or self._gpus
                self._reasons.take(self._view, self._orders.order, self.pods().pods)

    def view(self) -> View | None:
        """Return the last view; while the driver is left alone, and until a new view comes, one without readings."""
        if self._view is not None and self._paused():
            self._view = let_go(self._view, self._paused(), self._clock.now())
        return self._view

    def _paused(self) -> str:
        """Return why the driver is left alone, once it is."""
        return self._pauses.reason() if self._pauses.let_go else ""

    def known(self) -> Known:
        """Return the node's GPUs by their UUIDs and by those of their parts, as far as the device process told them."""
        gpus = () if self._view is None else self._view.gpus
        return {name: gpu.status.uuid for gpu in gpus for name in (gpu.status.uuid, *gpu.parts)}

    def pods(self) -> Mapped:
        """Return which pod has which GPU; as the status told last until the kubelet has told us."""
        seen = None if self.kubelet is None else self.kubelet.seen
        return Mapped(self._orders.pods) if seen is None else seen

    def status(self) -> PowerNodeStatus | None:
        """Return the status as it is now; none before the first view, and where none will come and none ever was."""
        now, settings = self._clock.now(), self._config.settings
        view, told = self.view(), self._orders.told
        if view is not None and (view.gpus or told is None or not view.let_go):
            source = budget_source(view, self._ends)
            said = status(view, self._address, now, self.pods().pods, settings, source=source)
            lacks_all = view.state is NodeState.WAITING_FOR_DRIVER and not view.gpus
            return (
                without_driver(said, self._gpus or (() if told is None else told.gpus)) if lacks_all else said
            )
        here = {"address": self._address, "pods": self.pods().pods}
        if told is None:
            return None
        if self._paused():
            return released(told, self._paused()).model_copy(update=here)
        if now - self._began_at > settings.view_stale_seconds:
            return silent(told, SILENT, boot_id()).model_copy(update=here)
        return None

    def waiting(self) -> str:
        """Return why new work must wait, or nothing."""
        view = self.view()
        if view is None or stale(view, self._clock.now(), self._config.settings):
            return self._paused() or "NoReading: the device process has not spoken lately"
        return view.waiting or self._upgrading()

    def face(self) -> Face:
        """Return what the HTTP face shows."""
        return Face(
            self._config.node,
            self._clock.now,
            self.view,
            self.status,
            self.pods,
            self._reasons.view,
            self._config.settings,
        )

    async def serve(self) -> web.AppRunner:
        """Listen; raise CannotListen if the address is taken."""
        host, _, port = self._config.listen.rpartition(":")
        faces = app(self.face(), routes(self._config.node, self.signals))
        runner = web.AppRunner(faces, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, host.strip("[]") or "127.0.0.1", int(port))
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise ready.CannotListen(self._config.listen, error) from error
        self._address = self._config.advertise or advertised(host, runner.addresses[0][1])
        log.info("node %s serves its readings at %s", self._config.node, self._address)
        return runner


def advertised(host: str, port: int) -> str:
    """Return the URL of a listener that was not told under which name others reach it."""
    shown = socket.gethostname() if host in {"0.0.0.0", "::", "[::]"} else host or "127.0.0.1"  # noqa: S104 - compared, not bound
    return f"http://{shown}:{port}"


async def run(config: Config, end: socket.socket, clock: Clock) -> None:
    """Serve until stopped, then write the device process's last word."""
    stop = _stop()
    channel = Channel(end)
    pauses = Pauses(Path(config.runtime), config.node)
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        source = await stack.enter_async_context(opened(config, clock, pauses))
        orders = source.orders
        upgrades = source.upgrades
        asked = (lambda: "") if upgrades is None else upgrades.upgrading
        network = Network(config, clock, channel, orders, pauses, asked)
        runner = await network.serve()
        stack.push_async_callback(runner.cleanup)
        if config.ready_socket:
            await stack.enter_async_context(ready.serve(Path(config.ready_socket), network.waiting))
        settings = config.settings
        gateways = Gateways(config.gateways, config.gateway_service, clock, settings=settings)
        reporter = Reporter(orders, clock, network.status, settings)
        work = [
            orders.follow(),
            gateways.follow(),
            network.signals.follow(),
            bring(orders, channel, clock, settings),
            Polling(config.node, orders, gateways, channel, clock, settings).run(http),
            reporter.run(),
        ]
        if upgrades is not None:
            work.append(upgrades.follow())
        if config.pod_resources:
            from wattline_agent.kubelet import Kubelet  # noqa: PLC0415 - a box does without HTTP/2

            kinds = Kinds(config.resources, config.drivers)
            network.kubelet = Kubelet(
                Path(config.pod_resources), kinds, clock, network.known, source.slices, settings
            )
            work.append(network.kubelet.follow())
        asyncio.get_running_loop().add_reader(end, network.listen)
        try:
            await _until(stop, work, config.supervisor)
        finally:
            network.listen()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(settings.last_word_wall_seconds):
                    await reporter.write()


def _stop() -> asyncio.Event:
    """Return what is set when the supervisor says so; what reaches the whole group is for the device process."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(GIVE_UP, stop.set)
    for name in (signal.SIGTERM, signal.SIGINT):  # it still tells how the device process ends
        loop.add_signal_handler(name, lambda: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    return stop


async def _until(stop: asyncio.Event, work: list[Coroutine[Any, Any, None]], parent: int) -> None:
    """Work until stopped, orphaned, or one of the tasks fails; raise what it failed with."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        while not stop.is_set() and os.getppid() == parent:
            for task in tasks:
                if task.done():
                    task.result()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.5)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main() -> int:
    """Run until stopped; the result says whether another try helps."""
    log_to_stderr()
    config = Config.loads(sys.argv[1])
    try:
        asyncio.run(run(config, socket.socket(fileno=int(sys.argv[2])), BootClock(config.speed)))
    except (ready.CannotListen, ClusterError) as error:
        log.warning("%s", error)
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())

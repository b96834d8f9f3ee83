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
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import ValidationError

from wattline.api.base import Metadata
from wattline.api.powernode import PowerNode
from wattline.doors import engine as engines
from wattline.doors import state as files
from wattline.doors.clock import BootClock, Clock
from wattline.model.errors import BackendError, ClusterError
from wattline.model.state import Lease
from wattline.model.wire import GpusView, ReplicasView
from wattline_agent.channel import Channel
from wattline_agent.config import EXIT_REFUSED, GIVE_UP, STOPPING, Config, log_to_stderr
from wattline_agent.loads import Heard
from wattline_agent.messages import LeaseSeen, OrderSeen, View
from wattline_agent.metrics import AgentCollector
from wattline_agent.status import STALE_SECONDS, Due, StatusFile, status

log = logging.getLogger("wattline-node-agent")

WATCH_SECONDS = 0.2
POLL_SECONDS = 1.0
ANSWER_SECONDS = 0.25
"""What has answered by then is told at once, the rest a second later."""
HANG_SECONDS = 5.0
"""Wall time after which a gateway that took the connection is given up."""

Ask = Callable[[aiohttp.ClientSession, str], Coroutine[Any, Any, None]]


class Network:
    """State of the network process."""

    def __init__(self, config: Config, clock: Clock, channel: Channel) -> None:
        self.config = config
        self.clock = clock
        self.channel = channel
        self.heard = Heard()
        self.order: OrderSeen | None = None
        self.view: View | None = None
        self.address = ""
        self.complaint = ""
        """What is wrong with the order's file; said once."""

    # -- in ----------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Tell the device process of the order and its lease, whenever they change and once a second."""
        folder = Path(self.config.state)
        path = folder / "powernodes" / f"{self.config.node}.yaml"
        mark: object = ()
        told_at = float("-inf")
        while True:
            now = self.clock.now()
            seen = _mark(path)
            if seen != mark:
                self._read_order(path)
                mark = seen
                told_at = float("-inf")
            if self.order is not None and now - told_at >= POLL_SECONDS:
                self.channel.send(self.order.model_dump_json(by_alias=True))
                self._tell_lease(folder)
                told_at = now
            await self.clock.sleep_until(now + WATCH_SECONDS)

    def _read_order(self, path: Path) -> None:
        try:
            found = files.read(path, PowerNode)
        except ClusterError as error:
            self._complain(str(error))
            return
        if found is None:
            self.order = OrderSeen()
        else:
            meta = found.metadata
            self.order = OrderSeen(uid=meta.uid, generation=meta.generation, spec=found.spec)

    def _tell_lease(self, folder: Path) -> None:
        if self.order is None or self.order.spec is None:
            return
        name = self.order.spec.lease.name
        try:
            lease = files.read(folder / "leases" / f"{name}.yaml", Lease)
        except ClusterError as error:
            self._complain(str(error))
            return
        if lease is not None:
            seen = LeaseSeen(name=name, renewals=lease.renewals, epoch=lease.epoch)
            self.channel.send(seen.model_dump_json(by_alias=True))

    def _complain(self, what: str) -> None:
        if what != self.complaint:
            self.complaint = what
            log.warning("%s; the last order stays", what)

    async def poll(self, http: aiohttp.ClientSession) -> None:
        """Ask gateways and engines once a second and tell the device process what is known.

        Who has not answered is not asked again meanwhile, so that one that hangs makes only itself unknown.
        """
        due = self.clock.now()
        asking: dict[tuple[Ask, str], asyncio.Task[None]] = {}
        try:
            while True:
                replicas = () if self.order is None or self.order.spec is None else self.order.spec.replicas
                asking = {key: task for key, task in asking.items() if not task.done()}
                wanted = {(self._ask_gateway, url) for url in self.config.gateways}
                wanted |= {(self._ask_engine, order.url) for order in replicas}
                for ask, url in wanted - asking.keys():
                    asking[ask, url] = asyncio.create_task(ask(http, url))
                await self.clock.sleep_until(self.clock.now() + ANSWER_SECONDS)
                if replicas:
                    loads = self.heard.loads(replicas, self.config.gateways, self.clock.now())
                    self.channel.send(loads.model_dump_json(by_alias=True))
                due = max(due + POLL_SECONDS, self.clock.now())
                await self.clock.sleep_until(due)
        finally:
            for task in asking.values():
                task.cancel()

    async def _ask_gateway(self, http: aiohttp.ClientSession, url: str) -> None:
        timeout = aiohttp.ClientTimeout(total=HANG_SECONDS)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValidationError, UnicodeDecodeError):
            async with http.get(
                f"{url}/v1/replicas", params={"node": self.config.node}, timeout=timeout
            ) as answer:
                if answer.status == 200:
                    view = ReplicasView.model_validate_json(await answer.text())
                    self.heard.gateway(url, view.replicas, self.clock.now())

    async def _ask_engine(self, http: aiohttp.ClientSession, url: str) -> None:
        with contextlib.suppress(BackendError):
            self.heard.engine(url, await engines.read(http, url), self.clock.now())

    # -- out ---------------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Take in views as they come; the last one counts."""
        for text in self.channel.receive():
            with contextlib.suppress(ValidationError):
                self.view = View.model_validate_json(text)

    async def report(self) -> None:
        """Write the status when it is due."""
        due = Due()
        while True:
            now = self.clock.now()
            if self.view is not None:
                fresh = status(self.view, self.address, now)
                if due.now(fresh, now) and self.write_status(now):
                    due.wrote(fresh, now)
            await self.clock.sleep_until(now + WATCH_SECONDS)

    def write_status(self, now: float) -> bool:
        """Replace the status file; say False, and complain once, if that is not possible."""
        if self.view is None:
            return False
        path = Path(self.config.state) / "powernodes" / f"{self.config.node}.status.yaml"
        thing = StatusFile(
            metadata=Metadata(name=self.config.node), status=status(self.view, self.address, now)
        )
        try:
            files.write(path, thing)
        except ClusterError as error:
            self._complain(str(error))
            return False
        return True

    def app(self) -> web.Application:
        """Return the HTTP face."""
        registry = CollectorRegistry()
        registry.register(AgentCollector(self.config.node, lambda: self.view, self.clock.now))

        async def gpus(_: web.Request) -> web.Response:
            view = self.view
            if view is None or self.clock.now() - view.at_seconds > STALE_SECONDS:
                return web.json_response(
                    {"error": {"message": "no fresh reading of the devices"}}, status=503
                )
            answer = GpusView(
                node=self.config.node,
                boot_id=view.boot_id,
                at_seconds=view.at_seconds,
                gpus=tuple(gpu.sample for gpu in view.gpus if gpu.sample is not None),
            )
            return web.Response(text=answer.model_dump_json(by_alias=True), content_type="application/json")

        async def metrics(_: web.Request) -> web.Response:
            return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

        async def healthz(_: web.Request) -> web.Response:
            # a blocked driver call is not cured by a restart, so this says only that the process serves
            view = self.view
            state = "starting" if view is None else status(view, self.address, self.clock.now()).state
            return web.json_response({"state": state, "reason": "" if view is None else view.reason})

        app = web.Application()
        app.add_routes(
            [web.get("/v1/gpus", gpus), web.get("/metrics", metrics), web.get("/healthz", healthz)]
        )
        return app

    async def serve(self) -> web.AppRunner:
        """Listen; raise OSError if the address is taken."""
        host, _, port = self.config.listen.rpartition(":")
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, host or "127.0.0.1", int(port))
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        bound = runner.addresses[0]
        shown = socket.gethostname() if host in {"0.0.0.0", "::", "[::]"} else host or "127.0.0.1"  # noqa: S104
        self.address = f"http://{shown}:{bound[1]}"
        log.info("node %s serves its readings at %s", self.config.node, self.address)
        return runner


async def run(config: Config, end: socket.socket, clock: Clock) -> None:
    """Serve until stopped, then write the device process's last word."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(GIVE_UP, stop.set)
    for name in (signal.SIGTERM, signal.SIGINT):  # it still tells how the device process ends
        loop.add_signal_handler(name, lambda: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    network = Network(config, clock, Channel(end))
    runner = await network.serve()
    loop.add_reader(end, network.listen)
    parent = os.getppid()
    async with aiohttp.ClientSession() as http:
        tasks = [
            asyncio.create_task(each) for each in (network.watch(), network.poll(http), network.report())
        ]
        try:
            while not stop.is_set() and os.getppid() == parent and not any(task.done() for task in tasks):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.5)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            network.listen()
            network.write_status(clock.now())
            await runner.cleanup()


def _mark(path: Path) -> object:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def main() -> int:
    """Run until stopped; the result says whether another try helps."""
    log_to_stderr()
    config = Config.loads(sys.argv[1])
    try:
        asyncio.run(run(config, socket.socket(fileno=int(sys.argv[2])), BootClock(config.speed)))
    except OSError as error:
        log.warning("cannot listen on %s: %s", config.listen, error.strerror or error)
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())

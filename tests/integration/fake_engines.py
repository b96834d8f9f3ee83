"""Fake engines inside a test: a world without a driver, served on a free port."""

import asyncio
import contextlib

from aiohttp import web

from wattline.doors.clock import BootClock
from wattline.fake.host import EngineHost
from wattline.fake.node import NodeWorld
from wattline.fake.prefix import Prefixes
from wattline.fake.serve import EngineServer
from wattline.world.engine import ENGINES, Engine
from wattline.world.gpu import PRODUCTS, Gpu

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"


class NoDriver:
    def pull(self):
        pass

    def publish(self):
        pass


class NoRecord:
    def write(self, second):
        pass


@contextlib.asynccontextmanager
async def served(*, gpus=1, speed=20, middleware=None):
    """Yield an engine's host and its address; ``middleware`` may answer instead of it."""
    clock = BootClock(speed)
    group = [Gpu(PRODUCTS["h100"], f"GPU-{i}", at_seconds=clock.now()) for i in range(gpus)]
    engine = Engine(ENGINES[MODEL, "h100", gpus], group, at_seconds=clock.now())
    host = EngineHost("e", MODEL, engine, Prefixes())
    world = NodeWorld(group, [host], NoDriver(), clock, NoRecord(), tick_seconds=0.02 * speed)
    app = EngineServer(host, world).app()
    if middleware is not None:
        app.middlewares.append(middleware)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    moving = asyncio.create_task(world.run())
    try:
        yield host, "http://{}:{}".format(*runner.addresses[0][:2])
    finally:
        moving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await moving
        await runner.cleanup()

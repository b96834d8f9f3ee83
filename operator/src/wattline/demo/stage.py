"""One pass of the demo: all parts started as a user would, agents let loose, everything measured and stopped."""

import asyncio
import math
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
from pydantic import ValidationError

from wattline.api.powerdomain import Mode, PowerDomain
from wattline.api.powernode import PowerNode
from wattline.demo import device, fleet
from wattline.demo.commands import Commands
from wattline.demo.processes import Part, PartFailedError, Parts
from wattline.demo.result import PassResult, Resident, merged, recomputed
from wattline.demo.runs import Load
from wattline.doors import state
from wattline.doors.clock import BootClock
from wattline.fake.agents import Replay
from wattline.fake.nvml.library import MAPPING_VARIABLE
from wattline.fake.record import RecordReader, Second
from wattline.model.errors import ClusterError
from wattline.model.fleet import Fleet
from wattline.model.state import NodeAnswer
from wattline.model.wire import ReplicasView

WATCH_WALL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Setting:
    """What all passes have in common."""

    folder: Path
    """Everything the demo writes, gone afterwards."""
    fleet: Fleet
    library: Path
    """Folder of the fake driver library."""
    product: str
    speed: float
    seed: int
    longest_seconds: float
    """World time after which a pass ends with whatever is unfinished."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Nodes of the fleet."""
        return self.fleet.nodes()

    @property
    def model(self) -> str:
        """Model that the agents ask for."""
        return self.fleet.pools[0].spec.model


@dataclass(frozen=True, slots=True)
class Plan:
    """How one pass runs the fleet."""

    name: str
    routing: str
    admission: str
    mode: Mode = Mode.OBSERVE
    budget_watts: float | None = None
    uniform_watts: float | None = None


class Stage:
    """The running parts of one pass, and what has been seen of it so far."""

    def __init__(self, plan: Plan, setting: Setting, load: Load) -> None:
        self.plan = plan
        self.result = PassResult(plan.name, runs_offered=len(load.arrivals), uniform_watts=plan.uniform_watts)
        self.begin_seconds = math.inf
        self._setting = setting
        self._load = load
        self._clock = BootClock(setting.speed)
        self._state = Path(tempfile.mkdtemp(prefix=f"{plan.name.replace(' ', '-')}-", dir=setting.folder))
        self._commands = Commands(
            self._state / "manifests", self._state, setting.speed, fleet.free_ports(1)[0]
        )
        self._readers = {
            node: RecordReader(self._state / "fake" / f"{node}.record") for node in setting.nodes
        }
        self._seconds: dict[str, dict[int, Second]] = {node: {} for node in setting.nodes}

    @property
    def speed(self) -> float:
        """World seconds to a second."""
        return self._setting.speed

    @property
    def passed_seconds(self) -> float:
        """World time since the agents were let loose."""
        return max(0.0, self._clock.now() - self.begin_seconds)

    async def play(self, watch: Callable[["Stage"], None]) -> PassResult:
        """Run the pass; ``watch`` is called several times a second."""
        async with (
            self._parts() as parts,
            aiohttp.ClientSession(timeout=_GUARD, connector=_connector()) as http,
        ):
            await self._start(parts, http)
            replay = Replay(self._commands.gateway_url, self._setting.model, self._clock, http)
            self.result.outcomes = replay.outcomes
            self.begin_seconds = math.ceil(self._clock.now())
            playing = asyncio.create_task(
                replay.play(self._load.arrivals, until_seconds=self._setting.longest_seconds)
            )
            try:
                while not playing.done():
                    await asyncio.wait([playing], timeout=WATCH_WALL_SECONDS)
                    parts.check()
                    await self._look(http)
                    watch(self)
                playing.result()
                ended_seconds = self._clock.now()
            finally:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)
        self.result.highest_bound_watts = device.highest_bound_watts(
            self._mappings(), self.begin_seconds, ended_seconds, self._clock.speed
        )
        runs = {arrival.run.id: arrival.run for arrival in self._load.arrivals}
        again, self.result.prefilled_tokens = recomputed(self.result.outcomes, runs)
        self.result.recomputed_ratio = again / max(1, self.result.prefilled_tokens)
        return self.result

    @asynccontextmanager
    async def _parts(self) -> AsyncIterator[Parts]:
        """Hold the processes; on every way out the agents put the devices back before the nodes go."""
        logs = self._state / "logs"
        logs.mkdir(parents=True)
        world = Parts(logs, {})
        product = Parts(logs, {})
        ordered = fleet.ordered(fleet.moved(self._setting.fleet), self.plan.mode, self.plan.budget_watts)
        fleet.write(ordered, self._commands.manifests)
        try:
            await self._start_nodes(world)
            if self.plan.uniform_watts is not None:
                await self._limit_all(self.plan.uniform_watts)
            yield product
        finally:
            try:
                await product.stop()
                changed = device.changed(self._mappings(), self.plan.uniform_watts)
                if changed:
                    raise PartFailedError("\n".join(["the node agents left devices changed:", *changed]))
            finally:
                await world.stop()

    async def _start_nodes(self, world: Parts) -> None:
        setting = self._setting
        nodes = {
            node: await world.start(
                f"fake-node-{node}", self._commands.fake_node(node, setting.product, setting.seed)
            )
            for node in setting.nodes
        }
        for node, part in nodes.items():
            await part.ready(partial(self._has_record, node), "its first second")

    async def _start(self, parts: Parts, http: aiohttp.ClientSession) -> None:
        commands = self._commands
        gateway = await parts.start("gateway", commands.gateway(self.plan.routing, self.plan.admission))
        up = await parts.start("up", commands.up())
        agents = {
            node: await parts.start(f"node-agent-{node}", commands.node_agent(node), **self._driver(node))
            for node in self._setting.nodes
        }
        await gateway.ready(partial(_answers, http, f"{commands.gateway_url}/healthz"), "/healthz")
        for node, agent in agents.items():
            await agent.ready(partial(self._agent_is_there, node), "its first status")
        await up.ready(self._domain_is_settled, "a settled power domain")

    async def _limit_all(self, watts: float) -> None:
        for node in self._setting.nodes:
            name = f"administrator-{node}"
            log = self._state / "logs" / f"{name}.log"
            part = await Part.start(name, self._commands.administrator(watts), log, self._driver(node))
            if await part.ended() != 0:
                raise PartFailedError(f"the static limit of {node} could not be set\n{part.last_lines()}")

    def _driver(self, node: str) -> dict[str, str]:
        return {
            "LD_LIBRARY_PATH": str(self._setting.library),
            MAPPING_VARIABLE: str(self._mapping(node)),
            "WATTLINE_RUNTIME_DIR": str(self._state / "run"),  # a second demo has GPUs of the same names
        }

    def _mapping(self, node: str) -> Path:
        return self._state / "fake" / f"{node}.gpus"

    def _mappings(self) -> list[Path]:
        return [self._mapping(node) for node in self._setting.nodes]

    async def _has_record(self, node: str) -> bool:
        self._read_records()
        return bool(self._seconds[node])

    async def _agent_is_there(self, node: str) -> bool:
        try:
            seen = state.read(self._state / PowerNode.plural / f"{node}.status.yaml", NodeAnswer)
        except ClusterError:
            return False
        return seen is not None and bool(seen.status.address)

    async def _domain_is_settled(self) -> bool:
        """Return whether every domain has a status and, under Enforce, holds its budget."""
        for domain in self._setting.fleet.domains:
            path = self._state / PowerDomain.plural / f"{domain.metadata.name}.status.yaml"
            try:
                seen = state.read(path, PowerDomain)
            except ClusterError:
                return False
            if seen is None or seen.status is None:
                return False
            enforced = {condition.type: condition.status for condition in seen.status.conditions}.get(
                "Enforced"
            )
            if self.plan.mode is Mode.ENFORCE and enforced != "True":
                return False
        return True

    async def _look(self, http: aiohttp.ClientSession) -> None:
        self._read_records()
        self.result.seconds = merged(list(self._seconds.values()), self.begin_seconds)
        shares: list[float] = []
        held = 0
        for node in self._setting.nodes:
            seen = {
                each.name: each for each in (await _replicas(http, self._commands.gateway_url, node)).replicas
            }
            there = [seen[one.name] for _, one in self._setting.fleet.endpoints_on(node) if one.name in seen]
            shares += [each.resident_tokens / (each.capacity_tokens or math.inf) for each in there]
            held += sum(each.waiting for each in there)
        if shares:
            self.result.resident.append(Resident(self.passed_seconds, tuple(shares), held))

    def _read_records(self) -> None:
        for node, reader in self._readers.items():
            self._seconds[node].update((second.at_seconds, second) for second in reader.news())


_GUARD = aiohttp.ClientTimeout(total=None, sock_connect=10.0)


def _connector() -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit=0)


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def _replicas(http: aiohttp.ClientSession, gateway: str, node: str) -> ReplicasView:
    try:
        async with http.get(f"{gateway}/v1/replicas", params={"node": node}) as response:
            return ReplicasView.model_validate_json(await response.read())
    except (aiohttp.ClientError, ValidationError):
        return ReplicasView(replicas=())

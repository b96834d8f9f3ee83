"""Engines that come and go on a node, as their pods do."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from wattline.fake.build import physics_of
from wattline.fake.host import EngineHost
from wattline.fake.prefix import Prefixes
from wattline.world.engine import Engine
from wattline.world.gpu import Gpu
from wattline.world.loading import loading_seconds


class EngineRefusedError(Exception):
    """An engine cannot start; ``status`` is HTTP's word for why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Machine(Protocol):
    """The world that engines run in."""

    def catch_up(self) -> float:
        """Move everything to the present and return it."""

    def add(self, host: EngineHost) -> None:
        """Take in an engine."""

    def remove(self, host: EngineHost) -> None:
        """Let go of an engine; its GPUs are idle from now on."""


class Engines:
    """Starts engines on the node's free GPUs and ends them."""

    def __init__(self, machine: Machine, gpus: Sequence[Gpu]) -> None:
        self._machine = machine
        self._gpus = {gpu.uuid: gpu for gpu in gpus}
        self._running: dict[str, EngineHost] = {}

    @property
    def running(self) -> Mapping[str, EngineHost]:
        """The engines by name."""
        return MappingProxyType(self._running)

    def owner(self, uuid: str) -> str | None:
        """Return the engine that uses a GPU."""
        using = (
            name for name, host in self._running.items() if any(g.uuid == uuid for g in host.engine.gpus)
        )
        return next(using, None)

    def start(
        self, name: str, model: str, uuids: Sequence[str], *, loading: float | None = None
    ) -> EngineHost:
        """Start an engine, which loads for ``loading`` seconds (by default as long as its weights need); or raise."""
        if name in self._running:
            raise EngineRefusedError(409, f"engine {name} runs already")
        unknown = [uuid for uuid in uuids if uuid not in self._gpus]
        if unknown or len(set(uuids)) != len(uuids):
            here = ", ".join(self._gpus)
            raise EngineRefusedError(
                404, f"no such GPUs here: {', '.join(unknown or uuids)}; there are: {here}"
            )
        for uuid in uuids:
            owner = self.owner(uuid)
            if owner is not None:
                raise EngineRefusedError(409, f"GPU {uuid} is in use by engine {owner}")
        at_seconds = self._machine.catch_up()
        group = [self._gpus[uuid] for uuid in uuids]
        physics = physics_of(model, group[0].product.name if group else "", len(group))
        if physics is None:
            raise EngineRefusedError(422, f"no model of {model} on {len(group)} of these GPUs")
        engine = Engine(
            physics,
            group,
            at_seconds=at_seconds,
            loading_seconds=loading_seconds(physics) if loading is None else loading,
        )
        host = EngineHost(name, model, engine, Prefixes())
        self._running[name] = host
        self._machine.add(host)
        return host

    def end(self, name: str) -> None:
        """End an engine with all it was doing."""
        host = self._running.pop(name, None)
        if host is not None:
            self._machine.catch_up()
            self._machine.remove(host)

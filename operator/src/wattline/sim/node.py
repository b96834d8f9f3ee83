"""A node's agent in the simulator: the product's one-second step of a node, on GPUs that answer at once."""

from collections.abc import Mapping
from math import fsum

from wattline.api.powernode import GpuOrder, LeaseRef, PowerNodeSpec, ReplicaOrder
from wattline.loops import node as loop
from wattline.loops.moves import Standing, higher, lower
from wattline.model.bounds import bound_watts
from wattline.model.gpu import GpuIdentity, GpuReading
from wattline.sim.gateway import Gateway
from wattline.sim.replica import Replica
from wattline.sim.sensors import EXACT, Sensors, View
from wattline.world.gpu import Gpu


class Node:
    """Clocks and limits of one node's GPUs, second by second."""

    def __init__(
        self,
        name: str,
        gpus: Mapping[str, Gpu],
        orders: tuple[GpuOrder, ...],
        replicas: Mapping[tuple[str, str], tuple[ReplicaOrder, Replica, Gateway | None]],
        *,
        moves_clocks: bool,
        moves_limits: bool,
        sensors: Sensors = EXACT,
    ) -> None:
        self.name = name
        self.gpus = gpus
        self.demand_watts = 0.0
        self._identities = {uuid: identity(gpu) for uuid, gpu in gpus.items()}
        self.budget_watts = self.most_watts
        """Most that its GPUs may draw together."""
        self._replicas = replicas
        self._moves_clocks = moves_clocks
        self._moves_limits = moves_limits
        self._spec = PowerNodeSpec(
            lease=LeaseRef(name="simulated"),
            enforce=True,
            budget_watts=self.budget_watts,
            highest_sent_watts=self.budget_watts,
            failsafe_watts=self.budget_watts,
            gpus=orders,
            replicas=tuple(order for order, _, _ in replicas.values()),
        )
        self._state = loop.NodeState()
        self._view = View(sensors)

    @property
    def least_watts(self) -> float:
        """Return what its GPUs may draw under their least limits."""
        return fsum(bound_watts(i.product, i.min_watts, i.max_watts) for i in self._identities.values())

    @property
    def most_watts(self) -> float:
        """Return what its GPUs may draw under their greatest limits."""
        return fsum(bound_watts(i.product, i.max_watts, i.max_watts) for i in self._identities.values())

    def tick(self, now: float) -> None:
        """Look, decide and set, as the agent does each second."""
        for _, replica, _ in self._replicas.values():
            replica.catch_up()
        decision = loop.decide(
            self._spec,
            self._state,
            loop.NodeSeen(
                at_seconds=now,
                budget_watts=self.budget_watts,
                gpus={
                    uuid: loop.GpuSeen(self._identities[uuid], self._view.gpu(uuid, reading(gpu, now)))
                    for uuid, gpu in self.gpus.items()
                },
                replicas={
                    key: self._view.replica(key, _seen(replica, gateway))
                    for key, (_, replica, gateway) in self._replicas.items()
                },
            ),
        )
        self._state = decision.state
        self.demand_watts = decision.demand_watts
        if self._moves_limits:
            self._limit({uuid: target.limit_watts for uuid, target in decision.targets.items()})
        if self._moves_clocks:
            for uuid, target in decision.targets.items():
                set_clock(self.gpus[uuid], target.clock_mhz)
        for _, replica, _ in self._replicas.values():
            replica.changed()

    def _limit(self, wanted: Mapping[str, float]) -> None:
        for move in (lower, higher):
            standing = {
                uuid: Standing(self._identities[uuid], gpu.limit_watts) for uuid, gpu in self.gpus.items()
            }
            for uuid, watts in move(standing, wanted, self.budget_watts).items():
                self.gpus[uuid].set_limit(watts)


def identity(gpu: Gpu) -> GpuIdentity:
    """Return what a driver says a GPU is."""
    product = gpu.product
    return GpuIdentity(
        gpu.uuid,
        product.device_name,
        product.min_watts,
        product.max_watts,
        product.max_watts,
        tuple(mhz for mhz in product.clocks_mhz if mhz <= product.lock_ceiling_mhz),
    )


def reading(gpu: Gpu, now: float) -> GpuReading:
    """Return what a driver reads now."""
    return GpuReading(
        at_seconds=now,
        watts=gpu.watts,
        instant_watts=gpu.instant_watts,
        energy_joules=gpu.energy_joules,
        limit_watts=gpu.limit_watts,
        clock_mhz=gpu.clock_mhz,
        celsius=gpu.celsius,
        margin_celsius=gpu.margin_celsius,
        reasons=gpu.reasons,
        persistence=True,
        asked_watts=gpu.limit_watts,
    )


def set_clock(gpu: Gpu, clock_mhz: int | None) -> None:
    """Lock a GPU's clock, or give it back to the driver, where that changes anything."""
    lock = None if clock_mhz is None else (clock_mhz, clock_mhz)
    if gpu.locked_mhz == lock:
        return
    if lock is None:
        gpu.reset_clocks()
    else:
        gpu.lock_clocks(*lock)


def _seen(replica: Replica, gateway: Gateway | None) -> loop.ReplicaSeen:
    """Return what the gateway and the engine say of a replica; an engine without work holds nothing."""
    engine = replica.engine
    if gateway is None or replica.key not in gateway.replicas or replica.key in gateway.away:
        return loop.ReplicaSeen(resident_tokens=0, capacity_tokens=engine.capacity_tokens)
    return loop.ReplicaSeen(
        resident_tokens=gateway.desk.resident_tokens(replica.key),
        capacity_tokens=engine.capacity_tokens,
        slowest_agent_tokens_per_second=gateway.slowest(replica.key),
        running=gateway.desk.running(replica.key),
        waiting=gateway.desk.waiting(replica.key),
        prompt_tokens_total=engine.prompt_tokens,
        cached_tokens_total=engine.cached_tokens,
        generation_tokens_total=engine.generation_tokens,
    )

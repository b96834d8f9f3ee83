"""What a node's agent is told of a pool's engine; the reconcile loop and the simulator tell the same."""

from wattline.api.inferencepool import Endpoint, InferencePool
from wattline.api.powernode import GpuOrder, ReplicaOrder
from wattline.model.fleet import full_name


def gpu_order(pool: InferencePool, endpoint: Endpoint, uuid: str) -> GpuOrder:
    """Return the bounds of a pool's GPU."""
    power = pool.spec.power
    return GpuOrder(
        uuid=uuid,
        group=f"{full_name(pool)}/{endpoint.name}",
        power_class=pool.spec.power_class,
        watts_min=power.watts_per_gpu.min,
        watts_max=power.watts_per_gpu.max,
        clock_mhz_min=power.clock_mhz.min,
        clock_mhz_max=power.clock_mhz.max,
    )


def replica_order(pool: InferencePool, endpoint: Endpoint) -> ReplicaOrder:
    """Return what an agent is told of a replica."""
    return ReplicaOrder(
        pool=full_name(pool),
        name=endpoint.name,
        url=endpoint.url,
        gpus=endpoint.gpus,
        tokens_per_second_per_agent_p5=pool.spec.objective.tokens_per_second_per_agent_p5,
        memory=pool.spec.memory,
    )

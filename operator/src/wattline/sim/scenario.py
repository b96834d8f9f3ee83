"""One question to the simulator: a fleet, its arrivals, and which of its policies are on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from wattline.api.inferencepool import InferencePool
from wattline.model.fleet import Fleet, full_name
from wattline.model.runs import Arrivals
from wattline.policy.route import Mode
from wattline.sim.air import Inlet
from wattline.sim.changes import Change
from wattline.sim.migration import Migration
from wattline.sim.rungs import Rung
from wattline.sim.sensors import EXACT, Sensors
from wattline.sim.steer import Steer
from wattline.world.curve import PERSEUS, PowerShape
from wattline.world.engine import ENGINES, EnginePhysics

Cap = Literal["none", "uniform", "wattline"]


class ScenarioError(ValueError):
    """The question cannot be asked so; the message says how it could."""


@dataclass(frozen=True, slots=True)
class Served:
    """A pool and the runs it gets."""

    pool: str
    """Full name."""
    arrivals: Arrivals
    """In a list, in any order; what makes them as they are asked for has them in that of time."""
    rung: Rung | None = None
    """What its agents get in place of the pool's own model."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet under given policies."""

    fleet: Fleet
    pool: str = ""
    """Full name of the pool that gets the runs, where it is only one; see ``served``."""
    arrivals: Arrivals = ()
    """Its runs."""
    hours: float = 3.0
    """Arrivals end here; the simulation goes on until all runs have ended."""
    product: str = "h100"
    routing: Mode = Mode.WATTLINE
    admission: bool = True
    clock: int | str | None = "wattline"
    """"wattline", a constant clock in MHz, or none for full speed."""
    cap: Cap = "none"
    shape: PowerShape = PERSEUS
    seed: int = 0
    drain_hours: float = 48.0
    """Runs that have not ended so long after the last arrival never will."""
    warm_up_hours: float = 0.0
    """What happens before counts for nothing: joules, turns, rates and runs are reported from then on."""
    skip_unchanged: bool = True
    """Decide nothing anew whose inputs are the same as last time: the results are the same, to the last bit."""
    watch_watts: bool = False
    """Look at the fleet's draw each second even where no policy needs it."""
    series_seconds: float | None = None
    """Record what is so at this distance, a multiple of 5 s; nothing is recorded where unset."""
    gpus_per_node: int = 8
    """GPUs of a node that pods are placed on, where no manifest lists them."""
    engines: Mapping[tuple[str, str, int], EnginePhysics] | None = None
    """Engine models by model, product and number of GPUs; when unset those that the world and the fleet's ModelProfiles
    know."""
    sensors: Sensors = EXACT
    """How coarse and late the nodes' policies see; `sim.sensors.REAL` is what machines and networks do."""
    changes: tuple[Change, ...] = ()
    """What happens to replicas, budgets and inlet air, each at its time, before arrivals end."""
    migration: Migration | None = None
    """How a session's KV memory follows it to another replica; computed again there when unset."""
    inlet: Callable[[], Inlet] | None = None
    """Makes the facility that says each node's inlet temperature (`sim.air`); 25 °C everywhere when unset."""
    steer: Callable[[], Steer] | None = None
    """Makes the policy that starts, stops and puts replicas to sleep (`sim.steer`); nothing does when unset."""
    steer_seconds: float = 15.0
    """How often that policy looks."""
    served: tuple[Served, ...] = ()
    """Pools that get runs at the same time, beside ``pool``; pools that are not named stand idle."""

    def all_served(self) -> tuple[Served, ...]:
        """Return every pool that gets runs, with its runs; raise `ScenarioError` where that cannot be."""
        everybody = (*((Served(self.pool, self.arrivals),) if self.pool else ()), *self.served)
        names = [each.pool for each in everybody]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ScenarioError(
                f"InferencePool {twice[0]} is served twice; give all of its arrivals in one place"
            )
        if not everybody:
            raise ScenarioError("no InferencePool gets runs; name one, or several in `served`")
        return everybody


def on_rungs(scenario: Scenario) -> Fleet:
    """Return the fleet with the models that its pools' rungs serve."""
    models = {each.pool: each.rung.model for each in scenario.all_served() if each.rung and each.rung.model}
    pools = tuple(
        pool.model_copy(
            update={
                "spec": pool.spec.model_copy(update={"model": models.get(full_name(pool), pool.spec.model)})
            }
        )
        if full_name(pool) in models
        else pool
        for pool in scenario.fleet.pools
    )
    return replace(scenario.fleet, pools=pools) if models else scenario.fleet


def physics_of(
    pool: InferencePool, product: str, engines: Mapping[tuple[str, str, int], EnginePhysics] = ENGINES
) -> list[EnginePhysics]:
    """Return the engine model of each endpoint of a pool; raise `ScenarioError` where there is none that fits."""
    out = []
    for endpoint in pool.spec.endpoints:
        known = engines.get((pool.spec.model, product, len(endpoint.gpus)))
        where = f"InferencePool {full_name(pool)}, endpoint {endpoint.name}"
        if known is None:
            names = "; ".join(f"{model} on {gpus} {name}" for model, name, gpus in engines)
            raise ScenarioError(
                f"no engine model of {pool.spec.model} on {len(endpoint.gpus)} {product} "
                f"({where}); there is: {names}"
            )
        if known.capacity_tokens <= 0:
            raise ScenarioError(
                f"{pool.spec.model} does not fit {len(endpoint.gpus)} {product} ({where}): its weights leave no KV "
                "memory; give a replica more GPUs, or the pool a smaller model"
            )
        out.append(known)
    return out


def chosen_pool(fleet: Fleet, name: str | None) -> InferencePool:
    """Return the pool that gets the runs: the one named, or the only one."""
    names = [full_name(pool) for pool in fleet.pools]
    if name is None and len(names) == 1:
        return fleet.pools[0]
    if name in names:
        return fleet.pools[names.index(name)]
    listed = ", ".join(names) or "none"
    asked = f"no InferencePool named {name}" if name else "which InferencePool gets the runs?"
    raise ScenarioError(f"{asked}; the manifests declare: {listed}")

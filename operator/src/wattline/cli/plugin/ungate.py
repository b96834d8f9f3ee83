"""``kubectl wattline ungate``: lets pods go that wait for Wattline to choose their nodes."""

import click

from wattline.cli.plugin.cluster import Cluster, with_cluster
from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import Conflict, Invalid, NotFound
from wattline.doors.kube.resources import INFERENCE_POOLS, PODS, Json
from wattline.model.errors import ClusterError
from wattline.model.names import PLACEMENT, POOL

TRIES = 5

MEANING = """\
The scheduler places {them} wherever GPUs are free: nobody checked that the budget there has room.
Budgets hold all the same; until their GPUs are read back under their limits, the gateway sends them nothing."""


@click.command()
@click.argument("pods", nargs=-1, metavar="[POD]...")
@click.option("--pool", help="Every pod of this InferencePool that waits.")
@click.option("--dry-run", is_flag=True, help="Say which pods it would be, and change nothing.")
@with_cluster
def ungate(cluster: Cluster, pods: tuple[str, ...], pool: str | None, dry_run: bool) -> None:
    """Lift the scheduling gate of pods by hand: the way out while the operator is away.

    Pods of an InferencePool's template wait behind the gate wattline.dev/placement until the operator has found nodes
    whose budgets have room. Lifting it skips that choice; no limit is loosened.
    """
    if bool(pods) == (pool is not None):
        raise click.UsageError("name pods, or a pool with --pool")
    done = cluster.run(lambda kube: _lift(kube, cluster.namespace, pods, pool, dry_run=dry_run))
    if not done:
        raise click.ClickException(_nothing(pods, pool, cluster.namespace))
    for name in done:
        click.echo(f"pod/{name} {'would be ungated' if dry_run else 'ungated'}")
    click.echo(MEANING.format(them="it" if len(done) == 1 else "them"), err=True)


def _nothing(pods: tuple[str, ...], pool: str | None, namespace: str) -> str:
    whose = f"pod of {pool}" if pool is not None else f"pod of {', '.join(pods)}"
    return f"no {whose} in namespace {namespace} waits behind {PLACEMENT}"


async def _lift(
    kube: Kube, namespace: str, names: tuple[str, ...], pool: str | None, *, dry_run: bool
) -> list[str]:
    """Lift the gate of every pod that has it; return their names."""
    found = await _pods(kube, namespace, names) if pool is None else await _of_pool(kube, namespace, pool)
    done = []
    for pod in found:
        name = pod["metadata"]["name"]
        if PLACEMENT in _gates(pod) and not pod["metadata"].get("deletionTimestamp"):
            if not dry_run:
                await _open(kube, namespace, name)
            done.append(name)
    return done


async def _pods(kube: Kube, namespace: str, names: tuple[str, ...]) -> list[Json]:
    found = []
    for name in names:
        try:
            found.append(await kube.get(PODS, name.removeprefix("pod/"), namespace))
        except NotFound as error:
            raise ClusterError(f"there is no pod {name} in namespace {namespace}") from error
    return found


async def _of_pool(kube: Kube, namespace: str, pool: str) -> list[Json]:
    name = pool.rpartition("/")[2]
    try:
        thing = await kube.get(INFERENCE_POOLS, name, namespace)
    except NotFound as error:
        if "could not find" in str(error):
            raise
        raise ClusterError(f"there is no InferencePool {name} in namespace {namespace}") from error
    selector = str((thing.get("status") or {}).get("selector") or f"{POOL}={name}")
    found, _ = await kube.all(PODS, namespace, labels=selector)
    return found


async def _open(kube: Kube, namespace: str, name: str) -> None:
    """Take the gate off one pod, whatever stands beside it; somebody who takes one off meanwhile is looked at again."""
    for tries_left in reversed(range(TRIES)):
        gates = _gates(await kube.get(PODS, name, namespace))
        if PLACEMENT not in gates:
            return
        place = f"/spec/schedulingGates/{gates.index(PLACEMENT)}"
        steps = [
            {"op": "test", "path": f"{place}/name", "value": PLACEMENT},
            {"op": "remove", "path": place},
        ]
        try:
            await kube.edit(PODS, name, steps, namespace)
        except (Conflict, Invalid):
            if not tries_left:
                raise
        else:
            return


def _gates(pod: Json) -> list[str]:
    return [gate["name"] for gate in pod["spec"].get("schedulingGates") or ()]

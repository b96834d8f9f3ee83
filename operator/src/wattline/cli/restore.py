"""``wattline restore``: put every GPU back to what it was before Wattline."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import click

from wattline.cli.options import speed_option, state_option
from wattline.controller.restore import restore as put_back
from wattline.controller.restore_box import BoxOrders
from wattline.doors import state as folder
from wattline.doors.clock import BootClock, utc, utc_micros
from wattline.model.errors import WattlineError
from wattline.model.names import LEADER


class Seconds(click.ParamType[float]):
    """A number of seconds, with or without an s behind it."""

    name = "seconds"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        if isinstance(value, float):
            return value
        try:
            return float(str(value).removesuffix("s"))
        except ValueError:
            self.fail(f"{value!r} is not a number of seconds, e.g. 120s", param, ctx)


@click.command()
@state_option
@speed_option
@click.option("--cluster", is_flag=True, help="The cluster this runs in, instead of a state folder.")
@click.option(
    "--all", "everything", is_flag=True, help="Every node; said with --cluster, where there are many."
)
@click.option(
    "--namespace",
    envvar="WATTLINE_NAMESPACE",
    default="wattline-system",
    show_default=True,
    help="Where the operator lives (WATTLINE_NAMESPACE).",
)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=Seconds(),
    default=120.0,
    show_default="120s",
    help="World seconds to wait for the nodes' answers.",
)
def restore(
    state: Path, speed: float, cluster: bool, everything: bool, namespace: str, timeout_seconds: float
) -> None:
    """Put every GPU back to its limits and clocks before Wattline, and name the nodes that did not answer.

    On a box, stop `wattline up` first. In a cluster the operator is made to stand back for an hour, or until its
    lease is deleted. Exits with 1 if a node did not answer; its agent still does it when it comes back.
    """
    if cluster and not everything:
        raise click.UsageError("in a cluster this is for all nodes: say --all --cluster")
    try:
        left = (
            asyncio.run(_in_cluster(namespace, timeout_seconds))
            if cluster
            else _on_box(state, speed, timeout_seconds)
        )
    except WattlineError as error:
        raise click.ClickException(str(error)) from error
    if left:
        raise click.ClickException(silent(left, timeout_seconds, namespace if cluster else None))


def silent(nodes: Sequence[str], timeout_seconds: float, namespace: str | None) -> str:
    """Return what to say of nodes that did not answer, in a cluster with what becomes of them."""
    said = f"did not answer within {timeout_seconds:g} s: {', '.join(nodes)}"
    if namespace is None:
        return said
    return (
        f"{said}\nThe order to put their GPUs back stands, and their agents follow it when they can. The operator stands "
        f"back for an hour; to have it back at once: kubectl delete lease -n {namespace} {LEADER}"
    )


def _on_box(state: Path, speed: float, timeout_seconds: float) -> tuple[str, ...]:
    if not state.is_dir():
        raise click.ClickException(f"there is no state folder {state}")
    with folder.locked(state):
        clock = BootClock(speed)
        return asyncio.run(
            put_back(BoxOrders(state, utc()), clock, timeout_seconds=timeout_seconds, say=click.echo)
        )


async def _in_cluster(namespace: str, timeout_seconds: float) -> tuple[str, ...]:
    # imported here, because a box does without aiohttp
    from wattline.controller.restore_cluster import ClusterOrders  # noqa: PLC0415
    from wattline.doors.kube.access import in_cluster  # noqa: PLC0415
    from wattline.doors.kube.client import Kube, session  # noqa: PLC0415

    access, clock = in_cluster(), BootClock()
    async with session(access, "wattline-restore") as connections:
        orders = ClusterOrders(
            Kube(connections, access, manager="wattline-restore"),
            clock,
            namespace,
            holder=f"restore {os.environ.get('POD_NAME', os.uname().nodename)}",
            at=utc(),
            at_micros=utc_micros(),
        )
        return await put_back(orders, clock, timeout_seconds=timeout_seconds, say=click.echo)

"""The cluster that a command of the plugin speaks to, and what goes wrong there, in words."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from wattline.cli import kubeconfig
from wattline.doors.kube.access import Access
from wattline.doors.kube.client import Kube, session
from wattline.doors.kube.errors import Forbidden, NotFound
from wattline.model.errors import ClusterError

T = TypeVar("T")

MANAGER = "kubectl-wattline"

OURS = "wattline-system"
"""Namespace of Wattline's own pods, unless told otherwise."""

_NO_SUCH_KIND = ("the server could not find the requested resource", "404 page not found")
"""What an API server says of a kind that it does not serve."""


@dataclass(frozen=True)
class Cluster:
    """One cluster and the namespaces that are meant; looked up when it is first needed."""

    kubeconfig: Path | None
    context: str | None
    ours: str
    """Namespace of Wattline's own pods."""
    wanted: str | None = None
    """Namespace that was asked for."""

    @functools.cached_property
    def access(self) -> Access:
        """Return how to reach it; raise `click.ClickException` where nobody said which cluster."""
        try:
            return kubeconfig.access(self.kubeconfig, self.context)
        except ClusterError as error:
            raise click.ClickException(str(error)) from error

    @property
    def namespace(self) -> str:
        """Return the namespace of the user's objects."""
        return self.wanted or self.access.namespace

    def run(self, do: Callable[[Kube], Awaitable[T]], *, acting_as: str = "") -> T:
        """Do something there, as somebody else if said; raise `click.ClickException` with a remedy where the
        cluster refuses.
        """

        async def main() -> T:
            async with session(self.access, MANAGER, acting_as=acting_as) as connections:
                return await do(Kube(connections, self.access, manager=MANAGER))

        try:
            return asyncio.run(main())
        except ClusterError as error:
            raise click.ClickException(explained(error)) from error


def explained(error: ClusterError) -> str:
    """Return an error with what helps against it, as a user of kubectl wants to read it."""
    text = str(error)
    if isinstance(error, Forbidden):
        said = text.partition("; check the role bound to our service account")[0]
        return f"{said}\nYour account lacks that right; ask for a role with that verb on that resource."
    if isinstance(error, NotFound) and any(said in text for said in _NO_SUCH_KIND):
        return "Wattline's kinds are not installed in this cluster: `helm install` the chart, or `kubectl apply -f crds/`"
    return text


def with_cluster(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command kubectl's options, and a `Cluster` as its first argument."""

    @click.option(
        "--kubeconfig",
        "file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Kubeconfig file; $KUBECONFIG or ~/.kube/config when unset.",
    )
    @click.option("--context", help="Context of the kubeconfig; its current one when unset.")
    @click.option("-n", "--namespace", help="Namespace of the objects; the context's when unset.")
    @click.option(
        "--wattline-namespace",
        "ours",
        default=OURS,
        show_default=True,
        envvar="WATTLINE_NAMESPACE",
        help="Namespace where Wattline itself runs.",
    )
    @functools.wraps(command)
    def wrapped(
        file: Path | None, context: str | None, namespace: str | None, ours: str, **given: Any
    ) -> None:
        command(Cluster(file, context, ours, namespace), **given)

    return wrapped

"""Access to a cluster from a command line: a kubeconfig, read with the official client, or the pod we run in."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from yaml import YAMLError

from wattline.doors.kube.access import ACCOUNT, Access, in_cluster, trusting
from wattline.model.errors import ClusterError

kubeconfig_option = click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Which cluster; $KUBECONFIG or ~/.kube/config when unset, inside a pod its own.",
)

context_option = click.option("--context", default=None, help="Context of the kubeconfig.")


def access(kubeconfig: Path | None, context: str | None) -> Access:
    """Return how to reach the cluster a user means, or raise `ClusterError` saying what is missing."""
    named = kubeconfig is not None or context is not None or "KUBECONFIG" in os.environ
    if not named and "KUBERNETES_SERVICE_HOST" in os.environ and (ACCOUNT / "token").exists():
        return in_cluster()
    from kubernetes import client, config  # noqa: PLC0415 - 60 MB and a second that only this needs
    from kubernetes.config import kube_config  # noqa: PLC0415 - as above

    read: Any = client.Configuration()
    path = None if kubeconfig is None else str(kubeconfig)
    try:
        library: Any = kube_config  # it has no annotations
        library.load_kube_config(path, context, client_configuration=read, persist_config=False)
        contexts, active = library.list_kube_config_contexts(path)
    except (config.ConfigException, OSError) as error:
        raise ClusterError(f"no cluster: {error}; name one with --kubeconfig") from error
    except (YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise ClusterError(f"no cluster: {path or 'the kubeconfig'} is no kubeconfig: {said}") from error
    meant = next((each for each in contexts if each["name"] == context), active)
    trust = None
    if read.host.startswith("https"):
        trust = trusting(
            _text(read.ssl_ca_cert), _text(read.cert_file), _text(read.key_file), verify=read.verify_ssl
        )
    return Access(
        server=read.host.rstrip("/"),
        namespace=(meant or {}).get("context", {}).get("namespace") or "default",
        token=_token(read),
        trust=trust,
    )


def _token(read: Any) -> Callable[[], str | None]:
    """Return the token of the moment; the official client asks a plugin anew when one has run out."""

    def token() -> str | None:
        said = read.get_api_key_with_prefix("authorization") or read.get_api_key_with_prefix("BearerToken")
        return said.removeprefix("Bearer ") if said else None

    return token


def _text(path: str | None) -> str | None:
    return Path(path).read_text(encoding="ascii") if path else None

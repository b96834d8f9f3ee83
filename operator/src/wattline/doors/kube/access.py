"""How to reach an API server: address, trust, and who we are."""

import os
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wattline.model.errors import ClusterError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its service account."""


@dataclass(frozen=True)
class Access:
    """One API server, and how we say who we are."""

    server: str
    """Its address without a path, e.g. https://10.96.0.1:443."""
    namespace: str = "default"
    """The namespace we live in."""
    token: Callable[[], str | None] = lambda: None
    """Returns the bearer token of this moment; tokens of service accounts are renewed under us."""
    trust: ssl.SSLContext | None = None
    """Certificates; none for plain HTTP."""
    authority: str | None = None
    """The authority's certificates (PEM), for who makes connections of his own."""
    certificate: str | None = None
    """Our certificate (PEM), likewise."""
    key: str | None = None
    """Its key (PEM), likewise."""


def in_cluster(account: Path = ACCOUNT) -> Access:
    """Return the access of the pod we run in, or raise `ClusterError` if we run in none."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise ClusterError("this is no pod: KUBERNETES_SERVICE_HOST is not set; give a kubeconfig instead")
    try:
        authority = (account / "ca.crt").read_text(encoding="ascii")
        namespace = (account / "namespace").read_text(encoding="utf-8").strip()
        (account / "token").read_bytes()
    except OSError as error:
        raise ClusterError(
            f"{error.filename}: {error.strerror}; the pod needs its service account's token mounted"
        ) from error
    shown = f"[{host}]" if ":" in host else host
    return Access(
        server=f"https://{shown}:{port}",
        namespace=namespace,
        token=lambda: (account / "token").read_text(encoding="ascii").strip(),
        trust=trusting(authority),
        authority=authority,
    )


def trusting(
    authority: str | None, certificate: str | None = None, key: str | None = None, *, verify: bool = True
) -> ssl.SSLContext:
    """Return a context that trusts an authority (PEM; the system's where it is None) and shows our certificate."""
    context = ssl.create_default_context(cadata=authority)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None and key is not None:
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as pair:  # the ssl module reads files alone
            pair.write(f"{certificate}\n{key}\n")
            pair.flush()
            context.load_cert_chain(pair.name)
    return context

"""Which provider serves: the one that is named, or the one that the machine can bear."""

import os

from harness.attached import Existing, Kind
from harness.cluster import Provider
from harness.command import HarnessError, found
from harness.local import Local

VARIABLE = "WATTLINE_E2E_PROVIDER"


def choose() -> Provider:
    """Return the provider that the environment names; without a name `local` for root, else `kind` where it is.

    A KUBECONFIG alone chooses nothing: suites delete nodes' pods and restart things, so somebody's cluster is only
    taken when it is asked for by name.
    """
    named = os.environ.get(VARIABLE, "")
    match named:
        case "local":
            return Local()
        case "kubeconfig":
            return Existing()
        case "kind":
            return Kind()
        case "":
            if os.geteuid() == 0:
                return Local()
            if found("kind") and found("docker"):
                return Kind()
            raise HarnessError(
                "no cluster: run as root for the local one, install kind and docker, "
                f"or set {VARIABLE}=kubeconfig to use the cluster of KUBECONFIG"
            )
        case _:
            raise HarnessError(f"{VARIABLE}={named}: one of local, kubeconfig, kind")

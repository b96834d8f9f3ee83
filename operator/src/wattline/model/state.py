"""What stands in the state folder of one box beside the objects themselves."""

from wattline.api.base import Metadata, Spec
from wattline.api.powernode import PowerNodeStatus


class Lease(Spec):
    """One root domain's lease; orders live on while ``renewals`` goes on changing."""

    renewals: int = 0
    """Counts passes that evaluated the domain."""

    holder: str = ""
    """Who renews it."""

    epoch: int = 0
    """Epoch of the holder."""


class NodeAnswer(Spec):
    """``N.status.yaml``: a PowerNode of which only the status counts."""

    metadata: Metadata
    status: PowerNodeStatus

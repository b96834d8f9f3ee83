"""Orders as tests of the API's door write them."""

from wattline.api.powernode import LeaseRef, PowerNodeSpec


def order(watts: float = 100.0, epoch: int = 7) -> PowerNodeSpec:
    return PowerNodeSpec(
        epoch=epoch,
        lease=LeaseRef(name="row"),
        domain="row",
        budget_watts=watts,
        highest_sent_watts=watts,
        failsafe_watts=watts,
    )

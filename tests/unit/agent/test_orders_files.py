"""Orders as files: a folder that cannot be looked at now is said once, and the last order stays."""

import logging
import shutil

from wattline.api.base import Metadata
from wattline.api.powernode import LeaseRef, PowerNode, PowerNodeSpec
from wattline.doors import state
from wattline_agent.orders_files import FileOrders

ORDER = PowerNodeSpec(
    lease=LeaseRef(name="box", duration_seconds=60.0),
    budget_watts=500.0,
    highest_sent_watts=500.0,
    failsafe_watts=200.0,
)


def test_a_folder_that_is_none_any_more_is_said_once_and_the_order_stays(tmp_path, caplog):
    folder = tmp_path / "powernodes"
    state.write(folder / "n1.yaml", PowerNode(metadata=Metadata(name="n1", uid="u"), spec=ORDER))
    orders = FileOrders(tmp_path, "n1", clock=None)
    orders.look()
    shutil.rmtree(folder)
    folder.write_text("no folder\n")

    with caplog.at_level(logging.WARNING):
        orders.look()
        orders.look()

    assert orders.order is not None
    assert orders.order.spec == ORDER
    [said] = caplog.messages
    assert "cannot be read" in said

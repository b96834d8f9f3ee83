"""GPUs that several replicas use: the strictest bound, the keenest request, one group."""

import pytest

from wattline.api.base import PowerClass
from wattline.api.powernode import GpuOrder, ReplicaOrder
from wattline.model.sharing import apart, merged


def order(uuid="G0", group="a", **bounds):
    return GpuOrder(uuid=uuid, group=group, **bounds)


def replica(name, *gpus):
    return ReplicaOrder(
        pool="p", name=name, url="http://e", gpus=gpus, tokens_per_second_per_agent_p5=20, memory={}
    )


@pytest.mark.parametrize(
    ("bounds", "others", "want"),
    [
        pytest.param({"watts_max": 600}, {"watts_max": 500}, {"watts_max": 500}, id="the lower ceiling"),
        pytest.param({}, {"watts_max": 500}, {"watts_max": 500}, id="a ceiling against none"),
        pytest.param(
            {"clock_mhz_max": 1500}, {"clock_mhz_max": 1200}, {"clock_mhz_max": 1200}, id="the slower clock"
        ),
        pytest.param({"watts_min": 250}, {"watts_min": 300}, {"watts_min": 300}, id="the keener floor"),
        pytest.param(
            {"clock_mhz_min": 900},
            {"clock_mhz_min": 600},
            {"clock_mhz_min": 900},
            id="the keener least clock",
        ),
        pytest.param(
            {"watts_min": 400},
            {"watts_max": 300},
            {"watts_min": 300, "watts_max": 300},
            id="a floor above another's ceiling gives way",
        ),
        pytest.param(
            {"clock_mhz_min": 1800},
            {"clock_mhz_max": 1500},
            {"clock_mhz_min": 1500, "clock_mhz_max": 1500},
            id="so does a least clock",
        ),
        pytest.param(
            {"power_class": PowerClass.BEST_EFFORT},
            {"power_class": PowerClass.PROTECTED},
            {"power_class": PowerClass.PROTECTED},
            id="the class that keeps watts longest",
        ),
    ],
)
def test_one_gpu_with_two_owners(bounds, others, want):
    assert merged([order(**bounds), order(group="b", **others)]) == order(**want)
    assert merged([order(**others), order(group="b", **bounds)]) == order(**want)


@pytest.mark.parametrize(
    ("orders", "replicas", "want"),
    [
        pytest.param(
            (order("G0", "a"), order("G1", "b")),
            (replica("a", "G0"), replica("b", "G1")),
            {"G0": "a", "G1": "b"},
            id="everybody has GPUs of their own",
        ),
        pytest.param(
            (order("G0", "a"), order("G0", "b"), order("G1", "b")),
            (),
            {"G0": "a", "G1": "a"},
            id="a GPU in two groups makes them one",
        ),
        pytest.param(
            (order("G0", "a"), order("G1", "b"), order("G2", "c")),
            (replica("x", "G0", "G1"),),
            {"G0": "a", "G1": "a", "G2": "c"},
            id="so does a replica over two groups",
        ),
        pytest.param(
            (order("G0", "a"), order("G1", "b"), order("G2", "c"), order("G3", "d")),
            (replica("x", "G2", "G3"), replica("y", "G1", "G2"), replica("z", "G0", "G3")),
            {"G0": "a", "G1": "a", "G2": "a", "G3": "a"},
            id="and a chain of them",
        ),
        pytest.param(
            (order("G0", "a"), order("G1", "a")),
            (replica("x", "G0", "G9"),),
            {"G0": "a", "G1": "a"},
            id="a GPU that is not ordered joins nothing",
        ),
    ],
)
def test_no_gpu_and_no_replica_is_in_two_groups(orders, replicas, want):
    assert {each.uuid: each.group for each in apart(orders, replicas)} == want


def test_orders_that_share_nothing_come_back_as_they_are():
    orders = (order("G0", "a"), order("G1", "a"), order("G2", "b"))

    assert apart(orders, (replica("x", "G0", "G1"),)) is orders

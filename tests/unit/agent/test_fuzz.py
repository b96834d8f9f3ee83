"""Files and orders with anything in them: nothing raises, nothing loosens, and what makes no sense is left as it is."""

import copy
import json
import os
from dataclasses import asdict
from math import inf, nan
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.agent.rig import BOOT, PRODUCT, FakeGpu, Rig, but, rig, spec

from wattline.model.bounds import bound_watts
from wattline_agent.device_process import hear
from wattline_agent.lease import Fence, Lease
from wattline_agent.messages import OrderSeen
from wattline_agent.orders_files import FileOrders
from wattline_agent.record import SCHEMA, Previous, Record

EXAMPLES = int(os.environ.get("WATTLINE_FUZZ", "60"))
ORDER = but(spec(1000.0), failsafe_watts=500.0)
HELD = 490.0
PREVIOUS = {"G0": 700.0, "G1": 650.0}
RECORD = Record(
    BOOT,
    1.0,
    {uuid: Previous(watts, persistence=True, clock_touched=True) for uuid, watts in PREVIOUS.items()},
    Lease("box", 3, 1030.0),
    Fence("u", 1, 1),
)

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**300, max_value=10**310),
    st.floats(),
    st.sampled_from([nan, inf, -inf, 1e308, 1e300, -1.0, 0.0, "", "box", "NaN", "1e400", "\x00", "🔥", "G0"]),
    st.text(max_size=8),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
GONE = object()


def paths(value, above=()):
    """Every place in some JSON."""
    yield above
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*above, key))
    elif isinstance(value, list):
        for key, inner in enumerate(value):
            yield from paths(inner, (*above, key))


@st.composite
def broken(draw, whole):
    """Some JSON with other values, or none, in one to three places."""
    made = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(sorted(paths(made), key=repr)))
        value = draw(st.one_of(st.just(GONE), VALUES))
        if not path:
            if value is not GONE:
                made = value
            continue
        inside = made
        for key in path[:-1]:
            inside = inside[key]
        if value is GONE:
            del inside[path[-1]]
        else:
            inside[path[-1]] = value
    return made


def total(here: Rig) -> float:
    return sum(bound_watts(PRODUCT, gpu.limit_watts, 700.0) for gpu in here.device.gpus.values())


def the_lease_ends(here: Rig) -> None:
    here.run(0.2, renewing=False)
    here.at_seconds += 61.0
    here.run(3.0, renewing=False)


def left_by_a_predecessor(folder: Path) -> Rig:
    return rig(folder, {uuid: FakeGpu(HELD, lock_mhz=1500) for uuid in PREVIOUS}, write=save)


def save(path: Path, text: str) -> None:
    path.write_text(text)  # what syncing is worth is another test


RECORDED = json.loads(json.dumps({"schema": SCHEMA} | asdict(RECORD)))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    text=st.one_of(
        broken(RECORDED).map(json.dumps).map(str.encode),
        st.binary(max_size=64),
        st.integers(0, 600).map(lambda end: json.dumps(RECORDED).encode()[:end]),
    )
)
@example(text=b"[" * 100_000)
@example(text=json.dumps(RECORDED).replace("1030.0", "Infinity").encode())
@example(text=json.dumps(RECORDED).replace("1030.0", "1e300").encode())
@example(text=json.dumps(RECORDED).replace("700.0", "NaN").encode())
@example(text=json.dumps(RECORDED).replace("700.0", "1" + "0" * 400).encode())
@example(text=json.dumps(RECORDED).replace('"generation": 1', '"generation": Infinity').encode())
def test_a_record_with_anything_in_it_loosens_nothing(text):
    with TemporaryDirectory() as name:
        path = Path(name) / "device.json"
        path.write_bytes(text)
        here = left_by_a_predecessor(Path(name))
        unreadable = here.governor.hands.record.unreadable

        here.run(1.0, renewing=False)
        assert total(here) <= 1000.0, "nobody has said what is ordered"
        here.order(ORDER)
        for _ in range(3):
            here.run(1.0)
            assert total(here) <= 1000.0, "the order holds"
        the_lease_ends(here)
        if unreadable:
            assert here.device.journal == []
            assert path.read_bytes() == text, "what is not understood is never overwritten"
            return
        if here.governor.order is not None and here.governor.order.spec is ORDER:
            assert total(here) <= 500.0, "nobody renews, so the failsafe holds"
        here.order(but(ORDER, release=True), generation=2)
        here.run(20.0)
        for gpu in here.device.gpus.values():
            assert gpu.min_watts <= gpu.limit_watts <= gpu.max_watts


TOLD = OrderSeen(
    uid="u",
    generation=2,
    spec=but(
        spec(1200.0),
        failsafe_watts=500.0,
        gpus=tuple(gpu.model_copy(update={"clock_mhz_max": 1500, "watts_max": 650.0}) for gpu in spec().gpus),
    ),
)
TOLD_RAW = TOLD.model_dump(mode="json", by_alias=True)


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=st.one_of(broken(TOLD_RAW).map(json.dumps), st.text(max_size=64)))
@example(text="[" * 100_000)
@example(text=json.dumps(TOLD_RAW).replace("1200.0", "Infinity"))
@example(text=json.dumps(TOLD_RAW).replace("1200.0", "1e308"))
@example(text=json.dumps(TOLD_RAW).replace("60.0", "1e308"))
@example(text=json.dumps(TOLD_RAW).replace('"epoch": 1', '"epoch": ' + "9" * 400))
def test_an_order_with_anything_in_it_loosens_no_more_than_it_says(text):
    with TemporaryDirectory() as name:
        here = rig(Path(name), write=save).enforced(ORDER)
        before = total(here)

        hear(here.governor, text, here.at_seconds)
        here.run(3.0)
        in_hand = here.governor.spec
        assert in_hand is not None

        if in_hand == ORDER:
            assert total(here) <= max(before, 1000.0)
        elif in_hand.enforce and not in_hand.release and {gpu.uuid for gpu in in_hand.gpus} >= set(PREVIOUS):
            assert total(here) <= max(before, in_hand.budget_watts) + 1e-6
        here.view().model_dump_json(by_alias=True)
        the_lease_ends(here)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    text=st.one_of(
        broken(
            {
                "kind": "PowerNode",
                "metadata": {"name": "n1", "uid": "u", "generation": 2},
                "spec": TOLD_RAW["spec"],
            }
        )
        .map(lambda made: yaml.safe_dump(made, allow_unicode=True))
        .map(lambda made: made.encode(errors="surrogatepass")),
        st.binary(max_size=64),
        st.sampled_from(
            [b"&a [*a]", b"a: &a [*a, *a]", b"!!python/object:os.system x", b"[" * 2_000, b"- \xff"]
        ),
    )
)
def test_a_file_of_orders_with_anything_in_it_is_an_order_or_leaves_the_last(text):
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "powernodes" / "n1.yaml"
        path.parent.mkdir()
        good = {"kind": "PowerNode", "metadata": {"name": "n1", "uid": "u", "generation": 1}}
        path.write_text(yaml.safe_dump(good | {"spec": ORDER.model_dump(mode="json", by_alias=True)}))
        orders = FileOrders(folder, "n1", clock=None)
        orders.look()
        assert orders.order is not None
        path.write_bytes(text)
        os.utime(path, ns=(1, 1))

        orders.look()

        assert isinstance(orders.order, OrderSeen)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    text=st.one_of(
        broken({"renewals": 3, "holder": "x", "epoch": 1}).map(yaml.safe_dump).map(str.encode),
        st.binary(max_size=32),
    )
)
def test_a_file_of_a_lease_with_anything_in_it_renews_or_does_not(text):
    with TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("powernodes", "leases"):
            (folder / part).mkdir()
        good = {"kind": "PowerNode", "metadata": {"name": "n1", "uid": "u", "generation": 1}}
        order = good | {"spec": ORDER.model_dump(mode="json", by_alias=True)}
        (folder / "powernodes" / "n1.yaml").write_text(yaml.safe_dump(order))
        (folder / "leases" / "box.yaml").write_bytes(text)

        orders = FileOrders(folder, "n1", clock=None)
        orders.look()

        assert orders.order is not None


@pytest.mark.parametrize("deadline", [1e300, inf, 5000.0])
def test_a_recorded_lease_lasts_no_longer_than_its_order_allows(tmp_path, deadline):
    text = json.dumps(RECORDED).replace("1030.0", json.dumps(deadline))
    (tmp_path / "device.json").write_text(text)
    here = left_by_a_predecessor(tmp_path).order(ORDER)

    the_lease_ends(here)

    assert here.governor.hands.record.unreadable or total(here) <= 500.0

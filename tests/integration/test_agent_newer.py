"""The agent as it runs on GPUs that can do things by themselves, and that are divided into parts."""

import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.contract.machine import newer_card
from tests.integration.agent_box import UUIDS, Box, ended, opened
from tests.waiting import block_until

from wattline.api.powernode import ReplicaOrder
from wattline.fake.nvml import Faults, GpuBank
from wattline.world.gpu import PRODUCTS, Gpu

INFERENCE = frozenset({6})


@pytest.fixture
def box(tmp_path, nvml_library) -> Iterator[Box]:
    gpus = [Gpu(PRODUCTS["h200"], uuid) for uuid in UUIDS]
    bank = GpuBank.create(tmp_path / "n1.gpus", gpus, newer_card)
    Faults(bank.mapping).partition(1, on=True, parts=("MIG-1", "MIG-2"))
    with opened(tmp_path / "state", bank, nvml_library) as box:
        yield box


def replica(uuid: str) -> ReplicaOrder:
    return ReplicaOrder(
        pool="coder", name=uuid, url="http://127.0.0.1:9", gpus=(uuid,), tokens_per_second_per_agent_p5=20
    )


def test_profile_and_ramp_are_asked_for_on_the_whole_gpu_and_put_back(box):
    settings = box.bank.mapping.settings
    before = [settings(index) for index in range(2)]
    box.order(1000.0, replicas=tuple(replica(uuid) for uuid in UUIDS), ramp_up_watts_per_second=200.0)
    agent = box.start("--on-stop", "restore")

    block_until(lambda: all(settings(index).profiles == INFERENCE for index in range(2)))
    block_until(lambda: all(settings(index).smoothing for index in range(2)))
    assert {settings(index).up_watts_per_second for index in range(2)} == {100.0}
    assert {settings(index).floor_percent for index in range(2)} == {0.0}
    block_until(lambda: {(gpu.profile, gpu.ramp) for gpu in box.status().gpus} == {("applied", "applied")})
    agent.send_signal(signal.SIGTERM)

    assert ended(agent)[0] == 0
    after = [settings(index) for index in range(2)]
    assert [replace(each, persistence=True) for each in after] == before

"""The shared file of a node's GPUs, without the driver library."""

import ctypes
import errno
import os

import pytest

from wattline.fake.nvml import Call, Faults, GpuBank, Mapping, MappingError, layout, limits
from wattline.world.gpu import PRODUCTS, Gpu
from wattline.world.load import compute_bound


@pytest.fixture
def bank(tmp_path):
    gpus = [Gpu(PRODUCTS["h100"], f"GPU-{index}") for index in range(2)]
    return GpuBank.create(tmp_path / "n1.gpus", gpus)


def test_another_process_sees_the_same_gpus(bank):
    other = Mapping.open(bank.mapping.path)

    assert other.uuids == ("GPU-0", "GPU-1")
    assert other.settings(1) == bank.mapping.settings(1)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"#" * 100, id="too short"),
        pytest.param(bytes(ctypes.sizeof(layout.Node)), id="right size, other content"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_by_name(tmp_path, content):
    path = tmp_path / "n1.gpus"
    path.write_bytes(content)

    with pytest.raises(MappingError, match=r"n1\.gpus"):
        Mapping.open(path)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)

    with pytest.raises(MappingError, match=r"n1\.gpus.*no room for 4\d+ bytes .*: No space left on device$"):
        GpuBank.create(tmp_path / "n1.gpus", [Gpu(PRODUCTS["h100"], "GPU-0")])
    assert list(tmp_path.iterdir()) == []


def test_settings_reach_the_world_when_it_asks(bank):
    one = bank.mapping.node.gpus[1].settings
    one.limit_mw, one.lock = 300_000, (345 << 32) | 900
    bank.mapping.node.changes += 1

    bank.pull()

    assert (bank.gpus[1].limit_watts, bank.gpus[1].locked_mhz) == (300, (345, 900))
    assert (bank.gpus[0].limit_watts, bank.gpus[0].locked_mhz) == (700, None)


def test_the_seconds_under_a_cap_are_counted(bank):
    gpu = bank.gpus[0]
    gpu.set_limit(300)
    for second in range(1, 6):
        gpu.advance(second, compute_bound(650))
        bank.publish()

    one = bank.mapping.node.gpus[0]
    newest = one.physics[one.published % 2]
    assert newest.power_cap_ns == pytest.approx(5e9, abs=1e9)
    assert newest.sw_thermal_ns == 0
    assert (newest.busy_percent, bank.mapping.node.gpus[1].physics[0].busy_percent) == (100, 0)


def test_out_of_band_management_wins_over_the_driver(bank):
    Faults(bank.mapping).hold_below(0, 250)
    bank.pull()

    assert bank.mapping.settings(0).asked_watts == 700
    assert bank.mapping.settings(0).limit_watts == 250
    assert bank.gpus[0].limit_watts == 250


def test_a_driver_reload_is_in_the_record_and_drops_every_setting(bank):
    one = bank.mapping.node.gpus[0].settings
    one.limit_mw, one.lock = 300_000, (345 << 32) | 900

    Faults(bank.mapping).reload_driver()

    settings = bank.mapping.settings(0)
    assert (settings.limit_watts, settings.locked_mhz, settings.persistence) == (700, None, False)
    last = [record for record in bank.mapping.journal() if record.gpu == 0][-1]
    assert (last.call, last.old, last.new) == (Call.DRIVER_RELOAD, 300_000, 700_000)


def test_the_last_client_takes_along_only_what_is_not_persistent(bank):
    for gpu in range(2):
        bank.mapping.node.gpus[gpu].settings.limit_mw = 300_000
    bank.mapping.node.gpus[1].settings.persistence = 0

    Faults(bank.mapping).last_client_gone()

    assert [bank.mapping.settings(gpu).limit_watts for gpu in range(2)] == [300, 700]


def test_the_record_replays_to_the_watts_in_force(bank):
    mapping = bank.mapping
    mapping.record(Call.SET_POWER_LIMIT, 0, old=700_000, new=400_000, at_ns=1)
    Faults(mapping).hold_below(1, 250)

    *_, (_, in_force) = limits(mapping.journal())

    assert in_force == {0: 400, 1: 250}


def test_a_setter_that_never_said_how_it_ended_counts_at_the_looser_value(bank):
    mapping = bank.mapping
    for new, code in ((300_000, 0), (500_000, layout.PENDING)):
        mapping.record(Call.SET_POWER_LIMIT, 0, old=0, new=new, at_ns=1)
        mapping.node.setters[mapping.node.setter_head - 1].code = code

    *_, (_, in_force) = limits(mapping.journal())

    assert in_force[0] == 500


def test_the_record_drops_the_oldest_and_numbers_show_it(bank):
    mapping = bank.mapping
    mapping.node.setter_head = layout.SETTER_RING + 10
    for place, entry in enumerate(mapping.node.setters):
        entry.sequence = place + 1 + (layout.SETTER_RING if place < 10 else 0)

    numbers = [record.sequence for record in mapping.journal()]

    assert (numbers[0], numbers[-1], len(numbers)) == (11, layout.SETTER_RING + 10, layout.SETTER_RING)


def test_the_record_can_be_read_on_from_a_number(bank):
    seen = bank.mapping.journal()[-1].sequence
    Faults(bank.mapping).hold_below(0, 250)

    assert [record.call for record in bank.mapping.journal(seen)] == [Call.OUT_OF_BAND_LIMIT]

"""What was there before us is on disk before anything changes, and only a file that makes sense is used."""

import errno
import json

import pytest

from wattline_agent.lease import Fence, Lease
from wattline_agent.record import Previous, RecordFile

WAS = Previous(700.0, persistence=False)


def kept(path, boot="b1", speed=1.0, **changes):
    return RecordFile(path, boot, speed, **changes)


def full(_path, _text):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_values_come_back_after_a_restart(tmp_path):
    path = tmp_path / "agents" / "n1" / "device.json"
    kept(path).remember("G0", WAS)

    assert kept(path).record.gpus == {"G0": WAS}


def test_a_value_that_cannot_be_saved_is_not_remembered(tmp_path):
    file = kept(tmp_path / "device.json", write=full)

    with pytest.raises(OSError, match="No space left"):
        file.remember("G0", WAS)

    assert file.record.gpus == {}
    assert file.errors == 1


def test_values_of_another_boot_are_gone_with_the_settings_they_were_for(tmp_path):
    path = tmp_path / "device.json"
    file = kept(path)
    file.remember("G0", WAS)
    file.follow(Lease("box", 3, 100.0), Fence("u", 2, 7))

    again = kept(path, boot="b2").record

    assert again.gpus == {}
    assert again.lease == Lease()
    assert again.fence == Fence("u", 2, 7)


def test_a_deadline_in_world_time_of_another_speed_says_nothing(tmp_path):
    path = tmp_path / "device.json"
    kept(path).follow(Lease("box", 3, 100.0), Fence())

    assert kept(path, speed=10.0).record.lease.deadline_seconds is None
    assert kept(path).record.lease.deadline_seconds == 100.0


def test_a_lease_that_cannot_be_saved_holds_for_this_process(tmp_path):
    file = kept(tmp_path / "device.json", write=full)
    file.follow(Lease("box", 3, 100.0), Fence())

    assert file.record.lease.valid(99)
    assert file.errors == 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut off"),
        pytest.param("[]", id="a list"),
        pytest.param('{"schema": 99}', id="a schema of the future"),
        pytest.param('{"schema": 1, "boot_id": "b1", "gpus": {"G0": {"limit_watts": "x"}}}', id="no number"),
        pytest.param("\x00" * 64, id="zeros after a crash"),
        pytest.param(
            '{"schema": 1, "boot_id": "b1", "speed": 1, "fence": {"uid": "u", "epoch": Infinity, "generation": 1}}',
            id="no end of epochs",
        ),
        pytest.param(
            '{"schema": 1, "boot_id": "b1", "speed": 1, "fence": {"uid": "u", "epoch": 1, "generation": 1},'
            ' "emergencies": {"armed": {"row": {"budget_watts": -5, "duration_seconds": 9}}}}',
            id="a level below nothing",
        ),
    ],
)
def test_a_record_that_makes_no_sense_is_left_as_it_is(tmp_path, text):
    path = tmp_path / "device.json"
    path.write_text(text)
    file = kept(path)

    assert str(path) in file.unreadable
    with pytest.raises(OSError, match=r"device\.json"):
        file.remember("G0", WAS)
    file.follow(Lease("box", 3, 1.0), Fence())
    assert path.read_text() == text


def test_a_reader_never_sees_half_a_record(tmp_path):
    path = tmp_path / "device.json"
    file = kept(path)
    for index in range(20):
        file.remember(f"G{index}", WAS)
        assert len(json.loads(path.read_text())["gpus"]) == index + 1
    assert [each.name for each in tmp_path.iterdir()] == ["device.json"]

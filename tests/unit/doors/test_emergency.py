"""The file that begins an emergency: trusted by agents whatever the umask of whoever writes it."""

import os

import pytest

from wattline.doors import emergency
from wattline.model.errors import ClusterError
from wattline.model.wire import EmergencySignal

SIGNAL = EmergencySignal(level="row-a")


@pytest.fixture
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_only_its_owner_can_write_the_file(tmp_path, no_umask):
    emergency.write(tmp_path / "emergency", SIGNAL)

    assert (tmp_path / "emergency").stat().st_mode & 0o777 == 0o644
    assert EmergencySignal.model_validate_json((tmp_path / "emergency").read_text()) == SIGNAL
    assert [each.name for each in tmp_path.iterdir()] == ["emergency"]


def test_a_second_signal_is_another_file(tmp_path):
    emergency.write(tmp_path / "emergency", SIGNAL)
    first = (tmp_path / "emergency").stat()
    emergency.write(tmp_path / "emergency", SIGNAL)
    second = (tmp_path / "emergency").stat()

    assert (first.st_ino, first.st_mtime_ns) != (second.st_ino, second.st_mtime_ns)


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ClusterError, match="cannot be written"):
        emergency.write(tmp_path / "none" / "emergency", SIGNAL)

"""The file of ended turns: whole lines, found again after a rotation, and never in a turn's way."""

import os
import threading

import pytest

from wattline.gateway.turnlog import TurnLog
from wattline.model.errors import WattlineError


def lines_of(path):
    return path.read_bytes().splitlines()


def waited(log, count):
    """Wait until the writer has dealt with so many lines."""
    for _ in range(1000):
        if log.written + log.dropped >= count:
            return
        threading.Event().wait(0.005)


def test_lines_are_appended_to_what_is_there(tmp_path):
    path = tmp_path / "turns.jsonl"
    path.write_bytes(b"before\n")
    log = TurnLog(path)
    for number in range(1000):
        log.put(b"%d" % number)
    log.close()

    assert lines_of(path) == [b"before", *(b"%d" % number for number in range(1000))]
    assert (log.written, log.dropped) == (1000, 0)


@pytest.mark.parametrize("gone", [pytest.param(False, id="moved"), pytest.param(True, id="removed")])
def test_a_file_that_was_rotated_away_is_begun_anew(tmp_path, gone):
    path, old = tmp_path / "turns.jsonl", tmp_path / "turns.jsonl.1"
    log = TurnLog(path)
    log.put(b"one")
    waited(log, 1)
    path.rename(old)
    if gone:
        old.unlink()
    log.put(b"two")
    log.close()

    assert lines_of(path) == [b"two"]
    assert gone or lines_of(old) == [b"one"]


def test_a_full_disk_costs_lines_which_are_counted_and_nothing_else(tmp_path, caplog):
    path = tmp_path / "turns.jsonl"
    path.symlink_to("/dev/full")
    log = TurnLog(path)
    log.put(b"lost")
    waited(log, 1)
    path.unlink()  # what makes room again, as far as the writer sees
    log.put(b"kept")
    log.close()

    assert (log.written, log.dropped) == (1, 1)
    assert lines_of(path) == [b"kept"]
    assert "turns are not recorded" in caplog.text


def test_a_disk_that_hangs_holds_nobody(tmp_path):
    path = tmp_path / "turns.fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log = TurnLog(path, queued_lines=10)
    for _ in range(3000):  # three megabytes into a pipe that nobody reads
        log.put(b"x" * 1000)
    dropped = log.dropped
    os.close(reader)
    log.close()

    assert dropped > 1000
    assert log.written + log.dropped == 3000


def test_a_file_that_cannot_be_opened_is_said_at_the_start(tmp_path):
    with pytest.raises(WattlineError, match="choose another file with --record"):
        TurnLog(tmp_path / "nowhere" / "turns.jsonl")

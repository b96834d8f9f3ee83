"""Ends around the steps by which a process writes a file."""

import os
import signal
import subprocess
import sys

import pytest
from conformance.points import Points, build

WRITER = """
import sys
from pathlib import Path
from wattline_agent.record import write_synced
write_synced(Path(sys.argv[1]) / "record", "new")
"""
STEPS = ["create", "write", "sync", "rename", "open the folder", "sync"]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("points"))


@pytest.fixture
def node(tmp_path):
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / "record").write_text("old")
    return folder


def write(points, folder):
    command = [sys.executable, "-c", WRITER, str(folder)]
    return subprocess.run(command, env=os.environ | points.environment, check=False, timeout=30).returncode


def test_the_steps_of_a_record_are_counted_and_named(tmp_path, library, node):
    points = Points(tmp_path / "points", library, node, "write_synced")

    assert write(points, node) == 0
    assert [points.kind(number + 1) for number in range(points.count)] == STEPS


def test_processes_that_are_not_meant_write_as_they_like(tmp_path, library, node):
    points = Points(tmp_path / "points", library, node, "somebody else")
    points.end(1, after=False, victim=0)

    assert write(points, node) == 0
    assert points.count == 0


@pytest.mark.parametrize(
    ("step", "after", "left"),
    [
        pytest.param(1, False, "old", id="before anything"),
        pytest.param(2, True, "old", id="with the part written"),
        pytest.param(4, False, "old", id="before the new takes the place of the old"),
        pytest.param(4, True, "new", id="once it has"),
        pytest.param(6, False, "new", id="before the folder is synced"),
    ],
)
def test_an_end_around_a_step_leaves_the_old_text_or_the_new(tmp_path, library, node, step, after, left):
    points = Points(tmp_path / "points", library, node, "write_synced")
    points.end(step, after=after, victim=0)

    assert write(points, node) == -signal.SIGKILL
    assert points.fired
    assert (node / "record").read_text() == left

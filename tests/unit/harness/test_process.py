"""A program of the cluster is known for ever by pid and start time, and ends for certain."""

import os
import signal

import pytest

from harness.command import HarnessError
from harness.process import Identity, Processes, marked, start_ticks


@pytest.fixture
def processes(tmp_path):
    for name in ("run", "logs"):
        (tmp_path / name).mkdir()
    made = Processes(tmp_path / "run", tmp_path / "logs", tmp_path)
    yield made
    for name in made.names:
        made.end(name, grace_seconds=0)


def test_what_one_program_started_another_one_ends(tmp_path, processes):
    identity = processes.start("sleeper", ["sleep", "60"])
    other = Processes(tmp_path / "run", tmp_path / "logs", tmp_path)

    assert other.identity("sleeper") == identity
    other.end("sleeper")

    assert not identity.alive
    assert not processes.alive("sleeper")


def test_a_pid_that_is_used_again_is_another_process():
    mine = start_ticks(os.getpid())

    assert Identity(os.getpid(), mine).alive
    assert not Identity(os.getpid(), mine - 1).alive


def test_a_program_that_does_not_listen_is_killed(processes):
    identity = processes.start(
        "deaf", ["sh", "-c", "trap '' TERM; echo ready; while true; do sleep 0.05; done"]
    )
    processes.wait("deaf", lambda: processes.last_words("deaf") == "ready", timeout_seconds=10)

    processes.end("deaf", grace_seconds=0.2)

    assert not identity.alive


def test_a_frozen_program_ends_in_order_too(tmp_path, processes):
    processes.start(
        "frozen",
        [
            "sh",
            "-c",
            f"trap 'touch {tmp_path}/ended; exit' TERM; echo ready; while true; do sleep 0.05; done",
        ],
    )
    processes.wait("frozen", lambda: processes.last_words("frozen") == "ready", timeout_seconds=10)
    processes.identity("frozen").send(signal.SIGSTOP)

    processes.end("frozen")

    assert (tmp_path / "ended").exists()


def test_a_program_comes_back_with_the_arguments_it_had(processes):
    processes.start(
        "speaker", ["sh", "-c", 'echo "$0 $GREETING"; sleep 60', "one two"], env={"GREETING": "hello"}
    )
    processes.wait("speaker", lambda: processes.last_words("speaker") == "one two hello", timeout_seconds=10)
    processes.end("speaker", grace_seconds=0)

    processes.again("speaker")

    processes.wait(
        "speaker",
        lambda: processes.last_words("speaker") == "one two hello\none two hello",
        timeout_seconds=10,
    )


def test_waiting_for_a_program_that_has_ended_says_its_last_words(processes):
    processes.start("failure", ["sh", "-c", "echo no such file; exit 1"])

    with pytest.raises(HarnessError, match="failure ended:\nno such file"):
        processes.wait("failure", lambda: False, timeout_seconds=10)


def test_a_name_that_never_ran_is_answered_with_those_that_did(processes):
    processes.start("sleeper", ["sleep", "60"])

    with pytest.raises(HarnessError, match="no component slepper; there are: sleeper"):
        processes.again("slepper")


def test_children_of_the_cluster_are_found_by_its_folder(tmp_path, processes):
    processes.start("parent", ["sh", "-c", "sleep 60 & wait"])

    assert len(marked(tmp_path)) >= 1
    assert {each.pid for each in marked(tmp_path)} >= {processes.identity("parent").pid}
    for each in marked(tmp_path):
        each.end(grace_seconds=0)
    assert marked(tmp_path) == []

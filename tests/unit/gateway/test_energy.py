"""Counters of GPUs become joules of runs."""

import pytest

from wattline.api.inferencepool import Endpoint
from wattline.gateway.energy import Energy
from wattline.gateway.runs import Runs
from wattline.model.wire import GpuSample, GpusView
from wattline.policy.account import Work

HERE = ("pool", "r0")


def view(at, *joules, boot="b"):
    gpus = tuple(
        GpuSample(
            uuid=f"GPU-{index}", product="x", energy_joules=value, watts=1, limit_watts=1, clock_mhz=1,
            celsius=1, margin_celsius=None,
        )
        for index, value in enumerate(joules)
    )  # fmt: skip
    return GpusView(node="n1", boot_id=boot, at_seconds=at, gpus=gpus)


def books(gpus=2):
    runs = Runs()
    energy = Energy(runs)
    names = tuple(f"GPU-{index}" for index in range(gpus))
    energy.endpoints("pool", [Endpoint(name="r0", url="http://x", node="n1", gpus=names)])
    return energy, runs


def totals(energy):
    energy.settle()
    return {name: joules for name, joules in energy.totals()[HERE].items() if joules}


def test_the_gpus_of_a_group_add_up():
    energy, _ = books()
    energy.read(view(10.0, 100, 1000), 10.0)
    energy.read(view(11.0, 110, 1030), 11.0)

    assert totals(energy) == {"idle": 40}


def test_an_agent_that_was_away_costs_nothing_of_the_sum():
    energy, _ = books()
    energy.read(view(10.0, 100, 1000), 10.0)
    energy.read(view(500.0, 300, 1500), 500.0)
    energy.read(view(500.0, 300, 1500), 501.0)

    assert totals(energy) == {"idle": 700}


def test_a_counter_that_started_again_counts_from_zero_and_a_new_boot_from_its_first_reading():
    energy, _ = books()
    energy.read(view(10.0, 100, 1000), 10.0)
    energy.read(view(11.0, 7, 1005), 11.0)
    assert totals(energy) == {"idle": 12}
    energy.read(view(2.0, 50, 60, boot="c"), 12.0)
    energy.read(view(3.0, 51, 62, boot="c"), 13.0)
    assert totals(energy) == {"idle": 15}


def test_a_view_without_all_gpus_of_a_group_is_not_read():
    energy, _ = books()
    energy.read(view(10.0, 100, 1000), 10.0)
    energy.read(view(11.0, 110), 11.0)
    energy.read(view(12.0, 120, 1030), 12.0)

    assert totals(energy) == {"idle": 50}


def test_clocks_of_other_machines_are_set_against_ours():
    energy, runs = books(1)
    runs.run("run")
    energy.read(view(70_010.0, 0), 10.0)
    energy.read(view(70_011.0, 10), 11.0)
    energy.started(HERE, 1, 11.2)
    energy.ended(HERE, 1, Work("run", 11.2, 11.4, 11.8, 100, 10))
    energy.read(view(70_012.0, 110), 12.0)

    assert totals(energy) == {"idle": pytest.approx(20), "attributed": pytest.approx(90)}
    assert runs.view("run", energy.settled_until()).joules == 90


def test_a_run_is_settled_when_the_counters_have_passed_its_end():
    energy, runs = books(1)
    run = runs.run("run")
    run.last_seconds[HERE] = 11.5
    energy.read(view(10.0, 0), 10.0)
    energy.read(view(11.0, 5), 11.0)
    energy.settle()
    assert not runs.view("run", energy.settled_until()).settled
    energy.read(view(12.0, 9), 12.0)
    energy.settle()
    assert runs.view("run", energy.settled_until()).settled
    run.open_turns = 1
    assert not runs.view("run", energy.settled_until()).settled


def test_the_oldest_finished_runs_are_forgotten_first():
    runs = Runs(kept=2)
    runs.run("open").open_turns = 1
    runs.run("a")
    runs.run("b")

    assert runs.view("a", {}) is None
    assert runs.view("open", {}) is not None

"""An emergency at the agent as it runs: three real processes on the fake driver, with nobody who orders."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from tests.integration.agent_box import PRODUCT, SPEED, UUIDS, Box, children, gone, opened
from tests.waiting import block_until

from wattline.api.powernode import EmergencyLevel
from wattline.cli.main import main
from wattline.fake.nvml import GpuBank
from wattline.model.bounds import bound_watts
from wattline.world.gpu import PRODUCTS, Gpu

ROW = EmergencyLevel(level="row-a", budget_watts=700.0, duration_seconds=600.0)
TOKEN = "a token that only we know"


@pytest.fixture
def box(tmp_path, nvml_library) -> Iterator[Box]:
    bank = GpuBank.create(tmp_path / "n1.gpus", [Gpu(PRODUCTS["h100"], uuid) for uuid in UUIDS])
    with opened(tmp_path / "state", bank, nvml_library) as box:
        yield box


@pytest.fixture
def holding(box, tmp_path) -> Box:
    """An agent that holds the node at 1000 W, with a level armed that leaves 700 W."""
    (tmp_path / "token").write_text(TOKEN)
    box.order(1000.0, emergency=(ROW,), failsafe_watts=900.0)
    box.start("--emergency-token-file", str(tmp_path / "token"))
    block_until(box.held)
    return box


def bound(box) -> float:
    return sum(bound_watts(PRODUCT, watts, 700.0) for watts in box.limits())


def post(box, token=TOKEN, **signal_) -> int:
    request = urllib.request.Request(
        f"{box.status().address}/v1/emergency",
        json.dumps({"level": "row-a"} | signal_).encode(),
        {"Authorization": f"Bearer {token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def level(box) -> dict:
    return json.loads(box.get("/v1/emergency"))["levels"][0]


def test_a_call_tightens_while_nobody_orders_and_the_status_says_until_when(holding):
    holding.renewing = False
    block_until(lambda: holding.status().state == "Failsafe")
    assert 700.0 < bound(holding) <= 900.0
    assert post(holding, token="another") == 401
    began = time.monotonic()
    assert post(holding) == 202
    block_until(lambda: level(holding)["inForce"])
    took = time.monotonic() - began

    assert bound(holding) <= 700.0
    assert took < 2.0
    block_until(lambda: holding.status().budget_source.startswith("Emergency: row-a until 20"))
    metrics = holding.get("/metrics")
    assert 'wattline_agent_emergency_in_force{level="row-a",node="n1"} 1.0' in metrics
    assert 'wattline_agent_budget_source{node="n1",source="Emergency"} 1.0' in metrics


def typed(*args) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["emergency", *map(str, args)])
    return done.exit_code, done.output


def test_the_command_writes_the_file_or_calls_and_waits_until_it_is_in_force(holding, tmp_path):
    state = ("--state", holding.state)
    code, said = typed("row-b", *state)
    assert (code, "armed: row-a" in said) == (2, True)
    assert not (holding.state / "emergency").exists()

    code, said = typed("row-a", *state)
    assert (code, said[:37]) == (0, "n1: in force and read back: 700 W for"), said
    assert bound(holding) <= 700.0
    assert typed("row-a", "--end", *state) == (0, "n1: ended; the order counts again\n")
    block_until(lambda: bound(holding) > 900.0)

    url = ("--url", holding.status().address)
    (tmp_path / "wrong").write_text("another")
    code, said = typed("row-a", *url, "--token-file", tmp_path / "wrong")
    assert (code, "refused: a token is needed" in said) == (1, True)
    assert typed("row-a", *url, "--token-file", tmp_path / "token")[0] == 0
    assert bound(holding) <= 700.0


def test_an_address_needs_the_token_and_the_token_an_address():
    code, said = typed("row-a", "--url", "http://127.0.0.1:1")

    assert (code, "go together" in said) == (2, True)


def test_it_goes_on_when_processes_die_and_ends_by_its_duration(holding):
    short = ROW.model_copy(update={"duration_seconds": 100.0})
    holding.order(1000.0, generation=2, emergency=(short,))
    block_until(lambda: level(holding)["durationSeconds"] == 100.0)
    assert post(holding) == 202
    block_until(lambda: bound(holding) <= 700.0)
    began = time.monotonic()
    pid = holding.agents[0].pid
    killed = children(pid)
    for each in killed.values():
        os.kill(each, signal.SIGKILL)
    block_until(lambda: all(map(gone, killed.values())) and len(children(pid)) == 2)
    block_until(lambda: bound(holding) > 900.0)

    assert time.monotonic() - began > 0.9 * short.duration_seconds / SPEED

"""`wattline simulate` on what people have: public traces, mixes, and the turns of a gateway that runs."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.integration.gateway_backend import Backend
from tests.integration.test_gateway import gateway_for
from tests.integration.test_gateway_record import converse
from tests.unit.sim import trace_files as files

from wattline.cli.main import main

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "one-box"


def simulated(*more):
    return CliRunner().invoke(
        main,
        ["simulate", "-f", str(EXAMPLE), "--product", "h200", "--hours", "0.05", "--clock", "full", *more],
    )


@pytest.mark.parametrize(
    "name",
    [
        "trace_0001.json",
        "trace.jsonl",
        "lmm.csv",
        "conversation_trace.jsonl",
        "servegen_w_dataset.jsonl",
        "turns.jsonl",
    ],
)
def test_every_format_is_played_and_said(tmp_path, name):
    result = simulated("--trace", str(files.write(tmp_path, name)), "--rate", "0.05")

    assert result.exit_code == 0, result.output
    assert str(tmp_path / name) in result.output.replace("\n", "")


def test_a_mix_is_played_with_what_was_left_out(tmp_path):
    for name in ("agentcgroup_llm_calls.csv", "azure2023.csv"):
        files.write(tmp_path, name)
    (tmp_path / "mix.yaml").write_text(
        "traces:\n- {name: coding, path: agentcgroup_llm_calls.csv, rate: 0.05}\n- {name: chat, path: azure2023.csv}\n"
    )
    result = simulated("--mix", str(tmp_path / "mix.yaml"), "--json", "-")

    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["runs_finished"] == answer["runs_offered"] >= 5
    assert "1 × runs whose output counts are a streaming placeholder, left out" in answer["trace_notes"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(files.AZURE_2023.replace("374", "9000000"), "1 × runs that need more than", id="one is too long"),
        pytest.param("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,9000000,1\n",
                     "no run can be played: 1 × runs that need more than", id="all are"),
        pytest.param(files.AZURE_2023[:-30], "3 cells stand in the header and 1 here: the file is cut off", id="cut off"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_said_before_it_is_tried(tmp_path, text, said):
    (tmp_path / "a.csv").write_text(text)

    assert said in " ".join(simulated("--trace", str(tmp_path / "a.csv")).output.split())


async def test_the_turns_of_a_live_gateway_are_played(tmp_path):
    engine = await Backend("e0").start()
    try:
        async with gateway_for(tmp_path, [engine]) as served:
            for session in ("s1", "s2"):
                await converse(served, session, turns=2)
            result = await asyncio.to_thread(simulated, "--record", served.url, "--json", "-")
    finally:
        await engine.stop()

    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert (answer["runs_offered"], answer["runs_finished"], answer["turns"]) == (2, 2, 4)
    assert answer["asked.trace"] == f"the gateway at {served.url}"
    assert answer["trace_notes"] == f"gateway record: the gateway at {served.url}"


async def test_a_gateway_that_served_nothing_says_what_to_do(tmp_path):
    engine = await Backend("e0").start()
    try:
        async with gateway_for(tmp_path, [engine]) as served:
            result = await asyncio.to_thread(simulated, "--record", served.url)
    finally:
        await engine.stop()

    assert "remembers no turn; `wattline record" in result.output

"""``wattline simulate`` as a user calls it."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from wattline.cli.simulate import simulate

EXAMPLE = str(Path(__file__).resolve().parents[2] / "examples" / "one-box")
NAMES = {
    "mean_watts", "joules_per_finished_run", "runs_finished", "runs_offered", "tokens_per_second_per_agent_p5",
    "ttft_seconds_p50", "ttft_seconds_p99", "run_seconds_mean", "run_seconds_p50", "run_seconds_p95",
    "recomputed_ratio", "max_celsius", "throttle_seconds", "over_budget_seconds",
}  # fmt: skip


def called(*arguments):
    return CliRunner().invoke(simulate, ["-f", EXAMPLE, "--product", "h200", "--hours", "0.05", *arguments])


def test_one_flat_object_with_stable_names_and_the_same_bytes_again(tmp_path):
    outs = [tmp_path / "one.json", tmp_path / "two.json"]
    for out in outs:
        result = called("--seed", "3", "--rate", "0.05", "--json", str(out))
        assert result.exit_code == 0, result.output
        assert "generated" in result.output
    report = json.loads(outs[0].read_text())

    assert report.keys() >= NAMES
    assert all(value is None or isinstance(value, int | float | str) for value in report.values())
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_real_traces_and_arrivals_are_taken_as_they_are(shared_data):
    result = called(
        "--trace", str(shared_data / "agentic"), "--rate", "0.03", "--json", "-",
        "--arrivals", str(shared_data / "traces" / "AzureLLMInferenceTrace_conv_2023.csv.gz"),
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["runs_finished"] > 0


def test_a_folder_that_one_would_apply_to_a_cluster_is_played(tmp_path):
    for name in ("coder-pool.yaml", "row.yaml"):
        shutil.copy(Path(EXAMPLE).parent / "cluster" / name, tmp_path)
    result = CliRunner().invoke(
        simulate, ["-f", str(tmp_path), "--hours", "0.02", "--rate", "0.05", "--cap", "wattline"]
    )

    assert result.exit_code == 0, result.output
    assert "the manifests name no nodes for 4 × coder" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("--clock", "fast"), "expected full, wattline or a clock in MHz", id="no such clock"),
        pytest.param(("--trace", "/nowhere"), "cannot be read", id="no such trace"),
        pytest.param(("--pool", "x"), "no InferencePool named x", id="no such pool"),
        pytest.param(("--json", "/nowhere/x.json"), "cannot write", id="nowhere to write"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments, said):
    result = called(*arguments)

    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output

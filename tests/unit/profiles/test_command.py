"""From a file of measurements over `wattline profile fit` to a simulation that runs on them."""

from random import Random

import pytest
from click.testing import CliRunner
from tests.unit.profiles import truth

from wattline.cli.profile import profile
from wattline.doors.manifests import load
from wattline.model.errors import ManifestError
from wattline.sim.arrivals import schedule
from wattline.sim.generate import generate
from wattline.sim.scenario import Scenario
from wattline.sim.simulate import simulate
from wattline.world.engines import QWEN3_14B

ARCHITECTURE = f"""\
weightBytes: {QWEN3_14B.weight_bytes}
activatedParameters: {QWEN3_14B.activated_parameters}
kvBytesPerToken: {QWEN3_14B.kv_bytes_per_token}
attentionFlopsPerTokenPair: {QWEN3_14B.attention_flops_per_token_pair}
maxContextTokens: {QWEN3_14B.max_context_tokens}
"""
FLEET = """\
apiVersion: wattline.dev/v1alpha1
kind: InferencePool
metadata: {name: p}
spec:
  model: acme/one
  endpoints: [{name: a, url: "http://127.0.0.1:8001", node: n1, gpus: [GPU-1]}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with measurements, the architecture, a fleet, and the profile that the command wrote."""
    folder = tmp_path_factory.mktemp("fleet")
    rows = [
        f"acme/one,h100,1,{p.sequences},{p.prompt_tokens},{p.output_tokens},{p.watts},{p.itl_seconds},{p.tokens_per_second}"
        for p in truth.points()
    ]
    header = "model,gpu,gpus,batch,promptTokens,outputTokens,watts,itlSeconds,tokensPerSecond"
    (folder / "m.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "arch.txt").write_text(ARCHITECTURE)
    (folder / "fleet.yaml").write_text(FLEET)
    result = fit(folder, "-o", str(folder / "profile.yaml"))
    assert result.exit_code == 0, result.output
    return folder


def fit(folder, *options):
    arguments = ["fit", str(folder / "m.csv"), "--architecture", str(folder / "arch.txt"), *options]
    return CliRunner().invoke(profile, arguments)


def test_what_it_writes_reads_back_as_it_is(folder):
    (found,) = load([folder]).profiles
    assert found.metadata.name == "one-h100-1"
    assert found.spec.engine.parameters.memory_watts == pytest.approx(truth.TRUTH.fit.memory_watts, rel=0.02)


def test_a_simulation_of_the_folder_runs_on_it(folder):
    fleet = load([folder])
    recording = generate(1, 0, shared_prefix=True)
    arrivals = schedule(recording, [0.0], Random(0))
    report = simulate(Scenario(fleet=fleet, pool="p", arrivals=arrivals, hours=0.01))
    assert report.runs_finished == 1


def test_it_says_how_far_off_it_is_and_what_was_not_measured(folder):
    said = " ".join(fit(folder, "-o", "-").stderr.split())
    assert "left out: watts off by" in said
    assert "note: no locked clocks, so what clocks do is not measured" in said


def test_a_model_without_architecture_is_asked_for_its_configuration(folder):
    result = CliRunner().invoke(profile, ["fit", str(folder / "m.csv")])
    assert result.exit_code == 1
    assert (
        "the architecture of acme/one is not known; give its config.json with --architecture" in result.output
    )


def test_show_and_check(folder):
    shown = CliRunner().invoke(profile, ["show", "-f", str(folder)]).output
    assert "one-h100-1: acme/one on 1 h100" in shown
    checked = CliRunner().invoke(profile, ["check", str(folder / "m.csv")]).output
    assert "acme/one on 1 h100: 5 points of 5 batch sizes" in checked


def test_two_profiles_of_one_engine_are_refused(folder, tmp_path):
    text = (folder / "profile.yaml").read_text()
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(text.replace("one-h100-1", "two"))
    with pytest.raises(
        ManifestError, match="acme/one on 1 h100 is what ModelProfile one-h100-1 is of already"
    ):
        load([tmp_path])

"""What is played, as options and as a file of a mix."""

import click
import pytest
from click.testing import CliRunner
from tests.unit.sim import trace_files as files

from wattline.cli.trace_options import TRACES, sources
from wattline.sim.mix import Source


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("agentcgroup_llm_calls.csv", "azure2023.csv"):
        files.write(tmp_path, name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(*arguments):
    """Return what arguments name, or what is said of them."""
    found = []

    @click.command()
    def command(**options):
        found.append(sources(options))

    for option in reversed(TRACES):
        command = option(command)
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    return found[0] if found else result.output


def told(found):
    return [(str(each), each.arrivals, each.tenant) for each in found]


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        ([], [("generated", None, "")]),
        (["--trace", "azure2023.csv"], [("azure2023.csv", None, "")]),
        (["--trace", "azure2023.csv", "--arrivals", "poisson"], [("azure2023.csv", "poisson", "")]),
        (["--trace", "a=azure2023.csv:3", "--trace", "b=agentcgroup_llm_calls.csv"],
         [("a=azure2023.csv:3", None, "a"), ("b=agentcgroup_llm_calls.csv", None, "b")]),
        (["--arrivals", "azure2023.csv"], [("generated", "azure2023.csv", "")]),
    ],
)  # fmt: skip
def test_options_name_traces(folder, arguments, want):
    assert told(asked(*arguments)) == want


def test_a_file_whose_name_looks_like_a_weight_is_a_file(folder):
    (folder / "a=b:3").write_text(files.AZURE_2023)

    assert told(asked("--trace", "a=b:3")) == [("a=b:3", None, "")]


def test_a_mix_says_more_of_each_trace(folder):
    (folder / "mix.yaml").write_text(
        "traces:\n"
        "- {name: coding, path: agentcgroup_llm_calls.csv, rate: 0.05, arrivals: azure2023.csv, harness: h}\n"
        "- {name: chat, path: azure2023.csv, weight: 2, arrivals: own, tenant: team}\n"
        "- {name: made}\n"
    )

    assert asked("--mix", str(folder / "mix.yaml")) == (
        Source(
            folder / "agentcgroup_llm_calls.csv",
            "coding",
            1.0,
            0.05,
            str(folder / "azure2023.csv"),
            "coding",
            "h",
        ),
        Source(folder / "azure2023.csv", "chat", 2.0, None, "own", "team"),
        Source(None, "made", tenant="made"),
    )


@pytest.mark.parametrize(
    ("arguments", "mix", "said"),
    [
        (["--trace", "azure2023.csv", "--mix", "mix.yaml"], "", "take one of them"),
        (["--mix", "mix.yaml", "--arrivals", "own"], "", "arrivals stand in its file"),
        (["--arrivals", "nowhere.csv"], "", "nowhere.csv: there is no such file"),
        (["--mix", "mix.yaml"], "traces: 3", "expected `traces:` and a list"),
        (["--mix", "mix.yaml"], "{", "mix.yaml: cannot be read"),
        (["--mix", "mix.yaml"], "traces: [{name: a, wait: 1}]", "trace 1: wait is nothing of a trace; there is arrivals"),
        (["--mix", "mix.yaml"], "traces: [{name: a}, {name: b/c}]", "trace 2: name: expected letters"),
        (["--mix", "mix.yaml"], "traces: [{name: a, weight: 0}]", "weight: expected a number above 0, not 0"),
        (["--mix", "mix.yaml"], "traces: [{name: a, rate: fast}]", "rate: expected a number above 0, not 'fast'"),
        (["--mix", "mix.yaml"], "traces: [{name: a, path: 3}]", "path: expected text, not 3"),
        (["--mix", "mix.yaml"], "traces: [{name: a, arrivals: x.csv}]", "arrivals: there is no"),
        (["--record", "http://127.0.0.1:9"], "", "http://127.0.0.1:9/v1/turns does not answer"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said(folder, arguments, mix, said):
    (folder / "mix.yaml").write_text(mix)

    assert said in " ".join(asked(*arguments).replace("│", " ").split())

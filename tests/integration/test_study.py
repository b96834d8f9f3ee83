"""``wattline simulate``'s what-if, ``wattline sweep`` and ``wattline compare`` as a user calls them."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.fakes.ray import Ray

from wattline.cli.main import main
from wattline.model.fleet import Fleet
from wattline.sim.scenario import Scenario
from wattline.sim.sensors import EXACT

EXAMPLE = str(Path(__file__).resolve().parents[2] / "examples" / "one-box")
TWO_POOLS = str(Path(EXAMPLE).parent / "cluster")
SMALL = ["-f", EXAMPLE, "--product", "h200", "--hours", "0.01", "--rate", "0.1"]


def called(*arguments, code=0, columns=None):
    result = CliRunner(env={"COLUMNS": columns}).invoke(main, [str(each) for each in arguments])

    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.mark.parametrize("columns", ["200", "80"])
def test_no_figure_is_cut_off_by_a_narrow_terminal(columns):
    output = called("simulate", *SMALL, columns=columns)

    assert "…" not in output
    assert "FIRST TOKEN P50" in output
    assert all(len(line) <= 80 for line in output.splitlines() if "kJ" in line) or columns == "200"


def test_a_person_reads_what_was_asked_what_came_of_it_and_what_it_means(tmp_path):
    output = called(
        "simulate", *SMALL, "--budget", "box=-10%", "--replicas", "coder=6", "--html", tmp_path / "x.html"
    )

    for text in (
        "not a hardware result", "what if   --budget box=-10% --replicas coder=6", "Poisson, 0.1 runs/s, for 0.01 h",
        "POOL", "DOMAIN", "2.97 kW", "box never draws more than its 2.97 kW", f"Page with plots: {tmp_path / 'x.html'}",
    ):  # fmt: skip
        assert text in output
    assert "simulated, not a hardware result" in (tmp_path / "x.html").read_text().lower()


def test_policies_see_as_machines_tell_unless_asked_otherwise_and_published_figures_are_exact():
    seen = [
        json.loads(called("simulate", *SMALL, *more, "--json", "-"))["asked.sensors"]
        for more in ((), ("--sensors", "exact"))
    ]

    assert seen == ["real", "exact"]
    assert Scenario(Fleet((), ())).sensors is EXACT


def test_an_output_that_can_be_written_is_left_as_it_was_until_there_is_an_answer(tmp_path):
    (tmp_path / "old.json").write_text("old")
    called(
        "simulate",
        *SMALL,
        "--trace",
        "/nowhere",
        "--json",
        tmp_path / "old.json",
        "--html",
        tmp_path / "new",
        code=1,
    )

    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("old.json", "old")]


def test_help_shows_whole_commands():
    assert "\n  wattline simulate --from-cluster --budget row-a=-10%\n" in called("simulate", "--help")
    assert "goes on where it was stopped" in " ".join(called("sweep", "--help").split())


def test_a_recording_is_a_table_with_a_row_for_every_moment():
    rows = called("simulate", *SMALL, "--series", "-", "--series-seconds", "10").splitlines()

    assert rows[0].startswith(
        "at_seconds,watts,clock_mhz,celsius,domains.box.watts,pools.coder.resident_tokens"
    )
    assert [row.split(",")[0] for row in rows[1:4]] == ["10.0", "20.0", "30.0"]


def test_what_a_sweep_advises_to_compare_can_be_compared(tmp_path):
    output = called(
        "sweep", *SMALL, "--vary", "clock=full,900", "--vary", "rate=0.1,0.2", "--seeds", "1", "--jobs", "1",
        "--out", tmp_path / "out",
    )  # fmt: skip
    advised = next(line for line in output.splitlines() if line.startswith("What differs: "))

    assert "clock: full → 900" in called(*shlex.split(advised)[3:])


def test_a_sweep_is_compared_variant_against_variant(tmp_path):
    output = called(
        "sweep", *SMALL, "--vary", "clock=full,900", "--seeds", "2", "--jobs", "2", "--out", tmp_path / "out",
        "--html", tmp_path / "sweep.html",
    )  # fmt: skip
    assert "4/4" in output
    assert len((tmp_path / "out" / "results.csv").read_text().splitlines()) == 5

    a, b = tmp_path / "out" / "clock=full", tmp_path / "out" / "clock=900"
    output = called("compare", a, b, "--html", tmp_path / "compare.html")
    assert "clock: full → 900" in output
    assert "2 seeds in both (1, 2)" in output
    assert "peak draw, W" in output
    assert (tmp_path / "compare.html").exists()

    (a / "seed-1.json").unlink()
    output = called("sweep", *SMALL, "--vary", "clock=full,900", "--seeds", "2", "--out", tmp_path / "out")
    assert "3 of 4 cells are there already" in output


def test_answers_of_other_code_are_played_again_and_that_is_said(tmp_path):
    sweep = ("sweep", *SMALL, "--seeds", "1", "--jobs", "1", "--out", tmp_path)
    called(*sweep)
    kept = tmp_path / "all" / "seed-1.json"
    answer = json.loads(kept.read_text())
    kept.write_text(json.dumps(answer | {"question_sha256": "of last year", "runs_finished": -1}))

    assert "1 of 1 cells are answers of other code, or to another question: played again" in called(*sweep)
    assert json.loads(kept.read_text())["runs_finished"] == answer["runs_finished"]


def test_other_work_is_not_compared(tmp_path):
    for name, rate in (("a", "0.1"), ("b", "0.2")):
        called("simulate", *SMALL, "--rate", rate, "--json", tmp_path / f"{name}.json")

    output = called("compare", tmp_path / "a.json", tmp_path / "b.json", code=1)
    assert "did not have the same work (rate 0.1 and 0.2)" in output


def test_a_grid_can_be_a_file_and_the_command_line_goes_before_it(tmp_path):
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        f"options: {{file: {EXAMPLE}, product: h200, hours: 0.01, rate: 0.5, shared-prefix: off}}\n"
        "vary: {clock: [full, 900], budget: [box=-10%]}\n"
        "seeds: 1\n"
    )
    called("sweep", "--grid", grid, "--rate", "0.1", "--out", tmp_path / "out", "--jobs", "1")

    (one,) = (tmp_path / "out" / "clock=900,budget=box=-10%").glob("*.json")
    result = json.loads(one.read_text())
    assert result["asked.rate"] == 0.1
    assert result["asked.shared_prefix"] == "off"
    assert result["domains.box.budget_watts"] == 2970


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["simulate"], "which fleet? Name manifests with -f FOLDER", id="no fleet"),
        pytest.param(["simulate", *SMALL, "--from-cluster"], "both name a fleet", id="two fleets"),
        pytest.param(["simulate", *SMALL, "--context", "x"], "add --from-cluster", id="a context of nothing"),
        pytest.param(["simulate", *SMALL, "--budget", "row=1"], "there is: box", id="no such domain"),
        pytest.param(["simulate", *SMALL, "--replicas", "coder=60"], "lists 8 endpoints", id="too many replicas"),
        pytest.param(["simulate", *SMALL, "--pool", "coder=fast"], "expected runs per second", id="no rate"),
        pytest.param(["simulate", "-f", TWO_POOLS], "Name them: --pool", id="several pools"),
        pytest.param(["simulate", "-f", f"{EXAMPLE}/pool.yaml", "--cap", "uniform"], "no PowerDomain says a budget", id="no budget"),
        pytest.param(["simulate", *SMALL, "--series-seconds", "7"], "a multiple of 5 s", id="odd moments"),
        *(
            pytest.param(["simulate", *SMALL, option, value], "expected a finite number", id=f"{option} {value}")
            for option, value in (("--hours", "nan"), ("--load", "inf"), ("--rate", "inf"), ("--series-seconds", "inf"))
        ),
        pytest.param(["simulate", *SMALL, "--pool", "coder=inf"], "expected runs per second", id="runs without end"),
        pytest.param(["simulate", *SMALL, "--replicas", "coder=0"], "a number of replicas, 1 or more", id="no replica"),
        pytest.param(["simulate", *SMALL, "--event", "row/r0=stop@9s"], "no InferencePool named row; there is: coder", id="no pool"),
        pytest.param(["simulate", *SMALL, "--event", "coder/r0=stop@9s"], "there is: coder-0, coder-1", id="no such replica"),
        *(
            pytest.param(["simulate", *SMALL, "--trace", "/nowhere", option, "/dev/null/x"], "cannot write /dev/null/x",
                         id=f"{option} is looked at first")
            for option in ("--json", "--html", "--series")
        ),
        pytest.param(["simulate", *SMALL, "--json", "-", "--series", "-"], "cannot both be", id="two on one output"),
        pytest.param(["sweep", *SMALL, "--vary", "clok=1", "--out", "{out}"], "no option clok to vary", id="no such option"),
        pytest.param(["sweep", *SMALL, "--vary", "clock", "--out", "{out}"], "is not OPTION=A,B", id="no values"),
        pytest.param(["sweep", *SMALL, "--vary", "cap=much", "--out", "{out}"], "'much' is not one of", id="no such value"),
        pytest.param(["sweep", *SMALL, "--vary", "clock=fast", "--out", "{out}"], "expected full, wattline or", id="no clock"),
        pytest.param(["sweep", *SMALL, "--vary", "rate=1", "--vary", "rate=2", "--out", "{out}"], "rate stands twice", id="twice"),
        pytest.param(["sweep", *SMALL, "--out", "/dev/null/x"], "cannot write into /dev/null/x", id="no folder"),
        pytest.param(["sweep", *SMALL, "--ray", "--out", "{out}"], "--ray needs Ray: pip install ray", id="no Ray"),
        pytest.param(["sweep", "--grid", "{grid}", "--out", "{out}"], "expected a mapping with options, vary, seeds", id="odd grid"),
        pytest.param(["sweep", "--grid", "/nowhere", "--out", "{out}"], "/nowhere: cannot be read", id="no grid"),
        pytest.param(["compare", "/nowhere", "/nowhere"], "cannot be read: No such file", id="nothing to compare"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_with_its_remedy(tmp_path, monkeypatch, arguments, said):
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "grid.yaml").write_text("fields: 1\n")
    result = CliRunner().invoke(
        main, [each.format(out=tmp_path / "out", grid=tmp_path / "grid.yaml") for each in arguments]
    )

    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


def test_ray_is_the_same_command(tmp_path, monkeypatch):
    ray = Ray()
    monkeypatch.setitem(sys.modules, "ray", ray)
    output = called("sweep", *SMALL, "--seeds", "2", "--ray", "ray://head:10001", "--out", tmp_path)

    assert "2/2" in output
    assert ray.address == "ray://head:10001"
    assert len(list(tmp_path.glob("all/seed-*.json"))) == 2


def sweeping(folder):
    code = "import sys; from wattline.cli.main import main; sys.argv[0] = 'wattline'; main()"
    arguments = ["sweep", *SMALL, "--seeds", "40", "--jobs", "1", "--out", str(folder)]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def first_answers(folder, process):
    deadline = time.monotonic() + 40
    while not list(folder.glob("all/*.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_is_stopped_leaves_its_answers_and_no_process(tmp_path, number):
    process = sweeping(tmp_path)
    try:
        first_answers(tmp_path, process)
    finally:
        process.send_signal(number)
    _, told = process.communicate(timeout=20)

    if number == signal.SIGTERM:
        assert process.returncode == 130
        assert "the same command goes on" in told
    assert 1 <= len(list(tmp_path.glob("all/*.json"))) < 40
    deadline = time.monotonic() + 10
    while alive(process.pid):
        assert time.monotonic() < deadline, alive(process.pid)
        time.sleep(0.05)


def alive(session):
    """Return the processes of a session that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (
                    os.getsid(int(entry.name)) == session
                    and "State:\tZ" not in (entry / "status").read_text()
                ):
                    found.append(entry.name)
            except OSError:
                continue
    return found

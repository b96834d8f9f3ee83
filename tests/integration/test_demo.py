"""The demo as a user starts it: real processes, stopped half way or failing."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

DEMO = [str(Path(sys.executable).with_name("wattline")), "demo"]
EXAMPLES = Path(__file__).parents[2] / "examples"


def processes(marker):
    """Return the command lines of living processes that mention ``marker``."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, UnicodeDecodeError):
            continue
        if marker in line:
            found.append(line)
    return found


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder for the demo's temporary one, whose name marks its processes."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("WATTLINE_SHARED", str(tmp_path / "nothing"))
    return tmp_path


@pytest.fixture(scope="module")
def one_node(tmp_path_factory):
    """The first node of the demo's two: the same parts, half as many processes."""
    folder = tmp_path_factory.mktemp("one-node")
    domain = yaml.safe_load((EXAMPLES / "two-nodes" / "domain.yaml").read_text())
    domain["spec"]["nodes"] = ["n1"]
    pool = yaml.safe_load((EXAMPLES / "two-nodes" / "pool.yaml").read_text())
    pool["spec"]["endpoints"] = [each for each in pool["spec"]["endpoints"] if each["node"] == "n1"]
    for thing in (domain, pool):
        (folder / f"{thing['kind']}.yaml").write_text(yaml.safe_dump(thing))
    return folder


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def heeds_interrupts():
    """A shell lets what it starts in the background ignore Ctrl-C, and with it all that these tests start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        pytest.param(signal.SIGINT, "runs done", id="Ctrl-C while agents run"),
        pytest.param(signal.SIGTERM, "full clocks", id="terminated while parts start"),
    ],
)
def test_interrupted_it_leaves_no_process_and_no_file(work, one_node, number, moment):
    demo = subprocess.Popen(
        [*DEMO, "-f", str(one_node), "--speed", "5", "--report", str(work / "report.html")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=heeds_interrupts,  # noqa: PLW1509  # no other thread runs in this test
    )
    try:
        line = ""
        while moment not in line:
            line = demo.stdout.readline()
            assert line, "the demo ended by itself"
        wait_for(
            lambda: any("fake-node" in each for each in processes(str(work))), 20, "no fake node started"
        )
        demo.send_signal(number)
        rest, _ = demo.communicate(timeout=30)
    finally:
        demo.kill()
        demo.stdout.close()

    assert demo.returncode == 130
    assert "stopped: every process has ended, every device is as it was" in rest
    assert processes(str(work)) == []
    assert list(work.iterdir()) == []


def test_without_recorded_runs_it_says_that_they_are_generated_and_simulates_in_seconds(work):
    done = subprocess.run(
        [*DEMO, "--fast", "--speed", "6"], capture_output=True, text=True, timeout=60, check=True
    )

    assert "40 generated agent runs (no recorded ones at hand; --trace DIR)" in done.stdout
    assert re.search(r"^wattline .*/40 done .*kJ .*recomputed$", done.stdout, re.MULTILINE)
    assert done.stdout.count("over budget for") == 1


def test_a_part_that_fails_is_named_with_the_end_of_its_log(work, tmp_path):
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    for file in (EXAMPLES / "one-box").glob("*.yaml"):
        text = file.read_text().replace("node: n2", "node: n3")
        (fleet / file.name).write_text(text)
    done = subprocess.run([*DEMO, "-f", str(fleet)], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert "fake-node-n2 ended with code 1" in done.stderr
    assert "no InferencePool has an endpoint on node n2" in done.stderr
    assert processes(str(work)) == []


@pytest.mark.timeout(150)
def test_three_short_passes_end_with_a_table_and_a_report(work, one_node):
    report = work / "report.html"
    done = subprocess.run(
        [*DEMO, "-f", str(one_node), "--speed", "5", "--pass-seconds", "1", "--report", str(report)],
        capture_output=True,
        text=True,
        timeout=140,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    for name in ("full clocks", "uniform cap", "wattline"):
        assert sum(line.startswith(name) and "/40 done" in line for line in lines) == 1
    assert "never over" in next(line for line in lines if line.startswith("wattline  "))
    assert "After every pass all limits and clocks were as they had been before it" in report.read_text()
    assert processes(str(work)) == []
    assert list(work.iterdir()) == [report]

"""Questions to the simulator whose answers are compared byte by byte, and how another Wattline or Python plays them."""

import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "operator" / "src"
PLAYS = {
    "full clocks": ["-f", "examples/one-box", "--hours", "0.3", "--clock", "full"],
    "clocks by policy": ["-f", "examples/one-box", "--hours", "0.3", "--rate", "0.16"],
    "watts shared": ["-f", "examples/one-box", "--hours", "0.3", "--cap", "wattline", "--budget", "box=-30%"],
    "a budget that falls": ["-f", "examples/one-box", "--hours", "0.3", "--cap", "wattline", "--budget", "box=-40%@6min"],
    "uniform limits": ["-f", "examples/one-box", "--hours", "0.3", "--cap", "uniform", "--budget", "box=-30%"],
    "one constant clock": ["-f", "examples/one-box", "--hours", "0.3", "--clock", "900", "--product", "h200"],
    "turns that wait for memory": ["-f", "examples/one-box", "--hours", "0.2", "--rate", "0.6"],
    "no admission, turn about": ["-f", "examples/one-box", "--hours", "0.2", "--admission", "off", "--routing", "round-robin"],
    "two nodes, one fails": ["-f", "examples/two-nodes", "--hours", "0.3", "--cap", "wattline", "--event", "coder/coder-1=stop@6min"],
    "another curve, exact sensors": ["-f", "examples/one-box", "--hours", "0.3", "--shape", "linear", "--sensors", "exact", "--seed", "7"],
}  # fmt: skip
SWEEP = ["-f", "examples/one-box", "--hours", "0.1", "--vary", "clock=full,wattline", "--seeds", "2", "--jobs", "2"]  # fmt: skip
"""On processes of their own, which questions are sent to."""
PYTHON = Path(sys.executable)


def wattline(package: Path, *words: str, python: Path = PYTHON) -> float:
    """Run a command of the Wattline in ``package``; return its CPU seconds. Raises ``CalledProcessError`` where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [python, "-c", "from wattline.cli.main import main; main()", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(package)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before.ru_utime


def answers(package: Path, out: Path, *, python: Path = PYTHON) -> dict[str, tuple[list[bytes], float]]:
    """Return what each question's files hold, figures and columns over time, and its CPU seconds."""
    found = {}
    for name, words in PLAYS.items():
        folder = out / name
        folder.mkdir(parents=True)
        files = [folder / "answer.json", folder / "series.csv"]
        seconds = wattline(
            package, "simulate", *words, "--json", str(files[0]), "--series", str(files[1]), python=python
        )
        found[name] = [file.read_bytes() for file in files], seconds
    folder = out / "sweep"
    seconds = wattline(package, "sweep", *SWEEP, "--out", str(folder), python=python)
    files = sorted(folder.rglob("*.json")) + sorted(folder.rglob("*.csv"))
    found["a sweep on two processes"] = [file.read_bytes() for file in files], seconds
    return found

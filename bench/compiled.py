"""Whether the optional compiled build gives the bytes of the interpreted one, and where it lies for measuring.

    .venv/bin/python bench/compiled.py [--into FOLDER]

Builds a wheel from this checkout as `HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 pip install ./operator` would (needs a C compiler, and
a network for mypy where it was never fetched), unpacks it, plays the same questions with this checkout's source and with the
wheel, and compares what was written: every figure, and the columns over time. Exit code 1 where a byte differs.
With ``--into`` the unpacked wheel stays there, for `PYTHONPATH=FOLDER .venv/bin/python bench/simulator.py …`.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import zipfile
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


def build(folder: Path) -> None:
    """Unpack a compiled wheel of this checkout into ``folder``."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            [ROOT / ".tools/bin/uv", "build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", out, "operator"],
            cwd=ROOT,
            env=os.environ | {"HATCH_BUILD_HOOK_ENABLE_CUSTOM": "1"},
            check=True,
        )  # fmt: skip
        (wheel,) = Path(out).glob("*.whl")
        zipfile.ZipFile(wheel).extractall(folder)


def wattline(package: Path, *words: str) -> tuple[bytes, float]:
    """Return what a command of the Wattline in ``package`` writes, and its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(
        [sys.executable, "-c", "from wattline.cli.main import main; main()", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(package)},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return said, after.ru_utime - before.ru_utime


def played(package: Path, words: list[str], out: Path) -> tuple[list[bytes], float]:
    files = [out / "answer.json", out / "series.csv"]
    _, seconds = wattline(package, "simulate", *words, "--json", str(files[0]), "--series", str(files[1]))
    return [file.read_bytes() for file in files], seconds


def swept(package: Path, out: Path) -> tuple[list[bytes], float]:
    _, seconds = wattline(package, "sweep", *SWEEP, "--out", str(out))
    return [file.read_bytes() for file in sorted(out.rglob("*.json")) + sorted(out.rglob("*.csv"))], seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--into", type=Path, help="where the unpacked wheel stays; one that is there is taken as it is"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.into or Path(temporary) / "wheel").absolute()
        if not folder.exists():
            build(folder)
        native = sorted(folder.glob("wattline/**/*.so"))
        print(f"{len(native)} compiled modules in {folder}")
        apart = 0 if native else 1
        for name, words in {**PLAYS, "a sweep on two processes": None}.items():
            outs = [Path(temporary) / name / kind for kind in ("interpreted", "compiled")]
            answers = []
            for package, out in zip((SOURCE, folder), outs, strict=True):
                out.mkdir(parents=True)
                answers.append(swept(package, out) if words is None else played(package, words, out))
            (one, slow), (other, quick) = answers
            apart += one != other
            print(
                f"{'equal' if one == other else 'APART':6} {name}: {sum(map(len, one)):,} bytes; "
                f"{slow:.1f} s interpreted, {quick:.1f} s compiled",
                flush=True,
            )
    sys.exit(apart > 0)


if __name__ == "__main__":
    main()

"""Promise 7 across processes: hash seeds and dictionary orders of another interpreter change no byte."""

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from wattline.cli.main import main

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "one-box"
ARGUMENTS = [
    "simulate", "-f", str(EXAMPLE), "--product", "h200",
    "--hours", "0.01", "--rate", "0.15", "--cap", "wattline", "--seed", "7", "--json", "-",
]  # fmt: skip


def of_another_interpreter():
    code = "import sys; from wattline.cli.main import main; sys.argv[0] = 'wattline'; main()"
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    return subprocess.run(
        [sys.executable, "-c", code, *ARGUMENTS],
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        check=True,
        timeout=50,
    ).stdout


def figures(written):
    """Return the lines without the hashes of the code, which somebody may be writing at this moment."""
    return [
        line for line in written.splitlines() if b"code_sha256" not in line and b"question_sha256" not in line
    ]


def test_another_interpreter_writes_the_same_bytes():
    ours = CliRunner().invoke(main, ARGUMENTS).stdout_bytes

    assert b'"runs_finished"' in ours
    assert figures(ours) == figures(of_another_interpreter())

"""Promise 7 across processes: hash seeds and dictionary orders of another interpreter change no byte."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "one-box"


def out_of(hash_seed):
    code = "import sys; from wattline.cli.main import main; sys.argv[0] = 'wattline'; main()"
    run = [
        sys.executable, "-c", code, "simulate", "-f", str(EXAMPLE), "--product", "h200",
        "--hours", "0.02", "--rate", "0.15", "--cap", "wattline", "--seed", "7", "--json", "-",
    ]  # fmt: skip
    return subprocess.run(
        run, env=os.environ | {"PYTHONHASHSEED": hash_seed}, capture_output=True, check=True, timeout=50
    ).stdout


def test_another_interpreter_writes_the_same_bytes():
    first = out_of("1")

    assert b'"runs_finished"' in first
    assert first == out_of("2")

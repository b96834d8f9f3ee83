"""Whether the optional compiled build gives the bytes of the interpreted one, and where it lies for measuring.

    .venv/bin/python bench/compiled.py [--into FOLDER]

Builds a wheel from this checkout as `HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 pip install ./operator` would (needs a C compiler, and
a network for mypy where it was never fetched), unpacks it, plays the same questions with this checkout's source and with the
wheel, and compares what was written: every figure, and the columns over time. Exit code 1 where a byte differs.
With ``--into`` the unpacked wheel stays there, for `PYTHONPATH=FOLDER .venv/bin/python bench/simulator.py …`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from plays import ROOT, SOURCE, answers


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
        interpreted = answers(SOURCE, Path(temporary) / "interpreted")
        compiled = answers(folder, Path(temporary) / "compiled")
        for name, (one, slow) in interpreted.items():
            other, quick = compiled[name]
            apart += one != other
            print(
                f"{'equal' if one == other else 'APART':6} {name}: {sum(map(len, one)):,} bytes; "
                f"{slow:.1f} s interpreted, {quick:.1f} s compiled",
                flush=True,
            )
    sys.exit(apart > 0)


if __name__ == "__main__":
    main()

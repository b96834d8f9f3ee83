"""Whether every Python at hand gives the same bytes.

    .venv/bin/python bench/pythons.py [--into FOLDER]

Looks for other versions of CPython from 3.11 on (``python3.N`` on the path, and pyenv's), installs what Wattline needs beside each of
them (from the package index, kept in ``.build/pythons`` or FOLDER), plays the same questions from this checkout's source, and compares
what was written with what this Python writes: every figure, and the columns over time. Exit code 1 where a byte differs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from plays import PYTHON, ROOT, SOURCE, answers

MINORS = range(11, 20)
VERSION = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--into", type=Path, default=ROOT / ".build" / "pythons", help="where the others' packages stay"
    )
    asked = parser.parse_args()
    others = at_hand()
    if not others:
        print(f"no Python from 3.{MINORS[0]} on at hand but {_version(PYTHON)}: nothing to compare")
        return
    pythons = {_version(PYTHON): PYTHON} | {
        version: furnished(python, asked.into.absolute() / version) for version, python in others.items()
    }
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(os.cpu_count()) as pool:
        said = dict(
            zip(
                pythons,
                pool.map(lambda at: answers(SOURCE, Path(temporary) / at, python=pythons[at]), pythons),
                strict=True,
            )
        )
    ours = said.pop(_version(PYTHON))
    apart = 0
    for version, found in said.items():
        for name, (files, _) in found.items():
            same = files == ours[name][0]
            apart += not same
            print(
                f"{'equal' if same else 'APART':6} Python {version}, {name}: {sum(map(len, files)):,} bytes"
            )
    sys.exit(apart > 0)


def at_hand() -> dict[str, Path]:
    """Return one Python for each version but this one, by version."""
    found: dict[str, Path] = {}
    for python in _candidates():
        version = _version(python)
        if version and version != _version(PYTHON):
            found.setdefault(version, python)
    return dict(sorted(found.items()))


def furnished(python: Path, folder: Path) -> Path:
    """Return a Python of an environment with what Wattline needs, made where it is not there yet."""
    uv = ROOT / ".tools" / "bin" / "uv"
    inside = folder / "bin" / "python"
    if not inside.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", python, folder], check=True)
    subprocess.run(
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            inside,
            "-c",
            "requirements/dev.txt",
            "./operator[sim]",
        ],
        cwd=ROOT,
        check=True,
    )
    return inside


def _candidates() -> Iterator[Path]:
    for minor in MINORS:
        named = shutil.which(f"python3.{minor}")
        if named is not None:
            yield Path(named)
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(root.glob("versions/3.*/bin/python"), reverse=True)


def _version(python: Path) -> str:
    """Return the version of a CPython that runs and that Wattline can run on, else nothing."""
    said = subprocess.run([python, "-c", VERSION], capture_output=True, text=True, check=False)
    name, _, version = said.stdout.strip().partition(" ")
    usable = said.returncode == 0 and name == "cpython" and int(version.partition(".")[2]) in MINORS
    return version if usable and version.startswith("3.") else ""


if __name__ == "__main__":
    main()

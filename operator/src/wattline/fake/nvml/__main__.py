"""``python -m wattline.fake.nvml``: compile the fake driver library, or write and check its header."""

import argparse
import sys
from pathlib import Path

from wattline.fake.nvml import layout
from wattline.fake.nvml.library import BuildError, build

HEADER = Path(layout.__file__).with_name("layout.h")


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m wattline.fake.nvml", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build_command = commands.add_parser("build", help="compile the library into a folder")
    build_command.add_argument("folder", type=Path)
    build_command.add_argument("--cc", default="cc")
    header_command = commands.add_parser("header", help="write layout.h from layout.py")
    header_command.add_argument("--check", action="store_true", help="only say whether it is up to date")
    arguments = parser.parse_args()
    if arguments.command == "build":
        try:
            build(arguments.folder, arguments.cc)
        except BuildError as error:
            return _say(str(error))
    elif not arguments.check:
        HEADER.write_text(layout.header())
    elif HEADER.read_text() != layout.header():
        return _say(f"{HEADER.name} is out of date: run python -m wattline.fake.nvml header")
    return 0


def _say(problem: str) -> int:
    print(problem, file=sys.stderr)  # noqa: T201 - a command prints
    return 1


if __name__ == "__main__":
    sys.exit(main())

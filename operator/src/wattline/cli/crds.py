"""``wattline crds``: files that are made from the models of the API."""

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from wattline.api import crds as generated


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--check", is_flag=True, help="Write nothing; print a diff and exit 1 where a file is out of date."
)
@click.option(
    "--reference",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The API reference to write or check as well.",
)
def crds(folder: Path, check: bool, reference: Path | None) -> None:
    """Write the custom resource definitions into FOLDER, or check that they are up to date."""
    wanted = {folder / name: text for name, text in generated.files().items()}
    if reference is not None:
        wanted[reference] = generated.reference()
    if check:
        difference = list(_difference(folder, wanted))
        sys.stdout.writelines(difference)
        sys.exit(1 if difference else 0)
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in _left_over(folder, wanted):
        path.unlink()


def _left_over(folder: Path, wanted: dict[Path, str]) -> list[Path]:
    """Return the files that were made from a kind that is no more; nobody else's file."""
    others = sorted(set(folder.glob("*.yaml")) - wanted.keys())
    return [path for path in others if path.read_text(encoding="utf-8").startswith(generated.HEADER)]


def _difference(folder: Path, wanted: dict[Path, str]) -> Iterator[str]:
    """Yield a unified diff from the files that stand to those that should."""
    for path, text in sorted((wanted | dict.fromkeys(_left_over(folder, wanted), "")).items()):
        there = path.read_text(encoding="utf-8") if path.is_file() else ""
        yield from difflib.unified_diff(
            there.splitlines(keepends=True), text.splitlines(keepends=True), str(path), f"{path} (generated)"
        )

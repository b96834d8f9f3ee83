"""``wattline compare``: two variants of one question, seed by seed, and which differences are more than chance."""

from pathlib import Path

import click
from rich.table import Table

from wattline.cli.asking import told, written
from wattline.cli.tables import console
from wattline.study import results
from wattline.study.compare import Comparison, Verdict
from wattline.study.compare import compare as compared
from wattline.study.tabled import HEADINGS, cells, seeds

_COLOURS = {Verdict.BETTER: "green", Verdict.WORSE: "red", Verdict.DIFFERS: "bold"}


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Also show what is equal in both.")
@click.option(
    "--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with plots there."
)
def compare(a: Path, b: Path, everything: bool, page: Path | None) -> None:
    """Say in what B differs from A, and which of that is more than chance.

    A and B are results of `wattline simulate --json`, or folders with one for each seed, as `wattline sweep` makes
    them. Both had the same work under each seed, or they are not compared. An interval is 95 %, by Student's t over
    the seeds' differences.
    """
    with told():
        found = compared(results.by_seed(a), results.by_seed(b))
    _show(found, str(a), str(b), everything=everything)
    if page is not None:
        from wattline.study import comparepage  # noqa: PLC0415 - plots need a second that tables do not

        written(page, comparepage.page(found, str(a), str(b)))
        click.echo(f"\nPage with plots: {page}")


def _show(found: Comparison, a: str, b: str, *, everything: bool) -> None:
    out = console()
    out.print("Simulated, not a hardware result", style="bold", highlight=False)
    out.print(f"A  {a}\nB  {b}", highlight=False, markup=False)
    for name, before, after in found.asked:
        out.print(f"   {name}: {before} → {after}", highlight=False, markup=False)
    if not found.asked:
        out.print("   asked the same in both", highlight=False)
    out.print(seeds(found) + "\n", highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in HEADINGS:
        table.add_column(name, justify="left" if name == "" else "right", no_wrap=True)
    for row in found.rows:
        if everything or row.verdict is not Verdict.EQUAL:
            table.add_row(*cells(row), style=_COLOURS.get(row.verdict))
    out.print(table, highlight=False)
    equal = sum(row.verdict is Verdict.EQUAL for row in found.rows)
    if equal and not everything:
        out.print(f"{equal} more are equal under every seed (--all shows them)", style="dim", highlight=False)
    undecided = [row.quantity.title for row in found.rows if row.verdict is Verdict.UNDECIDED]
    if undecided:
        out.print(
            f"\nNot told apart by these seeds: {'; '.join(undecided)}.", highlight=False, soft_wrap=True
        )

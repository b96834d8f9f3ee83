"""The reference page of the papers, from the studies' results."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.papers.figures import number
from bench.papers.study import Claim, Finding, Form, Kind, Paper, Study, Table
from bench.papers.takenover import TakenOver

HEAD = """# What the papers claim, and what we find

Every claim is put beside ours on real traces and on physics fitted to public measurements: **none of it is a hardware result**. `make papers` writes this page.

* **E** emerges from parts calibrated independently of it; **C** is checked on measured data that no fit has seen; **A** follows by arithmetic from the paper's own inputs. Only E and C count as reproduced.
* Sources: [P] the paper's text, [P abs] its abstract, [A] its code or data, [S] a secondary account, [R] our reconstruction of what it leaves open, [C] computed from these.
* An interval is 95 % over seeds, by Student's t. Bands were written down before the runs shown here, many of them after first trials had shown direction and size, and a few claims were
  added late: they are no pre-registration. None was moved because of a result.
"""
FORMS = {
    Form.CI: "shortest form: it points a way and proves nothing",
    Form.REDUCED: "reduced form",
    Form.FULL: "full form",
}


@dataclass(frozen=True, slots=True)
class Result:
    """A study of a paper, and what it was computed from."""

    paper: Paper
    study: Study
    form: Form
    code: str
    inputs: dict[str, str]
    taken_over: TakenOver | None = None


def page(results: Sequence[Result]) -> str:
    """Return the whole page as Markdown."""
    return (
        "\n".join([HEAD, *_summary(results), *(line for result in results for line in _part(result))]) + "\n"
    )


def ours(finding: Finding) -> str:
    """Return our value with its interval."""
    half = finding.half_width
    spread = "" if half is None or half == 0 else f" ± {number(half)}"
    return f"{number(finding.mean)}{spread} {finding.claim.unit}".rstrip()


def band(claim: Claim) -> str:
    """Return the accepted band in words."""
    least, most = claim.least, claim.most
    if least is None:
        return "any" if most is None else f"≤ {number(most)}"
    return f"≥ {number(least)}" if most is None else f"{number(least)} to {number(most)}"


def verdict(finding: Finding) -> str:
    """Return what a finding says of its claim."""
    if not finding.accepted:
        return "no"
    return "arithmetic" if finding.claim.kind is Kind.ARITHMETIC else "yes"


def _summary(results: Sequence[Result]) -> Iterable[str]:
    yield from _lines(
        Table(
            "",
            ("paper", "form", "headline claims in the band", "of all", "of them E or C"),
            tuple(
                (
                    f"[{result.paper.title}](#{_anchor(result.paper.title)})",
                    result.form.value,
                    _share([f for f in result.study.findings if f.claim.headline]),
                    _share(result.study.findings),
                    str(sum(f.claim.kind is not Kind.ARITHMETIC for f in result.study.findings)),
                )
                for result in results
            ),
        )
    )


def _share(findings: Sequence[Finding]) -> str:
    return f"{sum(finding.accepted for finding in findings)}/{len(findings)}"


def _part(result: Result) -> Iterable[str]:
    paper, study = result.paper, result.study
    yield from (f"## {paper.title}", "", f"{paper.citation} This is the {FORMS[result.form]}.", "")
    policies = ", ".join(f"`{name}`" for name in paper.policies)
    yield from (
        f"* **Set-up.** {study.setup}",
        f"* **Trace.** {study.trace}",
        f"* **Baselines.** {study.baselines}",
    )
    yield f"* **Policies.** {policies}. {paper.wired}"
    if study.loses:
        yield f"* **Where it loses.** {study.loses}"
    if paper.unknown:
        yield f"* **Unknown in the paper.** {' '.join(paper.unknown)}"
    yield ""
    yield from _lines(
        Table(
            "",
            ("claim", "class", "paper", "ours", "band", "in it"),
            tuple(
                (f.claim.says, f.claim.kind.value, f.claim.paper, ours(f), band(f.claim), verdict(f))
                for f in study.findings
            ),
        )
    )
    yield from (f"* *{finding.claim.says}*: {finding.reason}" for finding in study.findings if finding.reason)
    if any(finding.reason for finding in study.findings):
        yield ""
    if study.carried_by:
        rows = tuple((carrier.parameter, carrier.range, carrier.effect) for carrier in study.carried_by)
        yield from _lines(Table("What carries it", ("parameter", "moved over", "then"), rows))
    for table in study.tables:
        yield from _lines(table)
    inputs = ", ".join(f"{name} `{value}`" for name, value in sorted(result.inputs.items())) or "none"
    yield from (f"Code `{result.code}`{_owed(result.taken_over)}; data: {inputs}.", "")


def _owed(taken: TakenOver | None) -> str:
    if taken is None:
        return ""
    return (
        f" ({taken.cells} results of single cases are those of code `{taken.code}`; {taken.again} others of it were computed "
        "again and came out the same)"
    )


def _lines(table: Table) -> Iterable[str]:
    if table.title:
        yield from (f"**{table.title}**", "")
    yield f"| {' | '.join(table.header)} |"
    yield f"|{'---|' * len(table.header)}"
    yield from (f"| {' | '.join(row)} |" for row in table.rows)
    yield ""


def _anchor(title: str) -> str:
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -")
    return kept.replace(" ", "-")

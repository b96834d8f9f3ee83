"""Reproduces the papers: `python -m bench.papers [--form ci|reduced|full] [--only KEY ...] [--data FOLDER]`.

Prints each claim beside ours, writes the reference page, and in the full form keeps the results in `results/` with the
hashes of what they were computed from. The reduced form takes a full result of the present code where one is kept.
After a change that is meant to alter no result, `--earlier CODE`, with the code of the result that is kept, takes over what is on
disk of its single cases: a sixteenth of them, and the first of every kind, are computed again, and one that differs stops everything.
Exits with 1 where a study could not be run; a claim outside its band is a result, not an error.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from time import monotonic

from bench.papers import page
from bench.papers.catalogue import PAPERS
from bench.papers.kept import Kept
from bench.papers.machine import DiffersError, Machine, code_of
from bench.papers.study import Finding, Form, Paper

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results"
DATA = ROOT.parent / "shared" / "data"


def main() -> None:
    options = _options()
    papers = [paper for paper in PAPERS if not options.only or paper.key in options.only]
    unknown = set(options.only) - {paper.key for paper in PAPERS}
    if unknown:
        sys.exit(
            f"no paper {', '.join(sorted(unknown))}; there are: {', '.join(paper.key for paper in PAPERS)}"
        )
    form = Form(options.form)
    data = options.data if options.data.is_dir() else None
    if data is None:
        print(f"{options.data}: no such folder; generated traces stand in for recorded ones", file=sys.stderr)
    kept = Kept(RESULTS)
    if options.earlier and len(papers) != 1:
        sys.exit("--earlier is the code of one paper's result: name that paper with --only")
    results = [_result(paper, form, kept, data, options.jobs, options.earlier) for paper in papers]
    if options.page is not None and not options.only:
        options.page.write_text(page.page(results), "utf-8")
    inside = [finding.accepted for result in results for finding in result.study.findings]
    print(f"{len(results)} papers, {form.value} form: {sum(inside)} of {len(inside)} claims in their bands")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--form", choices=[form.value for form in Form], default=Form.REDUCED.value)
    parser.add_argument("--only", nargs="*", default=[], metavar="KEY")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--earlier", default="", metavar="CODE", help="take over what this code computed")
    parser.add_argument("--page", type=Path, help="write the reference page there")
    return parser.parse_args()


def _result(paper: Paper, form: Form, kept: Kept, data: Path | None, jobs: int, earlier: str) -> page.Result:
    """Return a paper's result: in the reduced form the full one that is kept, where it is of the present code."""
    if form is Form.REDUCED:
        before = kept.read(paper, code_of(paper.study))
        if before is not None:
            print(f"{paper.key}: {paper.title}: the full result that is kept is of this code")
            return before
    result = _run(paper, form, data, jobs, earlier)
    if form is Form.FULL:
        kept.keep(result)
    return result


def _run(paper: Paper, form: Form, data: Path | None, jobs: int, earlier: str) -> page.Result:
    code = code_of(paper.study)
    cells = ROOT / ".build" / "papers" / paper.key
    machine = Machine(form, data, jobs=jobs, kept=cells, code=code, earlier=earlier)
    print(f"{paper.key}: {paper.title}", flush=True)
    begun = monotonic()
    try:
        study = paper.study(machine)
    except DiffersError as error:
        sys.exit(f"{paper.key}: {error}")
    machine.settle()
    for line in _told(study.findings):
        print(line)
    print(f"  {monotonic() - begun:.0f} s", flush=True)
    return page.Result(paper, study, form, code, machine.inputs, machine.taken_over)


def _told(findings: Iterable[Finding]) -> Iterable[str]:
    for finding in findings:
        claim = finding.claim
        yield (
            f"  {page.verdict(finding):>10}  {claim.says}: {page.ours(finding)}  "
            f"(paper {claim.paper}; band {page.band(claim)}; {claim.kind.value})"
        )


if __name__ == "__main__":
    main()

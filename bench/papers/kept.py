"""Full results, kept as files with the hashes of what they were computed from."""

import json
from dataclasses import asdict
from pathlib import Path

from bench.papers.page import Result
from bench.papers.study import Carrier, Claim, Finding, Form, Json, Kind, Paper, Study, Table
from bench.papers.takenover import TakenOver


class Kept:
    """A folder with one file a paper."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, result: Result) -> None:
        """Write a result in place of an earlier one."""
        told = {
            "form": result.form,
            "code": result.code,
            "inputs": result.inputs,
            "taken_over": None if result.taken_over is None else asdict(result.taken_over),
            "study": asdict(result.study),
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file(result.paper).write_text(json.dumps(told, indent=1) + "\n", "utf-8")

    def read(self, paper: Paper, code: str) -> Result | None:
        """Return the result of a paper that is kept where it was computed with this code, or none."""
        if not self._file(paper).is_file():
            return None
        told = json.loads(self._file(paper).read_text("utf-8"))
        if told["code"] != code:
            return None
        owed = told.get("taken_over")
        taken_over = None if owed is None else TakenOver(**owed)
        return Result(paper, _study(told["study"]), Form(told["form"]), code, told["inputs"], taken_over)

    def _file(self, paper: Paper) -> Path:
        return self._folder / f"{paper.key}.json"


def _study(told: Json) -> Study:
    return Study(
        **{
            **told,
            "findings": tuple(
                Finding(
                    Claim(**{**one["claim"], "kind": Kind(one["claim"]["kind"])}),
                    tuple(one["samples"]),
                    one["reason"],
                )
                for one in told["findings"]
            ),
            "carried_by": tuple(Carrier(**one) for one in told["carried_by"]),
            "tables": tuple(
                Table(one["title"], tuple(one["header"]), tuple(tuple(row) for row in one["rows"]))
                for one in told["tables"]
            ),
        }
    )

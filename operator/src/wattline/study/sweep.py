"""A grid of questions, each cell's answer a file of its own, so that a sweep that was killed goes on where it was."""

import csv
import io
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wattline.study.intervals import Interval, interval
from wattline.study.question import Question, Value
from wattline.study.results import Result, ResultError, read, write
from wattline.study.workers import Failed, Play

Varied = tuple[tuple[str, str], ...]
"""Names and values of what one variant is about."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One variant under one seed."""

    varied: Varied
    question: Question
    path: Path
    """Where its answer stands."""
    key: str
    """Hash of all that decides the answer."""

    def kept(self) -> Result | None:
        """Return the answer of an earlier sweep, if it is to this very question by this very code."""
        try:
            result = read(self.path)
        except ResultError:
            return None
        return result if result.get("question_sha256") == self.key else None


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a cell: its answer, or why there is none."""

    cell: Cell
    result: Result | None
    problem: str = ""


def cells(folder: Path, questions: Iterable[tuple[Varied, Question]]) -> tuple[Cell, ...]:
    """Return a cell for each question, each checked; its answer stands at ``VARIANT/seed-N.json``."""
    out: dict[Path, Cell] = {}
    for varied, question in questions:
        question.check()
        path = folder / name_of(varied) / f"seed-{question.seed}.json"
        if path in out:
            raise ResultError(f"two variants are called {name_of(varied)}; give every value once")
        out[path] = Cell(varied, question, path, question.key())
    return tuple(out.values())


def name_of(varied: Varied) -> str:
    """Return a variant's name, which is also that of its folder."""
    return ",".join(f"{name}={value}" for name, value in varied).replace("/", "_") or "all"


def play(wanted: Sequence[Cell], workers: Play) -> Generator[Ended]:
    """Play cells and keep each answer as soon as it is there."""
    for index, result in workers([cell.question for cell in wanted]):
        cell = wanted[index]
        if isinstance(result, Failed):
            yield Ended(cell, None, result.why)
            continue
        kept = {**result, "question_sha256": cell.key}  # of the code that began, should it change meanwhile
        write(cell.path, kept)
        yield Ended(cell, kept)


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant's answers over its seeds."""

    varied: Varied
    results: tuple[Result, ...]

    @property
    def name(self) -> str:
        """Return the variant's name."""
        return name_of(self.varied)

    def of(self, key: str) -> Interval | None:
        """Return a figure's mean and interval over the seeds that have it; none where no seed has."""
        values = [
            float(value) for result in self.results if isinstance(value := result.get(key), int | float)
        ]
        return interval(values) if values else None


def variants(ended: Iterable[Ended]) -> tuple[Variant, ...]:
    """Return the answers by variant, in the order of the cells, each by seed."""
    by_name: dict[Varied, list[tuple[int, Result]]] = {}
    for each in ended:
        mine = by_name.setdefault(each.cell.varied, [])
        if each.result is not None:
            mine.append((each.cell.question.seed, each.result))
    return tuple(
        Variant(varied, tuple(result for _, result in sorted(results, key=lambda pair: pair[0])))
        for varied, results in by_name.items()
    )


def comparable(made: Sequence[Variant]) -> tuple[Variant, Variant] | None:
    """Return the first variant and the last that had the same work under every seed that both have; none without such."""
    for index, first in enumerate(made):
        for last in reversed(made[index + 1 :]):
            if _same_work(first, last):
                return first, last
    return None


def _same_work(one: Variant, other: Variant) -> bool:
    mine = {result["seed"]: result["work_sha256"] for result in one.results}
    theirs = {result["seed"]: result["work_sha256"] for result in other.results}
    both = mine.keys() & theirs.keys()
    return bool(both) and all(mine[seed] == theirs[seed] for seed in both)


def table(made: Sequence[Variant]) -> str:
    """Return a CSV with one row for each answer: what was varied, then every figure."""
    names = list(dict.fromkeys(name for variant in made for name, _ in variant.varied))
    figures = list(dict.fromkeys(key for variant in made for result in variant.results for key in result))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*names, *figures])
    for variant in made:
        values = dict(variant.varied)
        for result in variant.results:
            rows.writerow([values.get(name, "") for name in names] + [result.get(key) for key in figures])
    return text.getvalue()


def whole(made: Sequence[Variant]) -> list[dict[str, object]]:
    """Return all answers by variant, as they are written to one JSON file."""
    return [
        {
            "variant": variant.name,
            "varied": dict(variant.varied),
            "mean": {key: _half(variant, key) for key in _numbers(variant.results)},
            "results": [dict(result) for result in variant.results],
        }
        for variant in made
    ]


def _half(variant: Variant, key: str) -> dict[str, Value]:
    found = variant.of(key)
    return {} if found is None else {"mean": found.mean, "half95": found.half, "seeds": found.count}


def _numbers(results: Sequence[Result]) -> list[str]:
    keys = dict.fromkeys(key for result in results for key in result)
    return [
        key
        for key in keys
        if key != "seed"
        and not key.startswith("asked.")
        and any(isinstance(result.get(key), int | float) for result in results)
    ]

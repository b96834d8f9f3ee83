"""Runs the cases of a study on all cores and keeps their results, so that what was interrupted goes on.

A change that is meant to alter no result need not cost hours: results of an earlier code are taken over, and a sample of
them is computed again. One that differs stops everything.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

import grimp
from bench.papers.study import C, Form, Json, T
from bench.papers.takenover import TakenOver

import wattline

ROOTS = {"wattline": Path(next(iter(wattline.__path__))), "bench": Path(__file__).parents[1]}
"""Packages whose modules a result may depend on, and where they lie."""
AGAIN = 16
"""Ours: of the results that are taken over, one in so many is computed again, and the first of every function."""


class DiffersError(Exception):
    """A result of an earlier code is not that of the present one."""


def sources_of(module: str) -> list[Path]:
    """Return the files of a module and of all of the product and the bench that it imports, directly or not."""
    graph = grimp.build_graph(*ROOTS, cache_dir=None)
    modules = graph.find_upstream_modules(module) | {module}
    return [path for path in map(_source, sorted(modules)) if path.is_file()]


def code_of(study: Callable[..., object]) -> str:
    """Return one hash over the source of a study and of what it imports, by content and place."""
    whole = hashlib.sha256()
    for path in sources_of(study.__module__):
        whole.update("/".join(path.parts[-3:]).encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def _source(module: str) -> Path:
    """Return the Python file of a module, beside which a compiled one may lie; a package may have none."""
    package, *inner = module.split(".")
    path = ROOTS[package].joinpath(*inner)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


class Machine:
    """The cores and the disk, as one study sees them."""

    def __init__(
        self, form: Form, data: Path | None, *, jobs: int, kept: Path, code: str, earlier: str = ""
    ) -> None:
        self.form = form
        self.inputs: dict[str, str] = {}
        """Hash of each data file that the study asked for."""
        self._data = data
        self._jobs = jobs
        self._kept = kept
        self._code = code
        self._earlier = earlier
        self._taken: dict[Path, Path] = {}
        """Where results of the earlier code lie that are taken over, by where they would."""
        self._functions: set[str] = set()
        """Those of which a result was computed again."""
        self._again = 0

    @property
    def taken_over(self) -> TakenOver | None:
        """What was taken over of the earlier code, if anything was."""
        return TakenOver(self._earlier, len(self._taken), self._again) if self._taken else None

    def pick(self, *, ci: T, reduced: T, full: T) -> T:
        """Return what the form needs."""
        return {Form.CI: ci, Form.REDUCED: reduced, Form.FULL: full}[self.form]

    def seeds(self) -> range:
        """Return the seeds of the form."""
        return range(self.pick(ci=2, reduced=3, full=5))

    def data(self, relative: str) -> Path | None:
        """Return a file of the data folder, or none where it is absent."""
        if self._data is None or not (self._data / relative).is_file():
            return None
        path = self._data / relative
        self.inputs[relative] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        return path

    def each(self, function: Callable[[C], Json], cases: Sequence[C]) -> list[Json]:
        """Return the function's results for all cases, from disk where they are kept.

        Raises `DiffersError` where one of an earlier code does not come out again.
        """
        files = [self._file(function, case, self._code) for case in cases]
        expected: dict[int, str] = {}
        for index, file in enumerate(files):
            earlier = self._file(function, cases[index], self._earlier)
            if self._earlier and earlier.is_file() and not file.is_file():
                if self._is_checked(function, file):
                    expected[index] = earlier.read_text("utf-8")
                else:
                    self._taken[file] = files[index] = earlier
        wanted = {index for index, file in enumerate(files) if not file.is_file()}
        self._kept.mkdir(parents=True, exist_ok=True)
        if self._jobs == 1 or len(wanted) <= 1:
            for index in sorted(wanted):
                _keep(files[index], function(cases[index]))
        else:
            with ProcessPoolExecutor(self._jobs) as pool:
                running = {pool.submit(function, cases[index]): index for index in sorted(wanted)}
                for done, future in enumerate(as_completed(running), start=1):
                    _keep(files[running[future]], future.result())
                    print(f"\r  {done}/{len(wanted)}", end="", file=sys.stderr, flush=True)
            print("\r", end="", file=sys.stderr)
        texts = [file.read_text("utf-8") for file in files]
        for index, text in expected.items():
            if texts[index] != text:
                files[index].unlink()
                raise DiffersError(
                    f"{function.__module__}.{function.__qualname__} of {cases[index]}: code {self._earlier} gave another result than "
                    "the present one, so that nothing of it can be taken over; compute all of it, without --earlier"
                )
        return [json.loads(text) for text in texts]

    def settle(self) -> None:
        """Keep what was taken over as results of the present code; call when the whole study is through."""
        for file, earlier in self._taken.items():
            shutil.copyfile(earlier, file)

    def _is_checked(self, function: Callable[[C], Json], file: Path) -> bool:
        """Return whether a result that there is of the earlier code is computed again."""
        said = f"{function.__module__}.{function.__qualname__}"
        if said in self._functions and int(file.stem.rsplit("-", 1)[1], 16) % AGAIN:
            return False
        self._functions.add(said)
        self._again += 1
        return True

    def _file(self, function: Callable[[C], Json], case: C, code: str) -> Path:
        said = json.dumps(asdict(case), sort_keys=True)  # type: ignore[call-overload]  # a case is a dataclass
        if self._data is not None:  # what a data file holds counts, not where it lies
            for relative, content in self.inputs.items():
                said = said.replace(json.dumps(str(self._data / relative))[1:-1], content)
        name = hashlib.sha256(
            f"{code} {function.__module__}.{function.__qualname__} {said}".encode()
        ).hexdigest()
        return self._kept / f"{function.__qualname__}-{name[:24]}.json"


def _keep(file: Path, result: Json) -> None:
    text = json.dumps(result)
    new = file.with_suffix(".new")
    new.write_text(text, "utf-8")
    new.replace(file)

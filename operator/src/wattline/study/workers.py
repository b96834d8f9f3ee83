"""Who plays many questions: the cores of this machine, or a Ray cluster."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from wattline.sim.recording import TraceError
from wattline.sim.scenario import ScenarioError
from wattline.study.answer import answer
from wattline.study.question import Question
from wattline.study.results import Result


@dataclass(frozen=True, slots=True)
class Failed:
    """A question that was not answered."""

    why: str


Play = Callable[[Sequence[Question]], Iterator[tuple[int, Result | Failed]]]
"""Takes questions and yields each one's index and answer as they come."""


class WorkersError(RuntimeError):
    """The workers are gone or were never there; remedy in the message."""


def attempt(question: Question) -> Result | Failed:
    """Return a question's answer, or why there is none."""
    try:
        return answer(question).flat()
    except (TraceError, ScenarioError) as error:
        return Failed(str(error))
    except Exception as error:  # noqa: BLE001 - one cell's mishap must not end the others'; it is told at the end
        return Failed(f"{type(error).__name__}: {error}")


def on_cores(questions: Sequence[Question], jobs: int) -> Iterator[tuple[int, Result | Failed]]:
    """Play on processes of this machine; none of them outlives this one, however it ends."""
    executor = ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_lives_with_its_parent
    )
    try:
        running = {executor.submit(attempt, question): index for index, question in enumerate(questions)}
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenProcessPool as error:
        raise WorkersError(
            f"a worker was killed, perhaps for want of memory: the same command goes on where it was; "
            f"give it fewer --jobs than {jobs}"
        ) from error
    except (GeneratorExit, KeyboardInterrupt):
        _end_children()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def on_ray(questions: Sequence[Question], ray: Any, address: str) -> Iterator[tuple[int, Result | Failed]]:
    """Play on a Ray cluster, or on one started here where ``address`` is empty.

    ``ray`` is the module. Two questions wait for each processor, so that none is idle and few are lost. Files that
    questions name stand at the same path on every machine.
    """
    if not ray.is_initialized():
        try:
            ray.init(**({"address": address} if address else {}))
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise WorkersError(
                f"no Ray cluster at {address or 'this machine'}: {error}; start one with `ray start --head`, "
                "or sweep without --ray"
            ) from error
    remote = ray.remote(attempt)
    at_once = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    coming = iter(enumerate(questions))
    pending: dict[Any, int] = {}
    while True:
        while len(pending) < at_once and (following := next(coming, None)) is not None:
            pending[remote.remote(following[1])] = following[0]
        if not pending:
            return
        ready, _ = ray.wait(list(pending), num_returns=1)
        for reference in ready:
            index = pending.pop(reference)
            try:
                yield index, ray.get(reference)
            except Exception as error:  # noqa: BLE001 - Ray's own kinds, of a library that need not be there
                yield index, Failed(f"Ray: {type(error).__name__}: {error}")


def _lives_with_its_parent() -> None:
    """End this worker as soon as the process that started it has ended."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def _end_children() -> None:
    for child in multiprocessing.active_children():
        child.terminate()

"""Running programs: the output when it went well, one readable error when it did not."""

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

STARTED = time.monotonic()


class HarnessError(Exception):
    """Something that a person has to know or mend; the message says what."""


def say(text: str) -> None:
    """Print a line with the seconds since the program started."""
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", flush=True)


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = 60,
    check: bool = True,
) -> str:
    """Run a program to its end and return what it printed; raise ``HarnessError`` with its last words if it failed."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            cwd=cwd,
            env=env,
            timeout=timeout_seconds,
            capture_output=True,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"{' '.join(words[:6])} …: not done in {timeout_seconds:g} s") from error
    except FileNotFoundError as error:
        raise HarnessError(f"missing: {words[0]}") from error
    if check and done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise HarnessError(f"{' '.join(words[:8])} … ended with {done.returncode}:\n{last}")
    return done.stdout


def found(program: str) -> bool:
    """Return whether a program of this name is there."""
    return shutil.which(program) is not None


def wait_until(
    done: Callable[[], bool],
    what: str,
    *,
    timeout_seconds: float = 60,
    every_seconds: float = 0.1,
    give_up: Callable[[], str | None] = lambda: None,
) -> None:
    """Wait until something holds; raise ``HarnessError`` when the time is over or ``give_up`` says why it is vain."""
    end = time.monotonic() + timeout_seconds
    while not done():
        if (reason := give_up()) is not None:
            raise HarnessError(f"{what}: {reason}")
        if time.monotonic() > end:
            raise HarnessError(f"{what}: not in {timeout_seconds:g} s")
        time.sleep(every_seconds)

"""``python -m harness``: start and stop the cluster of the end-to-end tests, and run them."""

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import builds, preflight
from harness.cluster import Cluster, Provider
from harness.command import HarnessError, say
from harness.images import PLAIN, PRODUCT, Images
from harness.local import Local
from harness.proved import Proved
from harness.provider import choose
from harness.settings import E2E, Settings
from harness.turn import turn

TOOLS = (*builds.CLUSTER, "helm")
"""Programs that a run of single suites needs; a run of all of them builds all there are."""


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the cluster, with the product's images, and leave it running")
    commands.add_parser("down", help="take the cluster away, also after a crash")
    commands.add_parser("images", help="build and import the product's images")
    commands.add_parser("test", help="run the suites, with the arguments of pytest")
    build = commands.add_parser("build", help="build programs and say where they are")
    build.add_argument(
        "programs", nargs="*", choices=[*builds.PROGRAMS, []], help="by default those of the cluster"
    )
    restart = commands.add_parser("restart", help="restart one of the cluster's programs")
    restart.add_argument("name")
    arguments, for_pytest = parser.parse_known_args()
    if for_pytest and arguments.command != "test":
        parser.error(f"unknown arguments: {' '.join(for_pytest)}")
    try:
        match arguments.command:
            case "build":
                _build(arguments.programs or list(TOOLS))
            case "up":
                _up(choose())
            case "down":
                choose().stop()
            case "images":
                Cluster(choose()).load(*PRODUCT)
            case "restart":
                Cluster(choose()).restart(arguments.name)
                say(f"{arguments.name} restarted")
            case _:
                return _test(for_pytest)
    except HarnessError as error:
        print(f"e2e: {error}", file=sys.stderr)
        return 1
    return 0


def _build(names: list[str]) -> None:
    for name in names:
        print(builds.ensure(name, Settings().cache))


def _up(provider: Provider) -> None:
    """Start the cluster, and make the product's images meanwhile; a failed image fails the suites that want it."""
    with turn(Settings().cache / "start.lock"), _meanwhile(provider):
        began = time.monotonic()
        provider.start()
        say(f"cluster up in {time.monotonic() - began:.1f} s: KUBECONFIG={provider.kubeconfig}")


def _prepare(provider: Provider, names: Iterable[str]) -> None:
    """Do beforehand what takes minutes on a cold machine, so that no test has to wait for it; say how long it took."""
    if not isinstance(provider, Local):
        return
    if not provider.running:
        preflight.check(provider.settings)  # rather now than after the minutes
    began = time.monotonic()
    absent = builds.missing(names, provider.settings.cache)
    for name in absent:
        builds.ensure(name, provider.settings.cache)
    Images(provider.settings.cache).archive(PLAIN)
    say(f"programs: {'cold, ' + ', '.join(absent) if absent else 'warm'} ({time.monotonic() - began:.0f} s)")


@contextmanager
def _meanwhile(provider: Provider) -> Iterator[None]:
    """Make image archives in the background, and import them once the cluster is up."""
    if not isinstance(provider, Local):
        yield
        return
    images = Images(provider.settings.cache)
    failed: list[str] = []

    def make() -> None:
        try:
            for image in PRODUCT:
                images.archive(image)
        except HarnessError as error:
            failed.append(str(error))

    maker = threading.Thread(target=make, daemon=True)  # nobody waits for it where the cluster does not start
    maker.start()
    yield
    maker.join()
    if failed:
        say(f"images: {failed[0]}")
    else:
        provider.load(PRODUCT)


def _test(arguments: list[str]) -> int:
    """Run the suites; a cluster that ran before runs on, one that was started for them is taken away.

    Without arguments everything runs: first, where no cluster runs, the suite that crashes clusters of its own, unless it
    has passed here with just this harness.
    """
    provider = choose()
    ran = isinstance(provider, Local) and provider.running
    alone = not ran and not arguments
    keep = ran or os.environ.get("WATTLINE_E2E_KEEP") == "1"
    _prepare(provider, TOOLS if arguments else builds.PROGRAMS)
    results = [_alone(Proved(provider.settings.cache))] if alone and isinstance(provider, Local) else []
    try:
        _up(provider)
        named = any(Path(each.partition("::")[0]).exists() for each in arguments)
        results.append(_pytest(*arguments, *([] if named else [str(E2E / "tests")])))
        say("suites done")
    finally:
        if not keep:
            provider.stop()
    return max(results)


def _alone(proved: Proved) -> int:
    if proved.holds:
        say("clusters that crash: proved before, with this harness (WATTLINE_E2E_ALONE=1 to prove it again)")
        return 0
    if (result := _pytest(str(E2E / "alone"), "--durations=20", "--durations-min=1")) == 0:
        proved.note()
    return result


def _pytest(*arguments: str) -> int:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(E2E / "pytest.ini"), *arguments], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())

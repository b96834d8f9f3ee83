"""What all tests share."""

import asyncio
import faulthandler
import os
from pathlib import Path

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key as STDERR  # noqa: N812 - where capture does not reach
from hypothesis import settings

from wattline.fake.nvml import build

# looptime's hook makes an implicit event loop if the first test is synchronous, which then warns elsewhere.
asyncio.set_event_loop(None)

# A landing must not hang on the dice: in CI the same examples are tried every time, elsewhere new ones.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


LEAVE_SECONDS = 30
"""How long a test that has failed may take to clean up, and this process to end: then it ends with all stacks shown."""


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Collector | pytest.Item) -> None:
    """Bound what comes after a failure: both timeouts of pytest end with it."""
    faulthandler.dump_traceback_later(LEAVE_SECONDS, file=node.config.stash[STDERR], exit=True)


def pytest_unconfigure() -> None:
    """Bound the end: a thread that a test left behind would keep the process from it. A worker of xdist waits for
    the others, and is ended by who began it.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        faulthandler.dump_traceback_later(LEAVE_SECONDS, exit=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real traces and measurements, which are not part of the repository for their licences."""
    here = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("WATTLINE_SHARED", here.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no real traces at {folder} (set WATTLINE_SHARED to the folder that holds data/)")
    return folder


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake ``libnvidia-ml.so.1``, compiled for this session; its folder is what ``LD_LIBRARY_PATH`` names."""
    return build(tmp_path_factory.mktemp("lib"), os.environ.get("CC", "cc"))

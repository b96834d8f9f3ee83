"""What all tests share."""

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import settings

from wattline.fake.nvml import build

# looptime's hook makes an implicit event loop if the first test is synchronous, which then warns elsewhere.
asyncio.set_event_loop(None)

# A landing must not hang on the dice: in CI the same examples are tried every time, elsewhere new ones.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


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

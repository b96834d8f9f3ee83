"""The driver's library is found where drivers have it, also below the root of a driver that runs in a container."""

import os
import shutil
import subprocess
import sys

import pytest

from wattline_agent.nvml_library import FOLDERS, NAME, candidates


def put(root, folder, library=None):
    place = root / folder / NAME
    place.parent.mkdir(parents=True, exist_ok=True)
    if library is None:
        place.write_text("not a library")
    else:
        shutil.copy(library, place)
    return place


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_usual_folder_is_looked_into(tmp_path, folder):
    place = put(tmp_path / "root", folder)

    assert candidates([tmp_path / "nothing", tmp_path / "root"]) == (place,)


def test_the_first_root_comes_first(tmp_path):
    later, first = put(tmp_path / "b", "usr/lib64"), put(tmp_path / "a", "lib64")

    assert candidates([tmp_path / "a", tmp_path / "b"]) == (first, later)


@pytest.mark.parametrize(
    ("there", "found"),
    [
        pytest.param("library", True, id="below the root"),
        pytest.param("rubbish first", True, id="one that cannot be loaded is passed over"),
        pytest.param("nothing", False, id="not there yet"),
    ],
)
def test_nvidia_ml_py_gets_the_one_that_was_found(tmp_path, nvml_library, there, found):
    root = tmp_path / "driver"
    if there != "nothing":
        put(root, "usr/lib", nvml_library)
    if there == "rubbish first":
        put(root, "usr/lib64")
    look = (
        "import sys, pynvml; from wattline_agent import nvml_library; print(nvml_library.load(sys.argv[1]))\n"
        "try: pynvml.nvmlInit()\n"
        "except pynvml.NVMLError as error: print(error.value == pynvml.NVML_ERROR_DRIVER_NOT_LOADED)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    done = subprocess.run(
        [sys.executable, "-c", look, str(root)], env=environment, capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == [str(found), str(found)], done.stderr

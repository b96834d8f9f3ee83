"""The fake driver library: compiled from the packaged C source where it is needed, never installed."""

import os
import shlex
import shutil
import subprocess
from importlib import resources
from pathlib import Path

LIBRARY_NAME = "libnvidia-ml.so.1"
MAPPING_VARIABLE = "WATTLINE_FAKE_NVML"
"""Names the file of the node's GPUs to the library; without it there is no driver."""

SOURCES = (
    "answers.c",
    "driver.c",
    "nvml_clocks.c",
    "nvml_fields.c",
    "nvml_heat.c",
    "nvml_mig.c",
    "nvml_power.c",
    "nvml_profiles.c",
    "nvml_smoothing.c",
    "nvml_state.c",
    "nvml_system.c",
    "session.c",
)
FLAGS = (
    "-std=c11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-shared",
    "-fPIC",
    "-fvisibility=hidden",
    "-pthread",
    f"-Wl,-soname,{LIBRARY_NAME}",
)


class BuildError(Exception):
    """There is no compiler, or it refuses."""


def install(folder: Path, built: Path | None = None) -> Path:
    """Put the library into ``folder``, whole or not at all: a copy of one that is ``built``, else compiled now."""
    if built is None:
        return build(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / LIBRARY_NAME
    part = folder / f"{LIBRARY_NAME}.{os.getpid()}.part"
    try:
        shutil.copyfile(built, part)
    except OSError as error:
        raise BuildError(f"{built}: cannot be copied to {target}: {error.strerror}") from error
    part.replace(target)
    return target


def build(folder: Path, cc: str = "cc", *, extra_flags: tuple[str, ...] = ()) -> Path:
    """Compile the library into ``folder``, whole or not at all, and return its path.

    A process that is to see the fake GPUs gets ``LD_LIBRARY_PATH=folder``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / LIBRARY_NAME
    part = folder / f"{LIBRARY_NAME}.{os.getpid()}.part"  # several nodes of one box may build at once
    with resources.as_file(resources.files(__package__)) as source:
        files = [str(source / name) for name in SOURCES]
        command = [*shlex.split(cc), *FLAGS, *extra_flags, *files, "-o", str(part)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the caller names the compiler
        except FileNotFoundError:
            raise BuildError(f"missing: a C compiler ({cc}; apt install gcc)") from None
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(command)}\n{done.stderr}")
    part.replace(target)
    return target

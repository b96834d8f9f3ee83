"""The bytes of the fake GPUs are defined once."""

import ctypes
from pathlib import Path

import pytest

from wattline.fake.nvml import BuildError, build, layout
from wattline.fake.nvml.__main__ import HEADER


def test_the_header_is_what_the_definition_says():
    assert HEADER.read_text() == layout.header()


def test_what_two_processes_write_at_once_is_whole_words():
    words = [layout.Settings.lock, layout.Settings.limit_mw, layout.Settings.persistence]

    assert all(word.offset % word.size == 0 for word in words)
    assert layout.Gpu.settings.offset % 8 == 0
    assert layout.Node.gpus.offset % 8 == 0
    assert ctypes.sizeof(layout.Gpu) % 8 == 0


def test_a_missing_compiler_is_one_sentence(tmp_path):
    with pytest.raises(BuildError, match=r"^missing: a C compiler \(no-such-cc; apt install gcc\)$"):
        build(tmp_path, "no-such-cc")


def test_a_compiler_that_refuses_leaves_no_half_library(tmp_path):
    with pytest.raises(BuildError):
        build(tmp_path, "false")

    assert list(Path(tmp_path).iterdir()) == []

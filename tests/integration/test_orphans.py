"""A part of the agent whose supervisor died before it could look who that was ends all the same."""

import os
import subprocess
import sys

import pytest

from wattline_agent.channel import pair
from wattline_agent.config import Config


@pytest.mark.parametrize("part", ["device_process", "network_process"])
def test_a_part_that_is_orphaned_while_it_starts_ends(tmp_path, part):
    gone = subprocess.Popen(["true"])
    gone.wait()
    config = Config(
        node="n1", state=str(tmp_path), runtime=str(tmp_path), listen="127.0.0.1:0", supervisor=gone.pid
    )
    ours, theirs = pair()
    child = subprocess.Popen(
        [sys.executable, "-m", f"wattline_agent.{part}", config.dumps(), str(theirs.fileno())],
        pass_fds=(theirs.fileno(),),
        env=os.environ | {"LD_LIBRARY_PATH": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        assert child.wait(40) == 0
    finally:
        child.kill()
        child.wait()
        for end in (ours, theirs):
            end.close()

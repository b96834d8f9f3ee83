"""Child processes of the demo: they fail loudly, and none outlives us."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wattline.demo.processes import PartFailedError, Parts

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


async def logged(part):
    async with asyncio.timeout(10):
        while "up" not in part.last_lines():
            await asyncio.sleep(0.01)


async def never():
    return False


async def test_a_part_that_ends_says_which_and_why(tmp_path):
    parts = Parts(tmp_path, {})
    part = await parts.start("gateway", [sys.executable, "-c", "raise SystemExit('no such pool')"])

    with pytest.raises(PartFailedError, match=r"(?s)gateway ended with code 1.*no such pool"):
        await part.ready(never, "anything")


async def test_a_part_that_is_not_installed_is_said(tmp_path):
    with pytest.raises(PartFailedError, match="node-agent-n1 cannot start: there is no /no/such/tool"):
        await Parts(tmp_path, {}).start("node-agent-n1", ["/no/such/tool"])


async def test_a_part_that_does_not_get_there_says_how_far_it_was_to_get(tmp_path):
    parts = Parts(tmp_path, {})
    part = await parts.start("up", SLEEPER)

    with pytest.raises(PartFailedError, match=r"(?s)up did not get as far as a settled domain within 0 s"):
        await part.ready(never, "a settled domain", within_wall_seconds=0.1)
    await parts.stop()
    assert gone(part.pid)


async def test_stopping_ends_a_part_that_does_not_listen(tmp_path):
    parts = Parts(tmp_path, {})
    part = await parts.start("stubborn", STUBBORN)
    await logged(part)

    await part.stop(within_wall_seconds=0.2)

    assert gone(part.pid)


def test_children_end_when_the_demo_is_killed(tmp_path):
    script = f"""
import asyncio
from pathlib import Path
from wattline.demo.processes import Parts

async def main():
    parts = Parts(Path({str(tmp_path)!r}), {{}})
    part = await parts.start("child", {SLEEPER!r})
    print(part.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
    demo = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = int(demo.stdout.readline())
    demo.stdout.close()
    demo.send_signal(signal.SIGKILL)
    demo.wait()

    deadline = time.monotonic() + 10
    while not gone(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(child)

"""How urgent the device process is to the scheduler: it computes for a hundredth of the time, and must not wait."""

import os
from collections.abc import Callable
from contextlib import suppress

NICE = -10
"""Beside a busy process on every core the safety loop is at most some 10 ms late with it, some 50 ms without
(bench/agent.py). Ours; further down nothing is gained, and real-time scheduling would let a driver call that spins
keep a core from everybody else."""


def go_first(set_priority: Callable[[int, int, int], None] = os.setpriority) -> None:
    """Go before ordinary processes where that is allowed (CAP_SYS_NICE); the loop works without, later under load."""
    with suppress(PermissionError):
        set_priority(os.PRIO_PROCESS, 0, NICE)

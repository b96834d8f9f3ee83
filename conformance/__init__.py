"""A conformance suite for power agents: whether an agent on a GPU node keeps its promises, whatever fails.

It needs no hardware: the agent runs on the fake driver library of ``wattline.fake.nvml``, and every verdict is made
from the device's own journal and the world's own meter, which no agent can write. ``adapter`` says what an agent has
to offer to be judged; ``python -m conformance --help`` how.
"""

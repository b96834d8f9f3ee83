"""How fast the engine model is: one replica, twelve hours of agents, CPU seconds.

python bench/world.py [--runs-per-hour 65] [--hours 12] [--turns 23] [--seed 1]
"""

import argparse
import heapq
import random
import time
from math import inf

from wattline.model.context import Extent
from wattline.world.engine import ENGINES, Engine, Finished, Request
from wattline.world.gpu import Gpu

PHYSICS = ENGINES["Qwen/Qwen3-Coder-30B-A3B-Instruct", "h100-nvl", 1]
OPENING = Extent("opening", 0, 14_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-per-hour", type=float, default=65.0)
    parser.add_argument("--hours", type=float, default=12.0)
    parser.add_argument("--turns", type=int, default=23)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    gpu = Gpu(PHYSICS.product, "GPU-0")
    engine = Engine(PHYSICS, [gpu])

    due: list[tuple[float, int, int]] = []
    at = 0.0
    while (at := at + chance.expovariate(options.runs_per_hour / 3600)) < options.hours * 3600:
        due.append((at, len(due), 0))
    contexts = [0] * len(due)
    turns = waited = 0
    started = time.process_time()
    while True:
        to = min(due[0][0] if due else inf, engine.next_event_seconds(), options.hours * 3600)
        for event in engine.advance(to):
            if isinstance(event, Finished):
                turns += 1
                run, turn = map(int, event.id.split("."))
                if turn + 1 < options.turns:
                    heapq.heappush(due, (event.at_seconds + chance.expovariate(0.2), run, turn + 1))
        if to >= options.hours * 3600:
            break
        while due and due[0][0] <= to:
            _, run, turn = heapq.heappop(due)
            start = contexts[run] + chance.randint(200, 3000)
            end = contexts[run] = start + chance.randint(50, 400)
            answer = Extent(run, start, end)
            engine.submit(Request(f"{run}.{turn}", (OPENING, Extent(run, 0, start)), (answer,), end - start))
        waited = max(waited, engine.waiting)
    spent = time.process_time() - started
    print(
        f"{options.hours:g} h, {turns:,} turns, {engine.generation_tokens:,} tokens in {spent:.2f} s of CPU; "
        f"{gpu.energy_joules / engine.now_seconds:.0f} W on average, "
        f"{engine.cached_tokens / engine.prompt_tokens:.1%} of prompts cached, "
        f"{engine.preemptions} preemptions, at most {waited} waiting"
    )


if __name__ == "__main__":
    main()

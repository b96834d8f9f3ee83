"""What foresight is worth: the thermal loop on the world's GPUs, with and without prediction, over steps of watts and air.

    .venv/bin/python bench/heat.py [--seconds]

Each line is five minutes after five minutes of changing loads that teach the fit. The loop is the agent's own, five
times a second, on readings in whole degrees; work that computes all the time is the worst there is. Slowed: the device
slowed itself down for heat. Emergency: clock and limit at their least. ``--seconds`` prints the temperatures of one
step over time.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.unit.agent.heat import IDLE_SECONDS, idle_then_full, play  # noqa: E402 - found from the root

from wattline.world.gpu import PRODUCTS  # noqa: E402 - as above
from wattline.world.thermal import Stage  # noqa: E402 - as above

H100, NVL, A100 = PRODUCTS["h100"], PRODUCTS["h100-nvl"], PRODUCTS["a100"]
WEAK = replace(H100, stages=(Stage(0.014, 0.2), Stage(0.032, 6.0), Stage(0.034, 90.0)))
"""An H100 whose package passes its heat on badly: the same sum, more of it within ten seconds and less at once."""


def always(product):
    return lambda _: product.max_watts


def bursts(product):
    return lambda seconds: product.max_watts if seconds % 60 >= 30 else 20.0


def steady(celsius):
    return lambda _: celsius


def jump(before, after, at=60.0):
    return lambda seconds: before if seconds < at else after


def ramp(celsius, rate, most):
    return lambda seconds: celsius + min(most, rate * seconds)


SCENES = (
    ("watts 20 to 700, air 45 °C", H100, idle_then_full(H100), steady(45.0)),
    ("watts 20 to 700, air 54 °C", H100, idle_then_full(H100), steady(54.0)),
    ("watts 20 to 700, air 60 °C", H100, idle_then_full(H100), steady(60.0)),
    ("the same, weak package, air 54 °C", WEAK, idle_then_full(WEAK), steady(54.0)),
    ("the same, weak package, air 60 °C", WEAK, idle_then_full(WEAK), steady(60.0)),
    ("H100 NVL, watts 20 to 400, air 50 °C", NVL, idle_then_full(NVL), steady(50.0)),
    ("A100 (no margins), 20 to 400 W, air 50 °C", A100, idle_then_full(A100), steady(50.0)),
    ("bursts of 30 s, air 58 °C", H100, bursts(H100), steady(58.0)),
    ("air +0.1 °C/s from 40 to 60 °C", H100, always(H100), ramp(40.0, 0.1, 20.0)),
    ("air +0.3 °C/s from 40 to 60 °C", H100, always(H100), ramp(40.0, 0.3, 20.0)),
    ("air jumps 40 to 50 °C", H100, always(H100), jump(40.0, 50.0)),
    ("air jumps 40 to 55 °C", H100, always(H100), jump(40.0, 55.0)),
)


def table():
    print("| step | foresight | peak °C | slowed s | emergency s | mean MHz | error °C |")
    print("|---|---|---|---|---|---|---|")
    began, steps = perf_counter(), 0
    for name, product, watts, air in SCENES:
        for predict in (False, True):
            out = play(watts, air, predict=predict, product=product)
            steps += 3000
            print(
                f"| {name} | {'yes' if predict else 'no'} | {out.peak_celsius:.1f} | {out.slowed_seconds:.1f} "
                f"| {out.emergency_seconds:.1f} | {out.mean_mhz:.0f} | {out.error_celsius:.2f} |"
            )
    print(f"\n{(perf_counter() - began) / steps * 1e6:.0f} µs a pass and GPU, the world's physics included")


def seconds():
    print("| s after the step | °C without | °C with | MHz without | MHz with |")
    print("|---|---|---|---|---|")
    traces = [
        play(idle_then_full(WEAK), steady(54.0), predict=predict, product=WEAK).trace
        for predict in (False, True)
    ]
    for after in (0, 1, 2, 3, 4, 6, 8, 10, 15, 20, 30, 45, 60, 90, 120):
        tick = round(5 * (IDLE_SECONDS + after))
        blind, foresees = traces[0][tick], traces[1][tick]
        print(f"| {after} | {blind[0]:.1f} | {foresees[0]:.1f} | {blind[1]} | {foresees[1]} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", action="store_true", help="temperatures of one step over time")
    if parser.parse_args().seconds:
        seconds()
    else:
        table()

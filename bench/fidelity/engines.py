"""Do fitted engines predict watts, latency and throughput at batch sizes that were left out?

    python bench/fidelity/engines.py shared/data/gpu [--leave-one-out] [--computing-watts 600] [MODEL ...]

ML.ENERGY's leaderboard, every language model on H100s. The split was fixed beforehand: of each model on so many GPUs, over
all tasks together, every second batch size is fitted, the smallest among them, and the others judge; whole batch sizes, so
no row of a judged size is ever fitted. A group with fewer than five sizes leaves fewer than three to fit and is not judged.

Prompt lengths are not in the data: those of chat, gpqa and fim are known or derived (docs/explanation/world.md); of tasks with
pictures 1,500 tokens are assumed, which the share of computing makes up for; they are listed apart.

``--leave-one-out`` leaves out one batch size at a time instead. ``--computing-watts 600`` is the range of computing watts
that the numbers in wattline/world/engines.py were fitted with.
"""

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from data import mark, middle, split, worst
from published import PUBLISHED

from wattline.api.modelprofile import Quantity
from wattline.profiles.fit import fit, ranges_for, relative_errors
from wattline.profiles.identify import twins
from wattline.profiles.leave import leave_out
from wattline.profiles.readers import Given, load
from wattline.world.engines import capacity_tokens
from wattline.world.physics import EnginePhysics, Fit
from wattline.world.products import PRODUCTS

PROMISE = {Quantity.WATTS: 0.05, Quantity.ITL: 0.10, Quantity.RATE: 0.10}
TASKS = ("image-chat", "video-chat")
ASSUMED_PROMPT = 1500.0


def groups(path: Path, assumed: float | None):
    """Return points by model and GPUs: of tasks with known prompts, or of those with pictures."""
    known = load([path], Given(product="h100"))
    found = defaultdict(list)
    if assumed is None:
        for point in known.points:
            found[point.subject].append(point)
        return found
    places = {point.place for point in known.points}
    for point in load([path], Given(product="h100", prompt_tokens=assumed)).points:
        if point.place not in places:
            found[point.subject].append(point)
    return found


def judged(subject, points, arguments):
    """Return errors of what was left out and the fit, or why not."""
    architecture = PUBLISHED[subject.model](subject.model)
    product = PRODUCTS[subject.product]
    tokens = max(1, capacity_tokens(architecture, product, subject.gpus))
    base = EnginePhysics(architecture, product, subject.gpus, Fit(0.8, 0.4, 0.001, 0.0, 300.0, 500.0), tokens)
    ranges = ranges_for(base, clocks=False, narrow=architecture.weight_bits <= 8)
    if arguments.computing_watts:
        ranges = tuple(
            replace(one, high=arguments.computing_watts) if one.name == "compute_watts" else one
            for one in ranges
        )
    sizes, _ = split(float(point.fold) for point in points)
    if len(sizes) < 3:
        return None, f"{len({point.fold for point in points})} batch sizes"
    fitted = fit(base, [point for point in points if float(point.fold) in sizes], ranges)
    apart = twins(fitted, points)
    if arguments.leave_one_out:
        return [(one.point, one.errors) for one in leave_out(base, points, ranges, fitted)], fitted, apart
    held = [point for point in points if float(point.fold) not in sizes]
    return list(zip(held, relative_errors(fitted.physics, fitted.shape, held), strict=True)), fitted, apart


def report(title: str, found, arguments) -> None:
    print(
        f"\n{title}\n\n| model × GPUs | rows left out | watts | between tokens | tokens a second | |\n|---|---|---|---|---|---|"
    )
    every = defaultdict(list)
    kept = total = 0
    refused = []
    for subject, points in sorted(found.items(), key=str):
        if arguments.models and not any(word in subject.model for word in arguments.models):
            continue
        name = f"{subject.model.rpartition('/')[2]} × {subject.gpus}"
        off, *rest = judged(subject, points, arguments)
        if off is None:
            refused.append(f"{name} ({rest[0]})")
            continue
        fitted, apart = rest
        by = {quantity: [errors[quantity] for _, errors in off] for quantity in PROMISE}
        good = all(middle(by[q]) <= PROMISE[q] for q in (Quantity.WATTS, Quantity.ITL))
        kept, total = kept + good, total + 1
        cells = [f"{mark(middle(by[q]), PROMISE[q])} ({worst(by[q]):+.0%})" for q in PROMISE]
        bounds = f"at a bound: {', '.join(sorted(fitted.at_bound()))}" if fitted.at_bound() else ""
        print(
            f"| {name} | {len(off)} | {' | '.join(cells)} | {bounds}{' one of two alone has no effect' if apart else ''} |"
        )
        for quantity, errors in by.items():
            every[quantity] += errors
        if arguments.models:
            print(f"  {fitted.physics.fit}")
            for point, errors in off:
                print(
                    "  ", f"{point.sequences:.0f} running:", {q.value: f"{e:+.1%}" for q, e in errors.items()}
                )
    if total:
        print(f"\nWithin 5 % watts and 10 % latency in the median: {kept} of {total} ({kept / total:.0%}). Over all rows left out: "
              + ", ".join(f"{q.value} {middle(errors):.1%}" for q, errors in every.items()) + ".")  # fmt: skip
    if refused:
        print(f"Too few batch sizes to leave any out: {'; '.join(refused)}.")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--leave-one-out", action="store_true")
    parser.add_argument("--computing-watts", type=float)
    arguments = parser.parse_intermixed_args()
    path = arguments.folder / "mlenergy_leaderboard_v3_configurations.csv.gz"
    report("Text", groups(path, None), arguments)
    report("Pictures and video, prompt length assumed", groups(path, ASSUMED_PROMPT), arguments)


if __name__ == "__main__":
    main()

"""From points to a profile, or the reasons why not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic.alias_generators import to_camel

from wattline.api.base import Metadata
from wattline.api.modelprofile import (
    ClockResponse,
    EngineProfile,
    ModelProfile,
    ModelProfileSpec,
    ParameterSpread,
    ProfilePoint,
    Provenance,
    Quantity,
    QuantityError,
)
from wattline.profiles.checks import NOISE, contradictions
from wattline.profiles.fit import CLOCK, Fitted, fit, ranges_for, spans_clocks
from wattline.profiles.identify import doubts, refusals, spreads, twins
from wattline.profiles.leave import LeftOut, leave_out, summary
from wattline.profiles.points import Point, ProfileError, Subject
from wattline.world.engines import capacity_tokens
from wattline.world.physics import Architecture, EnginePhysics, Fit
from wattline.world.products import PRODUCTS
from wattline.world.profiled import engine_profile

MOST_ERROR = {Quantity.WATTS: 0.15, Quantity.ITL: 0.25}
"""Median errors at batch sizes left out beyond which the points are not of such an engine."""


@dataclass(frozen=True, slots=True)
class Made:
    """A profile and what it was made from."""

    profile: ModelProfile
    fitted: Fitted
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]


def subject_of(points: Sequence[Point]) -> Subject:
    """Return what all points are of; raise `ProfileError` where they are of several."""
    found = sorted({point.subject for point in points}, key=str)
    if not found:
        raise ProfileError("the files hold no operating points")
    if len(found) > 1:
        raise ProfileError(
            f"the points are of {len(found)} engines: {'; '.join(map(str, found[:8]))}"
            f"{' …' if len(found) > 8 else ''}; say which one with --model, --product and --gpus"
        )
    return found[0]


def make(
    points: Sequence[Point],
    architecture: Architecture,
    *,
    name: str,
    capacity: int | None = None,
    noise: float = NOISE,
) -> Made:
    """Return the profile of points of one engine; raise `ProfileError` where they do not identify one.

    ``capacity`` is the KV memory in tokens as the engine logs it, by default what is left of the GPUs' memory.
    """
    subject = subject_of(points)
    against = contradictions(points, noise)
    if against:
        raise ProfileError("\n".join(against))
    base = _base(subject, architecture, capacity)
    clocks = spans_clocks(points)
    ranges = ranges_for(base, clocks=clocks, narrow=architecture.weight_bits <= 8)
    _refuse(subject, refusals(points, len(ranges)))
    fitted = fit(base, points, ranges)
    _refuse(subject, twins(fitted, points))
    left_out = leave_out(base, points, ranges, fitted)
    errors = summary(left_out)
    _refuse(subject, list(_too_far_off(errors, left_out)) or doubts(fitted, points))
    spec = ModelProfileSpec(
        model=subject.model,
        product=subject.product,
        gpus=subject.gpus,
        engine=_engine(fitted),
        clock=_clock(fitted) if clocks else None,
        errors=errors,
        points=tuple(map(measured, points)),
    )
    profile = ModelProfile(metadata=Metadata(name=name), spec=spec)
    return Made(profile, fitted, tuple(left_out), tuple(_warnings(points, fitted, clocks=clocks)))


def measured(point: Point) -> ProfilePoint:
    """Return a point as a profile keeps it."""
    return ProfilePoint(
        provenance=Provenance.MEASURED,
        source=point.place,
        clock_mhz=point.clock_mhz,
        cap_watts=point.cap_watts,
        batch=_short(point.sequences),
        prompt_tokens=_short(point.prompt_tokens),
        cached_tokens=_short(point.cached_tokens),
        output_tokens=_short(point.output_tokens),
        **{
            name: None if value is None else _short(value)
            for name in ("watts", "itl_seconds", "tokens_per_second", "ttft_seconds")
            for value in [getattr(point, name)]
        },
    )


def _short(value: float) -> float:
    """Return a measured value with the digits that a person reads."""
    return float(f"{value:.6g}")


def _base(subject: Subject, architecture: Architecture, capacity: int | None) -> EnginePhysics:
    product = PRODUCTS[subject.product]
    tokens = capacity or capacity_tokens(architecture, product, subject.gpus)
    if tokens <= 0:
        raise ProfileError(
            f"{subject}: {architecture.weight_bytes / 1e9:.0f} GB of weights leave no KV memory on {subject.gpus} "
            f"{subject.product}; check the number of GPUs, or give --capacity-tokens as the engine logs it"
        )
    return EnginePhysics(architecture, product, subject.gpus, Fit(0.8, 0.4, 0.001, 0.0, 300.0, 500.0), tokens)


def _engine(fitted: Fitted) -> EngineProfile:
    parts = tuple(
        ParameterSpread(name=to_camel(name), ratio=None if ratio is None else round(ratio, 3))
        for name, ratio in spreads(fitted).items()
    )
    return engine_profile(fitted.physics).model_copy(update={"spreads": parts})


def _clock(fitted: Fitted) -> ClockResponse:
    values = dict(zip((one.name for one in fitted.ranges), fitted.values, strict=True))
    return ClockResponse(**{one.name: values[one.name] for one in CLOCK})


def _refuse(subject: Subject, reasons: Sequence[str]) -> None:
    if reasons:
        raise ProfileError("\n".join(f"{subject}: {reason}" for reason in reasons))


def _too_far_off(errors: Sequence[QuantityError], left_out: Sequence[LeftOut]) -> Iterator[str]:
    for error in errors:
        quantity, most = error.quantity, MOST_ERROR.get(error.quantity)
        if most is None or error.median_ratio <= most:
            continue
        worst = max(left_out, key=lambda one: abs(one.errors.get(quantity, 0.0)))
        yield (
            f"{quantity} of batch sizes left out is off by {error.median_ratio:.0%} in the median, more than {most:.0%}; "
            f"worst {worst.errors[quantity]:+.0%} at {worst.point.place}: check its units, that the architecture is "
            "this model's, and that nothing else ran on the GPUs"
        )


def _warnings(points: Sequence[Point], fitted: Fitted, *, clocks: bool) -> list[str]:
    out = []
    if not clocks:
        out.append(
            "no locked clocks, so what clocks do is not measured: simulations take the shape perseus; measure three "
            "clocks or more, the lowest 40 % below the highest, to have it"
        )
    if all(point.ttft_seconds is None for point in points):
        out.append("no time to first token was measured; what is said of it is the model's")
    out.extend(
        f"{to_camel(name)} lies at the bound of its range, so these points do not say how much it is"
        for name in sorted(fitted.at_bound())
    )
    return out

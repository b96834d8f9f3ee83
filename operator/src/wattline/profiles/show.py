"""What a profile says, as rows of text: measured, and predicted beside it."""

from collections.abc import Iterator

from wattline.api.modelprofile import ModelProfile, ProfilePoint, Quantity
from wattline.profiles.points import figure
from wattline.world.curve import PERSEUS
from wattline.world.power import PowerModel
from wattline.world.profiled import engine_of, shape_of
from wattline.world.steady import Service, Steady, steady


def rows(profile: ModelProfile) -> Iterator[tuple[str, ...]]:
    """Yield batch, clock and each quantity as ``measured (predicted)`` of every point, smallest batch first."""
    physics = engine_of(profile)
    power = None if physics is None else PowerModel(physics.product, shape_of(profile) or PERSEUS)
    for point in sorted(profile.spec.points, key=lambda one: (one.batch, one.clock_mhz or 0)):
        seen = None
        if physics is not None and power is not None:
            clock = point.clock_mhz or physics.product.max_mhz
            seen = steady(physics, power, clock, _service(point), limit_watts=point.cap_watts)
        clock_text = "" if point.clock_mhz is None else str(point.clock_mhz)
        yield (f"{point.batch:.4g}", clock_text, *(_cell(point, seen, quantity) for quantity in Quantity))


def _service(point: ProfilePoint) -> Service:
    return Service(
        sequences=point.batch,
        prompt_tokens=point.prompt_tokens,
        output_tokens=point.output_tokens,
        cached_tokens=point.cached_tokens,
    )


def _cell(point: ProfilePoint, seen: Steady | None, quantity: Quantity) -> str:
    value = figure(point, quantity)
    measured = "-" if value is None else f"{value:.4g}"
    return measured if seen is None else f"{measured} ({figure(seen, quantity):.4g})"

"""Engines and clock responses as a ModelProfile says them."""

from collections.abc import Iterable

from wattline.api.modelprofile import (
    ArchitectureSpec,
    ClockResponse,
    EngineParameters,
    EngineProfile,
    ModelProfile,
    Provenance,
)
from wattline.world.curve import PowerShape, power_law
from wattline.world.physics import Architecture, EnginePhysics, Fit
from wattline.world.products import PRODUCTS


class UnknownProductError(ValueError):
    """A profile names a GPU product that the world does not know."""


def engine_of(profile: ModelProfile) -> EnginePhysics | None:
    """Return the engine of a profile; none where it has points alone. Raises `UnknownProductError`."""
    spec = profile.spec
    if spec.engine is None:
        return None
    product = PRODUCTS.get(spec.product)
    if product is None:
        raise UnknownProductError(
            f"ModelProfile {profile.metadata.name}: spec.product {spec.product} is not known; "
            f"there is: {', '.join(PRODUCTS)}"
        )
    return EnginePhysics(
        architecture=Architecture(model=spec.model, **spec.engine.architecture.model_dump()),
        product=product,
        gpus=spec.gpus,
        fit=Fit(**spec.engine.parameters.model_dump()),
        capacity_tokens=spec.engine.capacity_tokens,
        source="fitted" if spec.engine.provenance is Provenance.CALIBRATED else "modelled",
    )


def engines_of(profiles: Iterable[ModelProfile]) -> dict[tuple[str, str, int], EnginePhysics]:
    """Return the engines of profiles by model, product and number of GPUs, as `world.engines.ENGINES` has them."""
    found = (engine_of(profile) for profile in profiles)
    return {(one.model, one.product.name, one.gpus): one for one in found if one is not None}


def shape_of(profile: ModelProfile) -> PowerShape | None:
    """Return the clock response of a profile; none where its points span no clocks."""
    clock = profile.spec.clock
    if clock is None:
        return None
    return power_law(clock.power_exponent, clock.time_exponent, clock.memory_clock_share)


def engine_profile(physics: EnginePhysics) -> EngineProfile:
    """Return an engine as a profile says it."""
    architecture, fit = physics.architecture, physics.fit
    return EngineProfile(
        provenance=Provenance.CALIBRATED if physics.source == "fitted" else Provenance.MODELLED,
        capacity_tokens=physics.capacity_tokens,
        architecture=ArchitectureSpec(
            **{name: getattr(architecture, name) for name in ArchitectureSpec.model_fields}
        ),
        parameters=EngineParameters(**{name: getattr(fit, name) for name in EngineParameters.model_fields}),
    )


def clock_response(power_exponent: float, time_exponent: float, memory_clock_share: float) -> ClockResponse:
    """Return a clock response as a profile says it."""
    return ClockResponse(
        power_exponent=power_exponent, time_exponent=time_exponent, memory_clock_share=memory_clock_share
    )

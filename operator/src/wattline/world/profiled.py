"""Engines and clock responses as a ModelProfile says them."""

from collections.abc import Iterable

from wattline.api.modelprofile import (
    ArchitectureSpec,
    EngineParameters,
    EngineProfile,
    ModelProfile,
    Provenance,
)
from wattline.world.curve import PowerShape, voltage_curve
from wattline.world.engines import ENGINES
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
        shape=shape_of(profile),
    )


def engines_of(profiles: Iterable[ModelProfile]) -> dict[tuple[str, str, int], EnginePhysics]:
    """Return all engines that can be run, by model, product and number of GPUs: the world's own and those of profiles,
    which come first where both know one. Profiles of products that the world does not know are of no use to it.
    """
    found = dict(ENGINES)
    for profile in profiles:
        engine = engine_of(profile) if profile.spec.product in PRODUCTS else None
        if engine is not None:
            found[engine.model, engine.product.name, engine.gpus] = engine
    return found


def shape_of(profile: ModelProfile) -> PowerShape | None:
    """Return the clock response of a profile; none where its points span no clocks."""
    clock = profile.spec.clock
    if clock is None:
        return None
    return voltage_curve(
        clock.voltage_floor, clock.voltage_slope, clock.time_exponent, clock.memory_clock_share
    )


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

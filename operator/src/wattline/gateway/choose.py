"""Which pool answers a request: by the model's name, by the pool's, or by a header."""

from collections.abc import Iterable, Mapping

from wattline.gateway.pool import Pool
from wattline.gateway.refusal import Reason, Refused

POOL_HEADER = "x-wattline-pool"
"""Names the pool where several serve the model: ``namespace/name``."""


def choose(pools: Mapping[str, Pool], model: str, wanted: str | None) -> Pool:
    """Return the pool for a request, or raise `Refused`.

    A model's plain name means the oldest pool that serves it, so that nobody's traffic changes because somebody else
    makes a pool of the same model; a pool's own full name, as the model or in the header, means that pool.
    """
    there = {name: pool for name, pool in pools.items() if not pool.gone}
    if wanted is not None:
        pool = there.get(wanted)
        if pool is None:
            raise _missing("pool", wanted, there)
        if model not in {pool.declared.spec.model, pool.name}:
            raise Refused(
                404,
                Reason.NO_SUCH_MODEL,
                f"pool {wanted} serves {pool.declared.spec.model}, not {model}",
                code="model_not_found",
                param="model",
            )
        return pool
    serving = [pool for pool in there.values() if pool.declared.spec.model == model]
    if serving:
        return min(serving, key=_age)
    if model in there:
        return there[model]
    raise _missing("model", model, models(there.values()))


def models(pools: Iterable[Pool]) -> tuple[str, ...]:
    """Return every name that a client may ask for: plain names, and the pools that a plain name does not reach."""
    oldest: dict[str, Pool] = {}
    there = sorted((pool for pool in pools if not pool.gone), key=_age)
    for pool in there:
        oldest.setdefault(pool.declared.spec.model, pool)
    hidden = (pool.name for pool in there if oldest[pool.declared.spec.model] is not pool)
    return tuple(sorted({*oldest, *hidden}))


def _age(pool: Pool) -> tuple[str, str]:
    return pool.created_at, pool.name


def _missing(what: str, name: str, known: Iterable[str]) -> Refused:
    there = ", ".join(sorted(known)) or "none"
    return Refused(
        404,
        Reason.NO_SUCH_MODEL,
        f"the {what} {name} does not exist; {what}s here: {there}",
        code=f"{what}_not_found",
        param="model" if what == "model" else None,
    )

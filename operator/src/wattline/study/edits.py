"""What-if: other budgets and replicas than a fleet's objects say, from the start or from a moment on."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from pydantic import ValidationError

from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import PowerDomain
from wattline.model.fleet import Fleet, full_name
from wattline.sim.changes import BudgetChange, Do, ReplicaChange

_TIMED = re.compile(r"(?P<edit>.*)@(?P<number>\d+(?:\.\d+)?)(?P<unit>s|min|h)")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_CHANGE = re.compile(r"(?P<sign>[+-]?)(?P<number>\d+(?:\.\d+)?)(?P<percent>%?)")


class EditError(ValueError):
    """A what-if names something that is not there, or asks for what cannot be; remedy in the message."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One value of one object, as told on a command line."""

    name: str
    value: str

    @classmethod
    def of(cls, text: str, example: str) -> "Edit":
        """Return the edit that ``NAME=VALUE`` says."""
        name, equals, value = text.rpartition("=")
        if not equals or not name or not value:
            raise EditError(f"{text!r} is not NAME=VALUE, e.g. {example}")
        return cls(name, value)


def with_budgets(fleet: Fleet, texts: Iterable[str]) -> Fleet:
    """Return the fleet with other budgets from the start on.

    ``row-a=18000`` sets watts, ``row-a=-10%`` and ``row-a=+500`` change them; ``row-a=-10%@2h`` is for later.
    """
    domains = list(fleet.domains)
    for text in texts:
        if timed(text)[1] is not None:
            continue
        edit = Edit.of(text, "row-a=-10% or row-a=18000")
        names = [domain.metadata.name for domain in domains]
        at = _index(edit.name, names, "PowerDomain")
        domains[at] = _budgeted(domains[at], edit)
    return replace(fleet, domains=tuple(domains))


def with_replicas(fleet: Fleet, texts: Iterable[str]) -> Fleet:
    """Return the fleet with other numbers of replicas: ``coder=6``."""
    pools = list(fleet.pools)
    for text in texts:
        edit = Edit.of(text, "coder=6")
        at = _index(edit.name, [full_name(pool) for pool in pools], "InferencePool")
        pools[at] = _sized(pools[at], edit)
    return replace(fleet, pools=tuple(pools))


def budget_changes(fleet: Fleet, texts: Iterable[str]) -> tuple[BudgetChange, ...]:
    """Return the budgets that become others at a moment: ``row-a=-10%@2h``, of what they were at the start."""
    out = []
    for text in texts:
        told, at_seconds = timed(text)
        if at_seconds is not None:
            edit = Edit.of(told, "row-a=-10%@2h")
            at = _index(edit.name, [domain.metadata.name for domain in fleet.domains], "PowerDomain")
            domain = _budgeted(fleet.domains[at], edit)
            out.append(BudgetChange(at_seconds, domain.metadata.name, domain.spec.budget.watts))
    return tuple(out)


def replica_changes(fleet: Fleet, texts: Iterable[str]) -> tuple[ReplicaChange, ...]:
    """Return what happens to replicas: ``coder/r0=stop@30min``, ``agents/coder/r0=sleep@2h``."""
    out = []
    for text in texts:
        told, at_seconds = timed(text)
        if at_seconds is None:
            raise EditError(f"{text!r}: say when, in s, min or h, e.g. coder/coder-0=stop@30min")
        edit = Edit.of(told, "coder/coder-0=stop@30min")
        pool, slash, replica = edit.name.rpartition("/")
        if not slash:
            raise EditError(f"{text!r}: name the replica as POOL/REPLICA, e.g. coder/coder-0=stop@30min")
        if edit.value not in list(Do):
            raise EditError(f"{text!r}: {edit.value} happens to no replica; there is: {', '.join(Do)}")
        at = _index(pool, [full_name(each) for each in fleet.pools], "InferencePool")
        out.append(ReplicaChange(at_seconds, full_name(fleet.pools[at]), replica, Do(edit.value)))
    return tuple(out)


def timed(text: str) -> tuple[str, float | None]:
    """Return what is told without its ``@TIME``, and that time in seconds."""
    match = _TIMED.fullmatch(text)
    if match is not None:
        return match["edit"], float(match["number"]) * _SECONDS[match["unit"]]
    if "@" in text:
        raise EditError(f"{text!r}: {text.rpartition('@')[2]} is no time; write 600s, 30min or 2h")
    return text, None


def _budgeted(domain: PowerDomain, edit: Edit) -> PowerDomain:
    match = _CHANGE.fullmatch(edit.value.removesuffix("W").strip())
    if match is None:
        raise EditError(
            f"{edit.name}={edit.value}: expected watts (18000), a change (+500, -2000) or a share (-10%)"
        )
    before, number = domain.spec.budget.watts, float(match["number"])
    sign = -1.0 if match["sign"] == "-" else 1.0
    if match["percent"]:
        watts = before * (1 + sign * number / 100) if match["sign"] else before * number / 100
    else:
        watts = before + sign * number if match["sign"] else number
    spec = domain.spec.model_dump()
    try:
        changed = type(domain.spec).model_validate(spec | {"budget": spec["budget"] | {"watts": watts}})
    except ValidationError as error:
        said = "; ".join(each["msg"] for each in error.errors())
        raise EditError(f"{edit.name}={edit.value}: a budget of {watts:g} W cannot be: {said}") from error
    return domain.model_copy(update={"spec": changed})


def _sized(pool: InferencePool, edit: Edit) -> InferencePool:
    if not edit.value.isdecimal() or int(edit.value) == 0:
        raise EditError(f"{edit.name}={edit.value}: expected a number of replicas, 1 or more")
    replicas = int(edit.value)
    listed = len(pool.spec.endpoints)
    if not pool.spec.of_pods and replicas > listed:
        raise EditError(
            f"{edit.name}={edit.value}: the pool lists {listed} endpoints; "
            "add endpoints with their nodes and GPUs to its manifest, or use a template"
        )
    return pool.model_copy(update={"spec": pool.spec.model_copy(update={"replicas": replicas})})


def _index(name: str, names: Sequence[str], kind: str) -> int:
    if name in names:
        return names.index(name)
    short = [index for index, full in enumerate(names) if full.rpartition("/")[2] == name]
    if len(short) == 1:
        return short[0]
    close = get_close_matches(name, names, n=1)
    meant = f", did you mean {close[0]}" if close else ""
    raise EditError(f"no {kind} named {name}{meant}; there is: {', '.join(names) or 'none'}")

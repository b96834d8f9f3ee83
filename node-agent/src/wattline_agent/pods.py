"""Which pod has which of this node's GPUs: from the kubelet's words for devices to UUIDs. Pure.

A device plugin names a GPU, or a part of one (MIG), by its UUID, with ``::N`` behind it where it hands one to several
pods. A DRA driver names it as it likes: its ResourceSlice may carry the UUID as an attribute (for a part of a GPU that
of the whole), the CDI name may contain it. A part leads to its whole, for clock and power are the whole's: by what the
driver says of its parts, or by its name, as drivers before 470 name parts after the whole. What leads to no GPU we
hold is told as unmapped and never guessed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wattline.api.powernode import PodGpus


@dataclass(frozen=True, slots=True)
class Plugged:
    """A device of a device plugin."""

    resource: str
    name: str
    """What the plugin calls it; NVIDIA's plugin: the GPU's UUID."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A device of a DRA driver; driver, pool and name are how the cluster's ResourceSlices call it."""

    driver: str
    pool: str
    name: str
    cdi: tuple[str, ...] = ()
    """Names by which the container runtime finds it."""


@dataclass(frozen=True, slots=True)
class PodDevices:
    """The devices of one pod, over all its containers."""

    namespace: str
    name: str
    devices: tuple[Plugged | Claimed, ...] = ()


Known = Mapping[str, str]
"""The node's GPUs by their UUIDs and by those of their parts."""

Slices = Mapping[tuple[str, str, str], str]
"""UUIDs that DRA drivers publish, by driver, pool and device."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """What hands out GPUs here."""

    resources: tuple[str, ...]
    """Names, or beginnings of names before a ``*``."""
    drivers: tuple[str, ...]

    def has(self, resource: str) -> bool:
        """Whether this resource is one of GPUs."""
        return any(
            resource.startswith(each.removesuffix("*")) if each.endswith("*") else resource == each
            for each in self.resources
        )


@dataclass(frozen=True, slots=True)
class Mapped:
    """Who has what."""

    pods: tuple[PodGpus, ...] = ()
    """Pods with GPUs, by namespace and name."""
    unmapped: tuple[str, ...] = ()
    """A sentence for every device that should be a GPU and leads to none."""


def mapped(pods: Iterable[PodDevices], known: Known, kinds: Kinds, slices: Slices) -> Mapped:
    """Return which pods have which of the ``known`` GPUs, and what could not be mapped."""
    found: list[PodGpus] = []
    unmapped: set[str] = set()
    for pod in pods:
        uuids: set[str] = set()
        for device in pod.devices:
            uuid = _uuid(device, known, kinds, slices)
            if uuid is not None:
                uuids.add(uuid)
            elif _is_gpu(device, kinds):
                unmapped.add(f"{pod.namespace}/{pod.name} has {_words(device)}, which is no GPU of this node")
        if uuids:
            found.append(PodGpus(namespace=pod.namespace, name=pod.name, gpus=tuple(sorted(uuids))))
    return Mapped(tuple(sorted(found, key=lambda each: (each.namespace, each.name))), tuple(sorted(unmapped)))


def _uuid(device: Plugged | Claimed, known: Known, kinds: Kinds, slices: Slices) -> str | None:
    match device:
        case Plugged(resource, name):
            if not kinds.has(resource):
                return None
            uuid = name.partition("::")[0]
            return known.get(uuid) or _whole_in(uuid, known)
        case Claimed(driver, pool, name, cdi):
            published = slices.get((driver, pool, name))
            if published is not None:
                return known.get(published)
            names = {known[each] for full in (*cdi, name) for each in known if _contains(full, each)}
            return names.pop() if len(names) == 1 else None


def _whole_in(name: str, known: Known) -> str | None:
    """Return the GPU of an old part's name, ``MIG-GPU-…/1/0``."""
    whole = name.removeprefix("MIG-").partition("/")[0]
    return known.get(whole) if name.startswith("MIG-GPU-") else None


def _contains(name: str, uuid: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(uuid)}(?![A-Za-z0-9])", name, re.IGNORECASE) is not None


def _is_gpu(device: Plugged | Claimed, kinds: Kinds) -> bool:
    match device:
        case Plugged(resource, _):
            return kinds.has(resource)
        case Claimed(driver, _, _, _):
            return driver in kinds.drivers


def _words(device: Plugged | Claimed) -> str:
    match device:
        case Plugged(resource, name):
            return f"{resource} {name}"
        case Claimed(driver, pool, name, _):
            return f"{driver} device {name} of pool {pool}"

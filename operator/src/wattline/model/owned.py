"""How a thing that we make says whose it is: it goes when its owner goes."""

from typing import Any

from wattline.api.base import GROUP, VERSION


def owner_reference(kind: str, name: str, uid: str) -> dict[str, Any]:
    """Return the reference to an object of one of our kinds, as JSON; it keeps nobody from deleting the owner first."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }

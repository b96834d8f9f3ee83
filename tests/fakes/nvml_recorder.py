"""nvidia-ml-py's library with an ear: every C call goes through, and how it was called is remembered."""

import ctypes
from typing import Any

import pynvml

_WORDS = {
    ctypes.c_uint: "unsigned int",
    ctypes.c_int: "int",
    ctypes.c_ulonglong: "unsigned long long",
    ctypes.c_double: "double",
    ctypes.c_char: "char",
}


class Recorder:
    """Stands in for the loaded library."""

    def __init__(self, library: ctypes.CDLL, lacks: frozenset[str] = frozenset()) -> None:
        """``lacks`` are functions of newer drivers than this one is to be."""
        self._library = library
        self._lacks = lacks
        self.seen: dict[str, set[tuple[str, ...]]] = {}
        """By C function: the C types of the arguments it was called with."""

    def __getattr__(self, name: str) -> Any:
        if name in self._lacks:
            raise AttributeError(name)
        call = getattr(self._library, name)

        def recorded(*arguments: Any) -> Any:
            self.seen.setdefault(name, set()).add(tuple(_kind(each) for each in arguments))
            return call(*arguments)

        return recorded


def _kind(value: Any) -> str:
    if isinstance(value, pynvml.c_nvmlDevice_t):
        return "nvmlDevice_t"
    if isinstance(value, ctypes.Array):
        return f"{_kind_of(value._type_)}*"
    if type(value).__name__ == "CArgObject":  # what byref makes
        inner = value._obj
        return f"{_kind(inner).removesuffix('*')}*"
    return _kind_of(type(value))


def _kind_of(kind: Any) -> str:
    return _WORDS.get(kind) or kind.__name__.removeprefix("c_").removesuffix("_t")

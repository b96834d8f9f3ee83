"""The lock that all processes on one fake driver share: a robust POSIX mutex inside the mapping."""

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PTHREAD_PROCESS_SHARED = 1
PTHREAD_MUTEX_ROBUST = 1
_ATTRIBUTE_BYTES = 64  # pthread_mutexattr_t is 4 to 8 bytes

_libc = ctypes.CDLL(None)


def make(address: int) -> None:
    """Make an unlocked mutex of the bytes at ``address``."""
    attribute = ctypes.create_string_buffer(_ATTRIBUTE_BYTES)
    _check(_libc.pthread_mutexattr_init(attribute))
    _check(_libc.pthread_mutexattr_setpshared(attribute, PTHREAD_PROCESS_SHARED))
    _check(_libc.pthread_mutexattr_setrobust(attribute, PTHREAD_MUTEX_ROBUST))
    _check(_libc.pthread_mutex_init(ctypes.c_void_p(address), attribute))


@contextmanager
def held(address: int, *, settle: Callable[[], None]) -> Iterator[None]:
    """Hold the mutex; ``settle`` runs first where the last holder died with it."""
    code = _libc.pthread_mutex_lock(ctypes.c_void_p(address))
    if code == errno.EOWNERDEAD:
        settle()
        code = _libc.pthread_mutex_consistent(ctypes.c_void_p(address))
    _check(code)
    try:
        yield
    finally:
        _check(_libc.pthread_mutex_unlock(ctypes.c_void_p(address)))


def _check(code: int) -> None:
    if code != 0:
        raise OSError(code, os.strerror(code))

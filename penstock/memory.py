"""Memory: the limit that a job's code lives under, and the room that encoding needs above it.

orjson reserves eight times the length of a text before it writes it, and takes the process down
where that cannot be had. So code runs under the soft limit, and encoding under the hard one.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ROOM_BYTES = 1024 * 1024 * 1024
_SMALL_SHARE = 0.25
_PAGE_BYTES = resource.getpagesize()
_UNLIMITED = resource.RLIM_INFINITY


def limit(more_bytes: int) -> None:
    """Let this process grow by so much, and no further: then Python raises MemoryError.

    The first limit of a process stands: only root could lift it.
    """
    if resource.getrlimit(resource.RLIMIT_AS)[1] != _UNLIMITED:
        return
    size = _size()
    if size:
        soft = size + more_bytes
        resource.setrlimit(resource.RLIMIT_AS, (soft, soft + ROOM_BYTES))


def is_much_left(more_bytes: int) -> bool:
    """Whether most of what `limit` allowed is still to be had."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return soft == _UNLIMITED or soft - _size() > more_bytes * (1 - _SMALL_SHARE)


def _size() -> int:
    """Of this process's address space; 0 where that is not told."""
    with suppress(FileNotFoundError), open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * _PAGE_BYTES
    return 0


@contextmanager
def room() -> Iterator[None]:
    """Let what happens here have room above the limit, where there is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == _UNLIMITED:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

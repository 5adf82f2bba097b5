"""What a process has taken and needs no more goes back to the system."""

import ctypes

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # of mallopt(3)
_LARGE = 128 * 1024  # bytes; the size that it begins with, mallopt(3)
_ARENAS = 2  # heaps that all threads share (ours)


def give_back() -> None:
    """Have large pieces of memory go back once they are free: what strangers or a large room took does not stay taken.

    The C library learns from large pieces that are freed to keep ever larger ones, and keeps them for each thread by
    itself; told a size and a number, it does not. Processes that are forked off later have it so, too.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # of the GNU library only
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _LARGE)
        set_option(_ARENA_MAX, _ARENAS)

"""A barrier between threads that run one compiled function each, built on atomic words.

Each thread owns one cache line of a small int64 array and counts its arrivals there; nobody else writes it. Spinning
threads yield the processor after a while, so that a third busy process slows them down but never stalls them.

A thread that has lost its processor keeps all others waiting for milliseconds, or it shares the processor with them.
Where that takes a quarter of the time or more, as beside a busy process, thread 0 goes on alone (``leave`` tells the
others): no bit depends on who computes what. Now and then, as on a shared machine, it costs less than to do without the
other threads.
"""

import os
import platform

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._jit import kernel
from .simd import pointer

LINE = 8  # int64 words in a cache line
SPINS = 2000  # about 10 µs on a 3 GHz CPU, several times what two healthy threads wait

yield_processor = types.ExternalFunction("SwitchToThread" if os.name == "nt" else "sched_yield", types.int32())


# Words of a thread's line: its arrivals, and the time of its long waits in this call. All times are ticks of the CPU's
# clock. One more line belongs to thread 0: the first round that it does alone, how long a long wait is, the time that
# waits may take, what they took lately, when that was, and how much of the threads' own words it contains.
ARRIVALS, WAITED = 0, 1
ALONE, PATIENCE, LIMIT, LATELY, SINCE, COUNTED = range(6)

NEVER = 1 << 62
_TICKS_PER_SECOND = 2.5e9  # of the time stamp counter, roughly

# Seconds: of a wait that counts, beyond its spinning, and of one for a thread that wakes up. A thread that has lost its
# processor gets it back after 1.4 ms or more; two threads that share one pass it on after each has spun for some 30 µs.
_MIN_PATIENCE, _WAKING = 2e-5, 1e-3

# Waits may take this share of the time, and so many seconds beyond it before anything is done about them: two threads
# are 1.4 to 1.9 times as fast as one.
_SHARE, _SPARE_SECONDS = 4, 4e-3
_WAKING_TICKS = int(_WAKING * _TICKS_PER_SECOND)


def arrivals(n_threads: int, seconds: float = 0.0) -> np.ndarray:
    """Return the shared words of a barrier for ``n_threads``.

    Parameters
    ----------
    n_threads : int
    seconds : float, default=0.0
        What lies between two barriers takes about so long; healthy threads may wait half of it for each other.
    """
    words = np.zeros((n_threads + 1) * LINE, np.int64)
    words[-LINE + PATIENCE] = int((_MIN_PATIENCE + seconds / 2) * _TICKS_PER_SECOND)
    words[-LINE + LIMIT] = int(_SPARE_SECONDS * _TICKS_PER_SECOND)
    reset(words)
    return words


def reset(words: np.ndarray) -> None:
    """Let all threads take part again. None of them may be running; what waits took lately is kept."""
    words[WAITED::LINE][:-1] = 0
    words[-LINE + COUNTED] = 0
    words[-LINE + ALONE] = NEVER


def alone(words: np.ndarray) -> bool:
    """Whether thread 0 went on alone."""
    return bool(words[-LINE + ALONE] != NEVER)


@intrinsic
def _publish(typingctx, word, value):
    """Store with release order: what was written before is seen by whoever reads the value."""

    def codegen(context, builder, sig, args):
        builder.store_atomic(args[1], args[0], "release", 8)

    return types.void(word, types.int64), codegen


@intrinsic
def _observe(typingctx, word):
    """Load with acquire order."""

    def codegen(context, builder, sig, args):
        return builder.load_atomic(args[0], "acquire", 8)

    return types.int64(word), codegen


@intrinsic
def _pause(typingctx):
    """Tell the CPU that this is a spin loop."""

    def codegen(context, builder, sig, args):
        if platform.machine().lower() in ("x86_64", "amd64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])

    return types.void(), codegen


@intrinsic
def _ticks(typingctx):
    """Return the CPU's clock."""

    def codegen(context, builder, sig, args):
        kind = ir.FunctionType(ir.IntType(64), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.readcyclecounter"), [])

    return types.int64(), codegen


@kernel
def wait(words, thread, n_threads):
    """Return when all ``n_threads`` have arrived here as often as this one."""
    if n_threads == 1:
        return
    own = thread * LINE
    count = words[own + ARRIVALS] + 1
    _publish(pointer(words, own + ARRIVALS), count)
    for other in range(n_threads):
        spins, started = 0, 0
        while _observe(pointer(words, other * LINE + ARRIVALS)) < count:
            spins += 1
            if spins < SPINS:
                _pause()
            else:
                if spins == SPINS:
                    started = _ticks()
                yield_processor()
        if spins >= SPINS:
            waited = _ticks() - started
            if waited > words[n_threads * LINE + PATIENCE]:
                _publish(pointer(words, own + WAITED), words[own + WAITED] + waited)


@kernel
def forget_waits(words, thread):
    """Forget this thread's waits, those of the first round, unless the others took long to wake up."""
    if words[thread * LINE + WAITED] < _WAKING_TICKS:
        _publish(pointer(words, thread * LINE + WAITED), 0)


@kernel
def leave(words, number, thread, n_threads):
    """Whether round ``number`` is one that thread 0 does alone; to be asked by all when it begins."""
    return n_threads > 1 and _observe(pointer(words, n_threads * LINE + ALONE)) <= number


@kernel
def count_waits(words, number, n_threads):
    """After round ``number`` let thread 0, who calls this, go on alone if waits have taken too much of the time lately.

    The others learn it at the next barrier, which they all pass in the round before.
    """
    if n_threads == 1:
        return
    shared, waited = n_threads * LINE, 0
    for thread in range(n_threads):
        waited += _observe(pointer(words, thread * LINE + WAITED))
    if waited <= words[shared + COUNTED]:
        return
    now = _ticks()
    old = max(0, words[shared + LATELY] - (now - words[shared + SINCE]) // _SHARE)
    words[shared + LATELY] = old + (waited - words[shared + COUNTED]) // (n_threads - 1)
    words[shared + SINCE], words[shared + COUNTED] = now, waited
    if words[shared + LATELY] > words[shared + LIMIT] and _observe(pointer(words, shared + ALONE)) == NEVER:
        _publish(pointer(words, shared + ALONE), number + 2)

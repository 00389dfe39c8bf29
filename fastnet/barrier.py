"""A barrier between threads that run one compiled function each, built on atomic words.

Each thread owns one cache line of a small int64 array and counts its arrivals there; nobody else writes it. Spinning
threads yield the processor after a while, so that a third busy process slows them down but never stalls them.
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


def arrivals(n_threads: int) -> np.ndarray:
    """Return the shared words of a barrier for ``n_threads``."""
    return np.zeros(n_threads * LINE, np.int64)


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


@kernel
def wait(words, thread, n_threads):
    """Return when all ``n_threads`` have arrived here as often as this one."""
    if n_threads == 1:
        return
    count = words[thread * LINE] + 1
    _publish(pointer(words, thread * LINE), count)
    for other in range(n_threads):
        spins = 0
        while _observe(pointer(words, other * LINE)) < count:
            spins += 1
            if spins < SPINS:
                _pause()
            else:
                yield_processor()

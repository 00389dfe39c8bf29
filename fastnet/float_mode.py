"""The CPU's floating-point mode while compiled code trains and predicts: round to nearest, flush denormals to zero.

Numbers below 1.2e-38 (float32; float64: 2.2e-308) make each operation that meets them tens of times as slow, and dying
velocities or 1e-40 in the data are enough. The mode is set when compiled code is entered, and what was set before is
restored when it is left; so results don't depend either on a library that changed the mode for its own purposes.
"""

import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_MACHINE = platform.machine().lower()
_X86, _ARM = _MACHINE in ("x86_64", "amd64"), _MACHINE in ("aarch64", "arm64")

# x86's MXCSR: all exceptions masked, denormal inputs are zero (bit 6), denormal results become zero (bit 15).
_MXCSR = 0x1F80 | 1 << 6 | 1 << 15
_FPCR = 1 << 24  # ARM's flush to zero

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)


def _call(builder, name, result, *args):
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def _bytes_of(builder, slot):
    return builder.bitcast(slot, ir.IntType(8).as_pointer())


def _read(builder):
    if _X86:
        slot = cgutils.alloca_once(builder, _INT32)
        _call(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), _bytes_of(builder, slot))
        return builder.zext(builder.load(slot), _INT64)
    return _call(builder, "llvm.aarch64.get.fpcr", _INT64) if _ARM else _INT64(0)


def _write(builder, value):
    if _X86:
        slot = cgutils.alloca_once(builder, _INT32)
        builder.store(builder.trunc(value, _INT32), slot)
        _call(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), _bytes_of(builder, slot))
    elif _ARM:
        _call(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), value)


@intrinsic
def set_float_mode(typingctx):
    """Set our mode; returns the one before."""

    def codegen(context, builder, sig, args):
        before = _read(builder)
        _write(builder, _INT64(_MXCSR if _X86 else _FPCR))
        return before

    return types.int64(), codegen


@intrinsic
def restore_float_mode(typingctx, mode):
    """Set the mode that ``set_float_mode`` returned."""

    def codegen(context, builder, sig, args):
        _write(builder, args[0])

    return types.void(types.int64), codegen

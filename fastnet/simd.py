"""Vector words for compiled code: one value is a whole vector register of float32 or float64 lanes.

Numba has no vector type, and LLVM's auto-vectoriser gives up on most of our loops, so this file adds one: an
extension type over LLVM's ``<n x float>`` with the words below. They are used inside compiled functions only.

* memory    ``pointer, pointer_to, pointer_as, itemsize_of, shift, shift_bytes, load, store, load_first,
            store_first, load_as, load_repeated, copy_lanes, prefetch``
* lanes     ``lanes, splat, quad, short, lane_index, first_lane, widen, reduce_add, reduce_max, reduce_min``
* values    ``+ - * / -x < <= == >``, ``muladd, select, absolute, sqrt, copysign, polynomial, by_dtype``
* bits      ``low_bits_as_exponent, add_exponent, exponent, nonzero_bits, single_bit, lowest_bit,
            without_lowest_bit, transpose_eighths, exchange_bits, count_bits``

Blocks of vectors have words of their own: ``tiles.py``.

A number beside a vector in ``+ - * /``, a comparison or ``select`` is spread over its lanes. Pointers are
Numba's ``CPointer``; ``p[i]`` reads and writes one element. Nothing checks bounds: callers own that.
"""

import operator
from functools import partial

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

from ._jit import VECTOR_BYTES
from .views import ViewType, first_element

_INT32 = ir.IntType(32)
_BITS = {types.float32: 32, types.float64: 64}
_MANTISSA = {types.float32: 23, types.float64: 52}
_BIAS = {types.float32: 127, types.float64: 1023}


# -- types ---------------------------------------------------------------------------------------------


class VectorType(types.Type):
    """``lanes`` values of one float type in a register."""

    def __init__(self, dtype, lanes):
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"Vector({dtype}, {lanes})")


class MaskType(types.Type):
    """One bit a lane: what a comparison of vectors gives."""

    def __init__(self, lanes):
        self.lanes = lanes
        super().__init__(name=f"Mask({lanes})")


class TileType(types.Type):
    """``rows`` times ``columns`` vectors: the accumulators of a matrix product."""

    def __init__(self, vector, rows, columns):
        self.vector, self.rows, self.columns = vector, rows, columns
        super().__init__(name=f"Tile({vector}, {rows}, {columns})")


def _llvm(fe_type):
    """LLVM type of a scalar, vector or mask type."""
    if isinstance(fe_type, VectorType):
        return ir.VectorType(_llvm(fe_type.dtype), fe_type.lanes)
    if isinstance(fe_type, MaskType):
        return ir.VectorType(ir.IntType(1), fe_type.lanes)
    return ir.FloatType() if fe_type == types.float32 else ir.DoubleType()


@register_model(VectorType)
@register_model(MaskType)
class _RegisterModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _llvm(fe_type))


@register_model(TileType)
class _TileModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, ir.ArrayType(_llvm(fe_type.vector), fe_type.rows * fe_type.columns))


def _full(dtype) -> VectorType:
    return VectorType(dtype, VECTOR_BYTES * 8 // _BITS[dtype])


def _like(fe_type) -> VectorType:
    """Vector type that belongs to a vector, or to a pointer to floats."""
    if isinstance(fe_type, VectorType):
        return fe_type
    if isinstance(fe_type, TileType):
        return fe_type.vector
    return _full(fe_type.dtype)


# -- code generation helpers ---------------------------------------------------------------------------


def _call(builder, name, result, *args):
    """Call an LLVM intrinsic, declaring it on first use."""
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def _suffix(vector: VectorType) -> str:
    return f"v{vector.lanes}f{_BITS[vector.dtype]}"


def _muladd(builder, vector, a, b, c):
    # llvm.fmuladd and not llvm.fma: the latter turns into scalar calls of fmaf on CPUs without FMA.
    return _call(builder, f"llvm.fmuladd.{_suffix(vector)}", _llvm(vector), a, b, c)


def _spread(builder, value, vector: VectorType):
    """Spread one scalar over all lanes."""
    kind = _llvm(vector)
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_INT32, 0))
    mask = ir.Constant(ir.VectorType(_INT32, vector.lanes), [0] * vector.lanes)
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), mask)


def _constant(vector: VectorType, value):
    return ir.Constant(_llvm(vector), [value] * vector.lanes)


def _as_vector(context, builder, value, fe_type, vector: VectorType):
    """Return ``value`` as a vector, spreading a number."""
    if isinstance(fe_type, VectorType):
        return value
    return _spread(builder, context.cast(builder, value, fe_type, vector.dtype), vector)


def _address(builder, pointer, index, vector: VectorType):
    return builder.bitcast(builder.gep(pointer, [index]), _llvm(vector).as_pointer())


def _load(builder, pointer, index, vector: VectorType):
    return builder.load(_address(builder, pointer, index, vector), align=_BITS[vector.dtype] // 8)


def _store(builder, value, pointer, index, vector: VectorType):
    builder.store(value, _address(builder, pointer, index, vector), align=_BITS[vector.dtype] // 8)


def _load_any(context, builder, pointer, index, dtype, n: int):
    """Load ``n`` elements of any number type."""
    kind = ir.VectorType(context.get_value_type(dtype), n)
    return builder.load(builder.bitcast(builder.gep(pointer, [index]), kind.as_pointer()), align=dtype.bitwidth // 8)


def _converted(builder, raw, dtype, vector: VectorType):
    """Convert elements of any number type."""
    if isinstance(dtype, types.Integer):
        return (builder.sitofp if dtype.signed else builder.uitofp)(raw, _llvm(vector))
    if dtype.bitwidth == vector.dtype.bitwidth:
        return raw
    return (builder.fpext if dtype.bitwidth < vector.dtype.bitwidth else builder.fptrunc)(raw, _llvm(vector))


def _integers(vector: VectorType):
    return ir.VectorType(ir.IntType(_BITS[vector.dtype]), vector.lanes)


def _integer(vector: VectorType, value: int):
    return ir.Constant(_integers(vector), [value] * vector.lanes)


def _lane_numbers(bits: int, lanes: int):
    return ir.Constant(ir.VectorType(ir.IntType(bits), lanes), list(range(lanes)))


def _first(builder, count, lanes: int):
    """Mask of the first ``count`` lanes."""
    spread = _spread_integer(builder, count, lanes)
    return builder.icmp_signed("<", _lane_numbers(64, lanes), spread)


def _spread_integer(builder, value, lanes: int):
    kind = ir.VectorType(value.type, lanes)
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_INT32, 0))
    mask = ir.Constant(ir.VectorType(_INT32, lanes), [0] * lanes)
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), mask)


def _is_floats(fe_type) -> bool:
    return isinstance(fe_type, types.CPointer) and fe_type.dtype in _BITS


# -- memory --------------------------------------------------------------------------------------------


@intrinsic
def pointer(typingctx, array, offset):
    """Pointer to element ``offset`` of a C-contiguous array or of a view."""

    def codegen(context, builder, sig, args):
        return builder.gep(first_element(context, builder, sig.args[0], args[0]), [args[1]])

    if isinstance(array, types.Array | ViewType) and isinstance(offset, types.Integer):
        return types.CPointer(array.dtype)(array, types.int64), codegen
    return None


@intrinsic
def pointer_to(typingctx, address, dtype):
    """Pointer to values of a dtype at an integer address."""

    def codegen(context, builder, sig, args):
        return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

    if isinstance(address, types.Integer) and isinstance(dtype, types.NumberClass):
        return types.CPointer(dtype.instance_type)(types.int64, dtype), codegen
    return None


@intrinsic
def choose(typingctx, condition, yes, no):
    """Return one of two numbers or pointers, both of which are known, without a branch that might be guessed wrong."""

    def codegen(context, builder, sig, args):
        return builder.select(args[0], args[1], args[2])

    return (yes(types.boolean, yes, no), codegen) if yes == no else None


@intrinsic
def address_of(typingctx, start):
    """Return the address that a pointer holds."""

    def codegen(context, builder, sig, args):
        return builder.ptrtoint(args[0], ir.IntType(64))

    return types.int64(start), codegen


@intrinsic
def pointer_as(typingctx, address, like):
    """Pointer at an integer address, of the type of another pointer."""

    def codegen(context, builder, sig, args):
        return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

    return like(types.int64, like), codegen


@intrinsic
def itemsize_of(typingctx, start):
    """Bytes of what a pointer points to: a constant."""

    def codegen(context, builder, sig, args):
        return context.get_constant(types.int64, sig.args[0].dtype.bitwidth // 8)

    return types.int64(start), codegen


@intrinsic
def shift(typingctx, start, count):
    """Pointer to ``start[count]``."""

    def codegen(context, builder, sig, args):
        return builder.gep(args[0], [args[1]])

    return start(start, types.int64), codegen


@intrinsic
def shift_bytes(typingctx, start, count):
    """Pointer ``count`` bytes further on."""

    def codegen(context, builder, sig, args):
        moved = builder.gep(builder.bitcast(args[0], ir.IntType(8).as_pointer()), [args[1]])
        return builder.bitcast(moved, context.get_value_type(sig.return_type))

    return start(start, types.int64), codegen


@intrinsic
def load(typingctx, start, index):
    """Vector of the lanes from ``start[index]`` on; any alignment."""

    def codegen(context, builder, sig, args):
        return _load(builder, args[0], args[1], sig.return_type)

    return (_like(start)(start, types.int64), codegen) if _is_floats(start) else None


@intrinsic
def store(typingctx, start, index, value):
    """Write all lanes from ``start[index]`` on; any alignment."""

    def codegen(context, builder, sig, args):
        _store(builder, args[2], args[0], args[1], sig.args[2])

    return types.void(start, types.int64, value), codegen


@intrinsic
def load_first(typingctx, start, index, count, fill):
    """First ``count`` lanes from ``start[index]`` on, ``fill`` in the others, which are not read."""

    def codegen(context, builder, sig, args):
        vector = sig.return_type
        filling = _as_vector(context, builder, args[3], sig.args[3], vector)
        address = _address(builder, args[0], args[1], vector)
        name = f"llvm.masked.load.{_suffix(vector)}.p0"
        align = ir.Constant(_INT32, _BITS[vector.dtype] // 8)
        return _call(builder, name, _llvm(vector), address, align, _first(builder, args[2], vector.lanes), filling)

    return (_like(start)(start, types.int64, types.int64, fill), codegen) if _is_floats(start) else None


@intrinsic
def store_first(typingctx, start, index, value, count):
    """Write the first ``count`` lanes from ``start[index]`` on; the others are not touched."""

    def codegen(context, builder, sig, args):
        vector = sig.args[2]
        address = _address(builder, args[0], args[1], vector)
        align = ir.Constant(_INT32, _BITS[vector.dtype] // 8)
        mask = _first(builder, args[3], vector.lanes)
        _call(builder, f"llvm.masked.store.{_suffix(vector)}.p0", ir.VoidType(), args[2], address, align, mask)

    return types.void(start, types.int64, value, types.int64), codegen


@intrinsic
def load_as(typingctx, start, index, like):
    """Load as many elements as ``like`` has lanes, of any number type, converted to its dtype."""

    def codegen(context, builder, sig, args):
        source, vector = sig.args[0].dtype, sig.return_type
        raw = _load_any(context, builder, args[0], args[1], source, vector.lanes)
        return _converted(builder, raw, source, vector)

    return _like(like)(start, types.int64, like), codegen


@intrinsic
def load_repeated(typingctx, start, index, like):
    """Load as many elements as a short vector has lanes, converted; they are repeated in the rest of a vector."""

    def codegen(context, builder, sig, args):
        source, vector = sig.args[0].dtype, sig.return_type
        raw = _load_any(context, builder, args[0], args[1], source, _short(vector.dtype).lanes)
        lane = [i % _short(vector.dtype).lanes for i in range(vector.lanes)]
        raw = builder.shuffle_vector(raw, raw, ir.Constant(ir.VectorType(_INT32, vector.lanes), lane))
        return _converted(builder, raw, source, vector)

    return _like(like)(start, types.int64, like), codegen


@intrinsic
def copy_lanes(typingctx, to, source, like):
    """Copy as many elements as ``like`` has lanes, of any number type, to where another pointer of the type points."""

    def codegen(context, builder, sig, args):
        item = sig.args[0].dtype
        kind = ir.VectorType(context.get_value_type(item), _like(sig.args[2]).lanes).as_pointer()
        align = item.bitwidth // 8
        builder.store(builder.load(builder.bitcast(args[1], kind), align=align), builder.bitcast(args[0], kind), align)

    return (types.void(to, source, like), codegen) if to == source else None


def _ask(builder, start, index, locality: int) -> None:
    address = builder.bitcast(builder.gep(start, [index]), ir.IntType(8).as_pointer())
    flags = [ir.Constant(_INT32, flag) for flag in (0, locality, 1)]  # to read, how near, data
    _call(builder, "llvm.prefetch.p0", ir.VoidType(), address, *flags)


@intrinsic
def prefetch(typingctx, start, index):
    """Ask for the cache line of ``start[index]``, to be read soon."""

    def codegen(context, builder, sig, args):
        _ask(builder, *args, locality=3)  # all levels

    return types.void(start, types.int64), codegen


@intrinsic
def prefetch_far(typingctx, start, index):
    """Ask for the cache line of ``start[index]`` to be brought to the L2 cache, to be read later."""

    def codegen(context, builder, sig, args):
        _ask(builder, *args, locality=2)

    return types.void(start, types.int64), codegen


# -- lanes ---------------------------------------------------------------------------------------------


@intrinsic
def lanes(typingctx, like):
    """Lanes of a vector, or of the vectors that a pointer to floats loads."""

    def codegen(context, builder, sig, args):
        return context.get_constant(types.int64, _like(sig.args[0]).lanes)

    return types.int64(like), codegen


@intrinsic
def splat(typingctx, like, value):
    """Vector with ``value`` in every lane, of the type that ``like`` (a vector or pointer) implies."""

    def codegen(context, builder, sig, args):
        return _as_vector(context, builder, args[1], sig.args[1], sig.return_type)

    return _like(like)(like, value), codegen


@intrinsic
def quad(typingctx, like):
    """Vector of four zeros, however wide registers are, of the dtype that ``like`` implies."""

    def codegen(context, builder, sig, args):
        return _constant(sig.return_type, 0.0)

    return VectorType(_like(like).dtype, 4)(like), codegen


# Bytes of a short vector: see ``kernels/narrow.py``.
SHORT_BYTES = min(VECTOR_BYTES, 32)


def _short(dtype) -> VectorType:
    return VectorType(dtype, SHORT_BYTES * 8 // _BITS[dtype])


@intrinsic
def short(typingctx, like):
    """Vector of zeros, of half a register where these have 64 bytes, of the dtype that ``like`` implies."""

    def codegen(context, builder, sig, args):
        return _constant(sig.return_type, 0.0)

    return _short(_like(like).dtype)(like), codegen


@intrinsic
def lane_index(typingctx, like):
    """Vector 0, 1, 2, … of the type of ``like``."""

    def codegen(context, builder, sig, args):
        vector = sig.return_type
        return ir.Constant(_llvm(vector), [float(i) for i in range(vector.lanes)])

    return _like(like)(like), codegen


@intrinsic
def widen(typingctx, value):
    """Return the same lanes in float64."""

    def codegen(context, builder, sig, args):
        return args[0] if sig.args[0] == sig.return_type else builder.fpext(args[0], _llvm(sig.return_type))

    return VectorType(types.float64, value.lanes)(value), codegen


def _reduce(combine, context, builder, sig, args):
    """Halve the vector until one lane is left: the order is fixed, so the bits are too."""
    value, count = args[0], sig.args[0].lanes
    while count > 1:
        count //= 2
        halves = [ir.Constant(ir.VectorType(_INT32, count), [i + start for i in range(count)]) for start in (0, count)]
        low, high = (builder.shuffle_vector(value, value, half) for half in halves)
        value = combine(builder, low, high)
    return builder.extract_element(value, ir.Constant(_INT32, 0))


def _larger(builder, a, b):
    return builder.select(builder.fcmp_unordered(">", a, b), a, b)


def _smaller(builder, a, b):
    return builder.select(builder.fcmp_unordered("<", a, b), a, b)


@intrinsic
def first_lane(typingctx, value):
    """Lane 0 as a scalar."""

    def codegen(context, builder, sig, args):
        return builder.extract_element(args[0], ir.Constant(_INT32, 0))

    return value.dtype(value), codegen


@intrinsic
def reduce_add(typingctx, value):
    """Sum of all lanes."""
    return value.dtype(value), partial(_reduce, lambda builder, a, b: builder.fadd(a, b))


@intrinsic
def reduce_max(typingctx, value):
    """Largest lane; a NaN lane need not show."""
    return value.dtype(value), partial(_reduce, _larger)


@intrinsic
def reduce_min(typingctx, value):
    """Smallest lane; a NaN lane need not show."""
    return value.dtype(value), partial(_reduce, _smaller)


# -- values --------------------------------------------------------------------------------------------


def _vector_beside(args):
    """Return the vector type of a binary operation on vectors, or on a vector and a number."""
    found = {a for a in args if isinstance(a, VectorType)}
    rest = [a for a in args if not isinstance(a, VectorType)]
    return found.pop() if len(found) == 1 and all(isinstance(a, types.Number) for a in rest) else None


def _define_operator(symbol, result_of, emit):
    """Make ``symbol`` work on two vectors, or on a vector and a number."""

    class Template(AbstractTemplate):
        def generic(self, args, kws):
            vector = _vector_beside(args) if len(args) == 2 else None
            return None if vector is None else signature(result_of(vector), *args)

    def lower(context, builder, sig, args):
        vector = _vector_beside(sig.args)
        return emit(builder, *(_as_vector(context, builder, a, t, vector) for a, t in zip(args, sig.args, strict=True)))

    infer_global(symbol)(Template)
    for left, right in ((VectorType, VectorType), (VectorType, types.Number), (types.Number, VectorType)):
        lower_builtin(symbol, left, right)(lower)


for _symbols, _method in (
    ((operator.add, operator.iadd), "fadd"),
    ((operator.sub, operator.isub), "fsub"),
    ((operator.mul, operator.imul), "fmul"),
    ((operator.truediv, operator.itruediv), "fdiv"),
):
    for _symbol in _symbols:
        _define_operator(_symbol, lambda vector: vector, lambda b, x, y, method=_method: getattr(b, method)(x, y))
for _symbol, _name in ((operator.lt, "<"), (operator.le, "<="), (operator.eq, "=="), (operator.gt, ">")):
    _define_operator(
        _symbol, lambda vector: MaskType(vector.lanes), lambda b, x, y, name=_name: b.fcmp_ordered(name, x, y)
    )


@infer_global(operator.neg)
class _Negate(AbstractTemplate):
    def generic(self, args, kws):
        return signature(args[0], *args) if isinstance(args[0], VectorType) else None


@lower_builtin(operator.neg, VectorType)
def _negate(context, builder, sig, args):
    return builder.fneg(args[0])


@intrinsic
def muladd(typingctx, a, b, c):
    """``a * b + c``, with one rounding on CPUs that have fused multiply-add."""

    def codegen(context, builder, sig, args):
        vector = sig.return_type
        values = (_as_vector(context, builder, x, t, vector) for x, t in zip(args, sig.args, strict=True))
        return _muladd(builder, vector, *values)

    vector = _vector_beside((a, b, c))
    return None if vector is None else (vector(a, b, c), codegen)


@intrinsic
def select(typingctx, mask, a, b):
    """Lanes of ``a`` where the mask holds, else of ``b``."""

    def codegen(context, builder, sig, args):
        vector = sig.return_type
        yes, no = (_as_vector(context, builder, args[i], sig.args[i], vector) for i in (1, 2))
        return builder.select(args[0], yes, no)

    vector = _vector_beside((a, b))
    return None if vector is None else (vector(mask, a, b), codegen)


@intrinsic
def absolute(typingctx, value):
    """Return the value without its sign bit."""

    def codegen(context, builder, sig, args):
        vector = sig.return_type
        return _call(builder, f"llvm.fabs.{_suffix(vector)}", _llvm(vector), args[0])

    return value(value), codegen


@intrinsic
def sqrt(typingctx, value):
    """Square root, correctly rounded; NaN below zero."""

    def codegen(context, builder, sig, args):
        vector = sig.return_type
        return _call(builder, f"llvm.sqrt.{_suffix(vector)}", _llvm(vector), args[0])

    return value(value), codegen


@intrinsic
def copysign(typingctx, magnitude, sign):
    """Magnitude of the first with the sign bit of the second."""

    def codegen(context, builder, sig, args):
        vector = sig.return_type
        return _call(builder, f"llvm.copysign.{_suffix(vector)}", _llvm(vector), *args)

    return magnitude(magnitude, sign), codegen


@intrinsic
def polynomial(typingctx, x, single, double):
    """Polynomial in ``x`` by Horner's rule; coefficients from the highest power down.

    ``single`` holds the coefficients for float32, ``double`` those for float64: the choice is made when the
    function is compiled, so that one source serves both.
    """

    def codegen(context, builder, sig, args):
        vector = sig.return_type
        which = 1 if vector.dtype == types.float32 else 2
        coefficients = [
            _as_vector(context, builder, c, t, vector)
            for c, t in zip(cgutils.unpack_tuple(builder, args[which]), sig.args[which], strict=True)
        ]
        value = coefficients[0]
        for coefficient in coefficients[1:]:
            value = _muladd(builder, vector, value, args[0], coefficient)
        return value

    return x(x, single, double), codegen


@intrinsic
def by_dtype(typingctx, like, single, double):
    """Vector of the first number for float32, of the second for float64."""

    def codegen(context, builder, sig, args):
        which = 1 if sig.return_type.dtype == types.float32 else 2
        return _as_vector(context, builder, args[which], sig.args[which], sig.return_type)

    return _like(like)(like, single, double), codegen


# -- bits ----------------------------------------------------------------------------------------------


def _low_bits_as_exponent(builder, value, vector: VectorType):
    """Move the lowest bits of the lanes to where a float keeps sign and exponent; returns integers."""
    return builder.shl(builder.bitcast(value, _integers(vector)), _integer(vector, _MANTISSA[vector.dtype]))


def _plus_magic(builder, value, vector: VectorType):
    """Add 1.5 * 2**23 (2**52): the lowest bits of the sum are the whole number nearest to ``value``."""
    # No conversion to integers: AVX2 has none for float64 and would do them lane by lane.
    return builder.fadd(value, _constant(vector, 1.5 * 2.0 ** _MANTISSA[vector.dtype]))


@intrinsic
def nonzero_bits(typingctx, start, index):
    """Bit k of 64 is set if ``start[index + k]``, of any number type, is not zero."""

    def codegen(context, builder, sig, args):
        item = sig.args[0].dtype
        kind = ir.VectorType(context.get_value_type(item), 64)
        address = builder.bitcast(builder.gep(args[0], [args[1]]), kind.as_pointer())
        values, zeros = builder.load(address, align=item.bitwidth // 8), ir.Constant(kind, None)
        compare = builder.icmp_unsigned if isinstance(item, types.Integer) else builder.fcmp_unordered
        return builder.bitcast(compare("!=", values, zeros), ir.IntType(64))

    return types.uint64(start, types.int64), codegen


@intrinsic
def single_bit(typingctx, position):
    """Number of which only the bit at a position is set."""

    def codegen(context, builder, sig, args):
        return builder.shl(ir.Constant(ir.IntType(64), 1), args[0])

    return types.uint64(types.int64), codegen


@intrinsic
def lowest_bit(typingctx, bits):
    """Position of the lowest bit that is set."""

    def codegen(context, builder, sig, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


@intrinsic
def without_lowest_bit(typingctx, bits):
    """Same bits but the lowest one that is set."""

    def codegen(context, builder, sig, args):
        return builder.and_(args[0], builder.sub(args[0], ir.Constant(ir.IntType(64), 1)))

    return types.uint64(types.uint64), codegen


_EIGHT = ir.VectorType(ir.IntType(64), 8)


def _load_eight(builder, pointer):
    return builder.load(builder.bitcast(pointer, _EIGHT.as_pointer()), align=8)


def _store_eight(builder, value, pointer):
    builder.store(value, builder.bitcast(pointer, _EIGHT.as_pointer()), align=8)


def _swapped_quarters(builder, words, size: int):
    """In each block of 2 * size words and bits swap the upper right quarter for the lower left one."""
    others = builder.shuffle_vector(words, words, ir.Constant(ir.VectorType(_INT32, 8), [k ^ size for k in range(8)]))
    low = sum(1 << k for k in range(64) if not k & size)
    by, right, left = (ir.Constant(_EIGHT, [value] * 8) for value in (size, low, low << size))
    keep = ir.Constant(_EIGHT, [low << size if k & size else low for k in range(8)])
    is_lower = ir.Constant(ir.VectorType(ir.IntType(1), 8), [bool(k & size) for k in range(8)])
    up, down = builder.and_(builder.shl(others, by), left), builder.and_(builder.lshr(others, by), right)
    return builder.or_(builder.and_(words, keep), builder.select(is_lower, down, up))


def _exchanged(builder, upper, lower, size: int):
    """Swap bits of eight words for those ``size`` places lower in eight others, in the left half of 2 * size bits."""
    by = ir.Constant(_EIGHT, [size] * 8)
    right = ir.Constant(_EIGHT, [sum(1 << k for k in range(64) if not k & size)] * 8)
    change = builder.and_(builder.xor(builder.lshr(upper, by), lower), right)
    return builder.xor(upper, builder.shl(change, by)), builder.xor(lower, change)


@intrinsic
def transpose_bits(typingctx, start, to):
    """Bit k of word j at ``to`` becomes bit j of word k at ``start``, for 64 words. Hacker's Delight, section 7-3.

    In registers from beginning to end where these have 512 bits: 16 ns instead of 22 with loads and stores between the
    steps (Zen 5).
    """

    def codegen(context, builder, sig, args):
        start, to = args
        places = [ir.Constant(ir.IntType(64), 8 * k) for k in range(8)]
        words = [_load_eight(builder, builder.gep(start, [place])) for place in places]
        for size in (4, 2, 1):
            words = [_swapped_quarters(builder, word, size) for word in words]
        for size in (1, 2, 4):
            for k in range(8):
                if not k & size:
                    words[k], words[k + size] = _exchanged(builder, words[k], words[k + size], 8 * size)
        for word, place in zip(words, places, strict=True):
            _store_eight(builder, word, builder.gep(to, [place]))

    return types.void(start, to), codegen


@intrinsic
def count_bits(typingctx, bits):
    """Count the bits that are set."""

    def codegen(context, builder, sig, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), codegen


@intrinsic
def low_bits_as_exponent(typingctx, value):
    """Shift the bits of a value into sign and exponent: 2**n if it is the sum of 1.5 * 2**23 (2**52), bias and n."""

    def codegen(context, builder, sig, args):
        vector = sig.return_type
        return builder.bitcast(_low_bits_as_exponent(builder, args[0], vector), _llvm(vector))

    return value(value), codegen


@intrinsic
def add_exponent(typingctx, value, n):
    """``value * 2**n`` for lanes of whole n where both are normal; any value stays as it is where n is 0."""

    def codegen(context, builder, sig, args):
        vector = sig.return_type
        raised = _low_bits_as_exponent(builder, _plus_magic(builder, args[1], vector), vector)
        value = _as_vector(context, builder, args[0], sig.args[0], vector)
        return builder.bitcast(builder.add(builder.bitcast(value, _integers(vector)), raised), _llvm(vector))

    return n(value, n), codegen


@intrinsic
def exponent(typingctx, value):
    """Exponent e of positive normal lanes, as a float: value = significand * 2**e with significand in [1, 2)."""

    def codegen(context, builder, sig, args):
        vector = sig.return_type
        bits = builder.bitcast(args[0], _integers(vector))
        mantissa = _MANTISSA[vector.dtype]
        raised = builder.lshr(bits, _integer(vector, mantissa))
        # As the low bits of 2**23 (2**52), minus that number: a conversion that also AVX2 does in registers.
        number = builder.or_(raised, _integer(vector, (mantissa + _BIAS[vector.dtype]) << mantissa))
        excess = _constant(vector, 2.0**mantissa + _BIAS[vector.dtype])
        return builder.fsub(builder.bitcast(number, _llvm(vector)), excess)

    return value(value), codegen

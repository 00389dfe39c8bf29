"""What compiled functions hand each other: arrays as views, an address and a shape; tuples of arrays as one address.

Numba passes an array as seven numbers or more, and a tuple as all the numbers of its fields. Our tuples have dozens of
arrays and go through functions ten deep, so that half of the code that LLVM had to read was the taking apart and
putting together of arrays: 59,000 lines for an epoch, now 31,000. An entry takes arrays, and goes on with ``views``.

A view is C-contiguous. Nothing checks bounds, and a negative index is not counted from the end.
"""

import hashlib
import operator

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.imputils import lower_builtin, lower_getattr, lower_getattr_generic
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_getattr, infer_global, signature
from numba.extending import intrinsic, register_model


class ViewType(types.Type):
    """The elements of a C-contiguous array of ``ndim`` dimensions; it keeps nothing alive."""

    def __init__(self, dtype, ndim):
        self.dtype, self.ndim = dtype, ndim
        super().__init__(name=f"View({dtype}, {ndim})")


@register_model(ViewType)
class _ViewModel(models.StructModel):
    def __init__(self, dmm, fe_type):
        shape = types.UniTuple(types.intp, fe_type.ndim)
        super().__init__(dmm, fe_type, [("data", types.CPointer(fe_type.dtype)), ("shape", shape)])


class StateType(types.Type):
    """A named tuple in memory that nobody changes, with views in the place of arrays: compiled code passes its address.

    ``instance_class`` is the tuple's.
    """

    def __init__(self, instance_class, fields):
        self.instance_class, self.fields = instance_class, fields
        names = ", ".join(f"{name}: {kind}" for name, kind in zip(instance_class._fields, fields, strict=True))
        # Names stand in the names of all functions that take a state: short ones, or they are most of the code's text.
        digest = hashlib.sha256(f"{instance_class.__module__}: {names}".encode()).hexdigest()[:12]
        super().__init__(name=f"{instance_class.__name__}_{digest}")

    def field(self, name):
        """Index and type of a field."""
        at = self.instance_class._fields.index(name)
        return at, self.fields[at]


@register_model(StateType)
class _StateModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _memory(dmm, fe_type).as_pointer())


def _memory(dmm, kind):
    """LLVM type of what a field holds in memory: other states lie inside."""
    if isinstance(kind, StateType):
        return ir.LiteralStructType([_memory(dmm, field) for field in kind.fields])
    return dmm.lookup(kind).get_value_type()


def _viewed(kind):
    """Type of what an array or a named tuple becomes; None if an array is not contiguous."""
    if isinstance(kind, types.Array):
        return ViewType(kind.dtype, kind.ndim) if kind.layout == "C" else None
    if not isinstance(kind, types.BaseNamedTuple):
        return kind
    fields = [_viewed(field) for field in kind.types]
    return None if None in fields else StateType(kind.instance_class, fields)


def _as_memory(context, builder, kind, value):
    """Value of an array or tuple as it lies in memory."""
    result = ir.Constant(_memory(context.data_model_manager, _viewed(kind)), ir.Undefined)
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        return builder.insert_value(builder.insert_value(result, array.data, 0), array.shape, 1)
    if not isinstance(kind, types.BaseNamedTuple):
        return value
    for at, field in enumerate(kind.types):
        part = _as_memory(context, builder, field, builder.extract_value(value, at))
        result = builder.insert_value(result, part, at)
    return result


def _settled(builder, room, target):
    """Address of a state that is written from here on.

    Its fields are said to be the same wherever they can be read (``invariant.load``), so LLVM may read them before they
    are written, unless nobody knows the address until then: it is read from memory, after an empty line of assembly
    that may change all memory. Without, a test's entry that LLVM happened to order so crashed.
    """
    with builder.goto_entry_block():
        place = builder.alloca(room.type)
    builder.store(room, place)
    kind = ir.FunctionType(ir.VoidType(), [room.type, place.type])
    builder.asm(kind, "", "r,r,~{memory}", [room, place], side_effect=True)
    found = builder.load(place)
    size = ir.Constant(ir.IntType(64), room.type.pointee.get_abi_size(target))
    found.set_metadata("dereferenceable", builder.module.add_metadata([size]))  # so that reading may leave loops
    return found


@intrinsic
def views(typingctx, value):
    """Return an array as a view, a named tuple as a state; the caller keeps the arrays alive."""

    def codegen(context, builder, sig, args):
        result = _as_memory(context, builder, sig.args[0], args[0])
        if not isinstance(sig.return_type, StateType):
            return result
        with builder.goto_entry_block():
            room = builder.alloca(result.type)
        builder.store(result, room)
        return _settled(builder, room, context.target_data)

    found = _viewed(value)
    return None if found is None else (found(value), codegen)


def class_of(kind):
    """Class of a named tuple or state from its type; None for any other type."""
    return kind.instance_class if isinstance(kind, StateType | types.BaseNamedTuple) else None


def field_type(kind, name):
    """Type of a field of a state; None if it has none of that name, or is no state."""
    if not isinstance(kind, StateType) or name not in kind.instance_class._fields:
        return None
    return kind.field(name)[1]


@infer_getattr
class _StateAttributes(AttributeTemplate):
    key = StateType

    def generic_resolve(self, state, name):
        return state.field(name)[1] if name in state.instance_class._fields else None


@lower_getattr_generic(StateType)
def _field(context, builder, fe_type, value, name):
    at, kind = fe_type.field(name)
    place = builder.gep(value, [ir.Constant(ir.IntType(32), 0), ir.Constant(ir.IntType(32), at)])
    if isinstance(kind, StateType):
        return place
    loaded = builder.load(place)
    loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
    return loaded


def first_element(context, builder, kind, value):
    """Address of the first element of an array or a view."""
    if isinstance(kind, ViewType):
        return builder.extract_value(value, 0)
    return context.make_array(kind)(context, builder, value).data


def _length(builder, view, dimension):
    return builder.extract_value(view, (1, dimension))


# -- attributes ----------------------------------------------------------------------------------------


@infer_getattr
class _ViewAttributes(AttributeTemplate):
    key = ViewType

    def resolve_shape(self, view):
        return types.UniTuple(types.intp, view.ndim)

    def resolve_size(self, view):
        return types.intp

    def resolve_address(self, view):
        return types.intp

    def resolve_itemsize(self, view):
        return types.intp

    def resolve_dtype(self, view):
        return types.DType(view.dtype)


@lower_getattr(ViewType, "shape")
def _shape(context, builder, fe_type, value):
    return builder.extract_value(value, 1)


@lower_getattr(ViewType, "size")
def _size(context, builder, fe_type, value):
    size = _length(builder, value, 0)
    for dimension in range(1, fe_type.ndim):
        size = builder.mul(size, _length(builder, value, dimension))
    return size


@lower_getattr(ViewType, "address")
def _address(context, builder, fe_type, value):
    return builder.ptrtoint(builder.extract_value(value, 0), ir.IntType(64))


@lower_getattr(ViewType, "itemsize")
def _itemsize(context, builder, fe_type, value):
    return context.get_constant(types.intp, fe_type.dtype.bitwidth // 8)


@lower_getattr(ViewType, "dtype")
def _dtype(context, builder, fe_type, value):
    return context.get_dummy_value()


# -- len, v[i], v[i, j] --------------------------------------------------------------------------------


@infer_global(len)
class _Len(AbstractTemplate):
    def generic(self, args, kws):
        return signature(types.intp, *args) if len(args) == 1 and isinstance(args[0], ViewType) else None


@lower_builtin(len, ViewType)
def _len(context, builder, sig, args):
    return _length(builder, args[0], 0)


def _indices(view, index):
    """Type of an index as it is used, or None if it is none."""
    if view.ndim == 1 and isinstance(index, types.Integer):
        return types.int64
    if isinstance(index, types.BaseTuple) and len(index) == view.ndim:
        return types.UniTuple(types.int64, view.ndim) if all(isinstance(i, types.Integer) for i in index) else None
    return None


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    def generic(self, args, kws):
        view, index = args
        found = _indices(view, index) if isinstance(view, ViewType) else None
        return None if found is None else signature(view.dtype, view, found)


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    def generic(self, args, kws):
        view, index, _ = args
        found = _indices(view, index) if isinstance(view, ViewType) else None
        return None if found is None else signature(types.none, view, found, view.dtype)


def _element(context, builder, sig, args):
    """Address of the element that the first two arguments name."""
    view, indices = args[0], [args[1]]
    if isinstance(sig.args[1], types.BaseTuple):
        indices = [builder.extract_value(args[1], i) for i in range(len(sig.args[1]))]
    offset = indices[0]
    for dimension in range(1, len(indices)):
        offset = builder.add(builder.mul(offset, _length(builder, view, dimension)), indices[dimension])
    return builder.gep(builder.extract_value(view, 0), [offset])


@lower_builtin(operator.getitem, ViewType, types.Any)
def _get_item(context, builder, sig, args):
    return builder.load(_element(context, builder, sig, args))


@lower_builtin(operator.setitem, ViewType, types.Any, types.Any)
def _set_item(context, builder, sig, args):
    builder.store(args[2], _element(context, builder, sig, args))

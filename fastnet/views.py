"""Views: arrays as compiled code hands them on, an address and a shape.

Numba passes an array as seven numbers or more, and a tuple as all the numbers of its fields. Our tuples have dozens of
arrays and go through functions ten deep, so most of what Numba and LLVM had to read was the taking apart and putting
together of arrays: a first fit compiled in 7.5 s instead of 9.6. An entry takes arrays and goes on with ``views``.

A view is C-contiguous, and nothing checks bounds; a negative index is not counted from the end.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.imputils import lower_builtin, lower_getattr
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


def _view_type(kind):
    """Type of a value in which all arrays have become views; None if one is not contiguous."""
    if isinstance(kind, types.Array):
        return ViewType(kind.dtype, kind.ndim) if kind.layout == "C" else None
    if not isinstance(kind, types.BaseNamedTuple):
        return kind
    fields = [_view_type(field) for field in kind.types]
    if None in fields:
        return None
    return types.NamedTuple(fields, kind.instance_class)


def _as_views(context, builder, kind, value):
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        view = ir.Constant(context.get_value_type(_view_type(kind)), ir.Undefined)
        return builder.insert_value(builder.insert_value(view, array.data, 0), array.shape, 1)
    if not isinstance(kind, types.BaseNamedTuple):
        return value
    fields = [_as_views(context, builder, field, builder.extract_value(value, i)) for i, field in enumerate(kind.types)]
    return context.make_tuple(builder, _view_type(kind), fields)


@intrinsic
def views(typingctx, value):
    """Return a tuple (or an array) with views in the place of its arrays; the caller keeps these alive."""

    def codegen(context, builder, sig, args):
        return _as_views(context, builder, sig.args[0], args[0])

    found = _view_type(value)
    return None if found is None else (found(value), codegen)


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

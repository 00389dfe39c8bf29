"""How our functions go through Numba: parts are translated to LLVM's language once, entries are compiled whole.

Numba optimises and translates each function together with everything it calls. With functions that call each
other eight levels deep, the innermost loop is optimised eight times: on a busy machine the epoch took 58 s to
compile. A part is only lowered; an entry links all parts below it, and everything is optimised once: 8 s.

LLVM's passes run twice: over each part by itself, once a process however many entries need it, and over the entry
once all that it calls stands in it. Most of what is left is Numba's own Python, so the passes that find nothing in our
code are left out.
"""

import re
from collections import Counter
from typing import Any

import llvmlite.binding
from numba import _dynfunc
from numba.core import cgutils, sigutils, types
from numba.core.codegen import CodeLibrary, JITCodeLibrary
from numba.core.compiler import Compiler, DefaultPassBuilder, _LowerResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering

from ._shortcuts import shortcuts

# LLVM's -O1. With -O2 the epochs took the same time (784-10-10 at B = 32 25.2 and 25.0 ms, at B = 1 41.5 and 41.9),
# and LLVM 0.35 s more of 1.6; with -O3 a tenth more again.
_OPTIMIZATION = 1

# Kernels of so many lines of LLVM's language, or called from one place only, become part of their callers. With none
# of them the epochs of 784-10-10 take 1.12 to 1.17 times as long, with 60 lines 1.03; with 400 LLVM 0.2 s more of 1.6.
_SMALL = 300

# Passes of Numba that change nothing here, by name: nothing is parallel, allocated, inlined by Numba or raised, and no
# branch, closure or ``with`` waits to be rewritten. A function that needs one fails to compile.
_NEEDLESS = {
    "WithLifting",
    "InlineClosureLikes",
    "RewriteSemanticConstants",
    "DeadBranchPrune",
    "RewriteDynamicRaises",
    "MakeFunctionToJitFunction",
    "InlineInlinables",
    "FindLiterallyCalls",
    "LiteralUnroll",
    "LiteralPropagationSubPipelinePass",
    "InlineOverloads",
    "NopythonRewrites",
    "NoPythonSupportedFeatureValidation",
    "IRLegalization",
    "AnnotateTypes",
    "DumpParforDiagnostics",
}


# -- libraries: code on its way to the CPU -------------------------------------------------------------


class _Library(JITCodeLibrary):
    """Code of an entry: whatever is linked brings all that it needs itself.

    Callers come before what they call, since LLVM only links functions that something calls by then.
    """

    def add_linking_library(self, library):
        library._ensure_finalized()
        needed = library._linking_libraries if isinstance(library, _PartLibrary) else []
        added = dict.fromkeys((library, *needed))
        # Those that are there already move behind what else calls them: an earlier caller may be one in a dead branch.
        self._linking_libraries = [x for x in self._linking_libraries if x not in added] + list(added)

    def add_ir_module(self, ir_module):
        if ir_module.name == "wrapper":  # takes Python's arguments apart, once a call
            for function in _defined(ir_module):
                function.attributes.add("optnone")
                function.attributes.add("noinline")
        super().add_ir_module(ir_module)

    def _optimize_functions(self, ll_module):
        ll_module.data_layout = self._codegen._data_layout

    def _link(self, module):
        for library in self._linking_libraries:
            self._reload_init.update(library._reload_init)
            if isinstance(library, _PartLibrary):
                module.link_in(library.parse())
            else:
                module.link_in(library._get_module_for_linking(), preserve=True)

    def finalize(self):
        self._raise_if_finalized()
        own = {function.name for function in _defined(self._final_module)}
        self._link(self._final_module)
        for function in _defined(self._final_module):
            if function.name not in own:
                function.linkage = "private"
        self._optimize_final_module()
        self._final_module.verify()
        self._finalize_final_module()

    def _optimize_final_module(self):
        """Inline, then simplify what stands together now: half the time of LLVM's own pipeline, for the same code."""
        self._run("always_inliner", "global_dead_code_eliminate")
        for name in _worth_inlining(str(self._final_module)):
            self._final_module.get_function(name).add_function_attribute("alwaysinline")
        self._run("always_inliner", "global_dead_code_eliminate")
        self._simplify(self._final_module)
        self._run("global_dead_code_eliminate")

    def _run(self, *names):
        """Run some of LLVM's passes over all functions together."""
        passes = llvmlite.binding.create_new_module_pass_manager()
        for name in names:
            getattr(passes, f"add_{name}_pass")()
        passes.run(self._final_module, self._pass_builder())

    def _simplify(self, module):
        builder = self._pass_builder()
        passes = builder.getFunctionPassManager()
        for function in _defined(module):
            passes.run(function, builder)

    def _pass_builder(self):
        """LLVM's passes, without vectorisers and unrolling.

        Our loops are vectors already, and longer ones only cost time to compile (4.1 s instead of 2.5) and to leave.
        """
        options = llvmlite.binding.create_pipeline_tuning_options(speed_level=_OPTIMIZATION)
        options.loop_vectorization = options.slp_vectorization = False
        options.loop_unrolling = options.loop_interleaving = False
        return llvmlite.binding.create_pass_builder(self._codegen._tm, options)


def _defined(module):
    return [function for function in module.functions if not function.is_declaration]


# Of a line of LLVM's language: what is called, or the private function that begins.
_CALL = re.compile(r"\bcall [^@]*@([^(]+)\(")
_PRIVATE = re.compile(r"^define private [^@]*@([^(]+)\(")


def _worth_inlining(text):
    """Names of the private functions of a module that are short, or called from one place."""
    calls, lengths, name = Counter(), {}, None
    for line in text.splitlines():
        if line.startswith("define "):
            found = _PRIVATE.match(line)
            name = found[1] if found else None
        elif found := _CALL.search(line):
            calls[found[1]] += 1
        if name is not None:
            lengths[name] = lengths.get(name, 0) + 1
    return [name.strip('"') for name, length in lengths.items() if length <= _SMALL or calls[name] == 1]


class _PartLibrary(_Library):
    """Code that waits to be linked into an entry: simplified by itself, but not translated."""

    def __init__(self, codegen, name):
        CodeLibrary.__init__(self, codegen, name)
        self._linking_libraries, self._bitcode = [], b""

    def add_ir_module(self, ir_module):
        """Keep a module as bitcode."""
        for function in _defined(ir_module):
            function.linkage = "linkonce_odr"
        module = llvmlite.binding.parse_assembly(cgutils.normalize_ir_text(str(ir_module)))
        module.data_layout = self._codegen._data_layout
        self._simplify(module)
        self._bitcode = module.as_bitcode()

    def parse(self):
        return llvmlite.binding.parse_bitcode(self._bitcode)

    def finalize(self):
        self._raise_if_finalized()
        self._finalized = True

    def _get_module_for_linking(self):
        """Return the part with all it needs: what Numba's own libraries ask for, as in a user's jitted function."""
        module = self.parse()
        self._link(module)
        return module


# -- lowering ------------------------------------------------------------------------------------------


def _alloca(builder, kind, name=""):
    """Room on the stack; it is not cleared."""
    with builder.goto_entry_block():
        return builder.alloca(kind, name=name)


def _caller(fndesc, libraries):
    """Return what calls a part in the code that is being built: without a look at its status, since no part raises."""

    def call(context, builder, sig, args):
        function = context.declare_function(builder.module, fndesc)
        result, exception = (kind.pointee for kind in function.function_type.args[:2])
        room = _alloca(builder, result)
        packed = context.get_arg_packer(fndesc.argtypes).as_arguments(builder, args)
        builder.call(function, [room, exception.as_pointer()(None), *packed])
        return context.get_returned_value(builder, fndesc.restype, builder.load(room))

    call.signature, call.libs = fndesc.argtypes, libraries
    return call


class _Lower(Lower):
    """Numba's translation to LLVM without what reference counts need: variables cleared before and after their use."""

    def alloca_lltype(self, name, lltype, datamodel=None):
        return _alloca(self.builder, lltype, name)

    def delvar(self, name):
        if name not in self._blk_local_varmap:
            self._singly_assigned_vars.discard(name)
            self._alloca_var(name, self.typeof(name))


# -- passes --------------------------------------------------------------------------------------------


class _Lowering(NativeLowering):
    lowering_class = _Lower


@register_pass(mutates_CFG=True, analysis_only=False)
class _EntryLowering(_Lowering):
    """Lower an entry into a library that gathers its parts."""

    _name = "fastnet_entry_lowering"

    def run_pass(self, state):
        state.library = _Library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return super().run_pass(state)


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(_Lowering):
    """Lower a part and make it known to its callers, without an address of its own."""

    _name = "fastnet_part_lowering"

    def run_pass(self, state):
        context = state.targetctx
        state.library = _PartLibrary(context.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        state.library._ensure_finalized()
        lowered = state.cr
        module, name = lowered.fndesc.lookup_module(), lowered.fndesc.qualname
        handle = _dynfunc.make_function(module, name, "", 0, lowered.env, (state.library,))
        call = _caller(lowered.fndesc, (state.library,))
        context._defns[handle].append(call, call.signature)
        state.cr = _LowerResult(lowered.fndesc, lowered.call_helper, cfunc=handle, env=lowered.env)
        return True


class EntryCompiler(Compiler):
    """Numba's compiler without the passes that have nothing to do, and with another last step."""

    _lowering = _EntryLowering

    def define_pipelines(self):
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.passes = [
            (self._lowering if step is NativeLowering else step, text)
            for step, text in pipeline.passes
            if step.__name__ not in _NEEDLESS
        ]
        pipeline.finalize()
        return [pipeline]


class PartCompiler(EntryCompiler):
    """The same for a part."""

    _lowering = _PartLowering


# -- dispatchers ---------------------------------------------------------------------------------------


class _Dispatcher(CPUDispatcher):
    """Numba's dispatcher without its timers: a dozen deep, each lock that LLVM takes would ring all of them."""

    def compile(self, sig: Any) -> Any:
        args = tuple(sigutils.normalize_signature(sig)[0])
        with global_compiler_lock:
            known = self.overloads.get(args)
            if known is None:
                with self._compiling_counter:
                    known = self._load_or_compile(args)
                self.add_overload(known)
            return known.entry_point

    def _load_or_compile(self, args):
        return self._compiler.compile(args, None)


class Entry(_Dispatcher):
    """What Python calls: kept in the cache."""

    def _load_or_compile(self, args):
        loaded = self._cache.load_overload(args, self.targetctx)
        if loaded is not None:
            self._cache_hits[args] += 1
            self.targetctx.insert_user_function(loaded.entry_point, loaded.fndesc, [loaded.library])
            return loaded
        self._cache_misses[args] += 1
        with shortcuts(self.typingctx, self.targetctx):
            compiled = super()._load_or_compile(args)
        self._cache.save_overload(args, compiled)
        return compiled


class Part(_Dispatcher):
    """What only compiled code calls."""

    def get_call_template(self, args, kws):
        # Constants are no types of their own here: LLVM sees them anyway when it inlines.
        args = tuple(types.unliteral(a) for a in args)
        return super().get_call_template(args, {k: types.unliteral(a) for k, a in kws.items()})

    def __call__(self, *args, **kwargs):
        raise TypeError(f"{self.py_func.__name__} can only be called from compiled code")

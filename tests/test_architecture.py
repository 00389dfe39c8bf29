"""The house rules that no linter knows: imports run one way, nothing heavy at import, one file spells Numba options."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "fastnet"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# Each module may import those of its own row's predecessors only.
ORDER = [
    {"_shortcuts"},
    {"_compiler"},
    {
        "_jit",
        "views",
        "exceptions",
        "checks",
        "initialisation",
        "_parallel",
        "_cache_folder",
        "files",
        "models.formulas",
        "models.plain_data",
    },
    {"simd", "schedules", "idx", "raw_cache", "callbacks", "sparse_data", "models.file"},
    {"columns", "tiles"},
    {"preprocessing"},
    {"plots.figures"},
    {"plots.boundaries", "plots.curves", "plots.pictures", "plots.trials"},
    {"plots.charts", "plots.mistakes", "plots.recorder"},
    {"plots.evaluations"},
    {"plots"},
    {"evaluation_report", "terminal_curves"},
    {"history", "evaluation"},
    {"loggers"},
    {"models.parts"},
    {"models.onnx_export", "models.torch_state"},
    {"models.exchange"},
    {"datasets.table", "datasets.dataset", "datasets.split", "datasets.remote"},
    {"datasets.columns"},
    {"datasets.labels", "datasets.dialect", "datasets.csr", "datasets.bundled", "datasets.mnist", "datasets.olivetti"},
    {"datasets.delimited", "datasets.arrays", "datasets.parquet", "datasets.images", "datasets.catalogue"},
    {"datasets.idx_files"},
    {"datasets.read"},
    {"datasets.load"},
    {"datasets"},
    {"barrier", "float_mode", "kernels.elementary", "kernels.gather"},
    {"kernels.ahead"},
    {"kernels.activations", "kernels.softmax", "kernels.dense", "kernels.sgd", "kernels.adam"}
    | {"kernels.dropout", "kernels.clipping", "kernels.accumulation"},
    {"kernels.more_activations", "kernels.cross_entropy", "kernels.sparse", "kernels.online"}
    | {"kernels.softmax_gradient", "kernels.dense_gradient"},
    {"kernels.blocks", "kernels.grouped_softmax"},
    {"kernels.narrow_samples", "kernels.wide", "kernels.few_rows", "kernels.groups", "kernels.row_lists"},
    {"kernels.narrow_shared"},
    {"kernels.narrow", "kernels.narrow_sgd", "kernels.narrow_dense"},
    {"kernels.squared_error", "kernels.distributions", "kernels.sampled_softmax", "kernels.poisson", "kernels.csr"}
    | {"kernels.candidates"}
    | {"kernels"},
    {"layout", "column_order", "pace"},
    {"plan"},
    {"defaults"},
    {"functional.arguments"},
    {"functional.elementwise", "functional.layers", "functional.losses", "functional.rowwise", "functional.sampling"},
    {"functional.updates"},
    {"functional.compiled"},
    {"functional.compiled_losses", "functional.compiled_updates"},
    {"functional", "layers", "optimizers", "targets", "online"},
    {"sampled_output", "units"},
    {"weight_order"},
    {"block_layer", "narrow_layer"},
    {"folded_blocks"},
    {"decisions", "first_layer", "later_layer", "mixed_rows", "rows", "losses"},
    {"hidden"},
    {"block_rows"},
    {"metrics"},
    {"models.inference"},
    {"updates", "workspace", "accumulation", "regularisation", "weighting", "penalty", "middle"},
    {"groups"},
    {"passes"},
    {"gradients"},
    {"network"},
    {"run"},
    {"checkpoints.format"},
    {"checkpoints.folder", "checkpoints.identity", "checkpoints.parts", "checkpoints.interval"},
    {"checkpoints.keeper", "checkpoints"},
    {"fitting", "sampled_run"},
    {"stream"},
    {"estimators.parameters", "estimators.initial", "estimators.losses", "estimators.validation"},
    {"estimators.callbacks"},
    {"estimators.engine"},
    {"estimators.optimizer"},
    {"estimators.saving"},
    {"estimators.stochastic"},
    {"estimators.lbfgs"},
    {"estimators.base"},
    {"estimators.classifier"},
    {"estimators.regressor"},
    {"estimators", "trainer"},
    {"models.loading"},
    {"models"},
    {"scratch"},
    {"target_scaling"},
    {"_warmup"},
    {"tuning.space", "tuning.shared", "tuning.table"},
    {"tuning.trial", "tuning.data", "tuning.result"},
    {"tuning.halving"},
    {"tuning.live", "tuning.search"},
    {"tuning"},
    {"reproduce.experiment"},
    {"reproduce.training"},
    {
        f"reproduce.{name}"
        for name in ("choices", "images", "labels", "mnist", "moons", "numbers", "sampling", "softmax")
    },
    {"reproduce"},
    {"progress", "_peers.protocol"},
    {"_peers.fastnet_run", "_peers.jax_scan", "_peers.numpy_loop", "_peers.sklearn_mlp", "_peers.torch_eager"},
    {"_peers"},
    {"_bench", "_bench.rows", "_bench.synthetic", "_bench.machine", "_bench.report"},
    {"_bench.contender", "_info", "_self_test"},
    {"_bench.workers", "_bench.measure", "_doctor"},
    {"cli.messages", "cli.output", "cli.parsing"},
    {"cli.config", "cli.interrupt", "cli.models", "cli.settings", "cli.sources"},
    {"cli.training"},
    {"cli.training_result"},
    {f"cli.{name}" for name in ("bench", "data", "doctor", "evaluate", "export", "info", "predict", "reproduce")},
    {"cli.plot", "cli.train", "cli.tune", "cli.warmup"},
    {"cli"},
    {"__main__"},
]
NO_NUMBA = (
    "checks",
    "datasets",
    "idx",
    "exceptions",
    "defaults",
    "target_scaling",
    "schedules",
    "callbacks",
    "history",
    "loggers",
    "evaluation",
    "terminal_curves",
    "_peers",
    "_parallel",
    "plots",
    "raw_cache",
    "preprocessing",
    "columns",
    "sparse_data",
    "initialisation",
    "files",
    "models",
    "models.onnx_export",
    "models.exchange",
)


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imported(path, anywhere=True):
    """Modules of the package that a file imports; the top level only unless ``anywhere``."""
    package = module_name(path).split(".")[:-1] if path.name != "__init__.py" else module_name(path).split(".")
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            parts = base + (node.module.split(".") if node.module else [])
            for alias in node.names:
                name = ".".join([*parts, alias.name])
                yield name if (PACKAGE / Path(*name.split("."))).with_suffix(".py").exists() else ".".join(parts)


@pytest.mark.parametrize("path", [p for p in SOURCES if module_name(p) != "__init__"], ids=module_name)
def test_imports_run_one_way(path):
    level = {name: number for number, names in enumerate(ORDER) for name in names}
    name = module_name(path)
    assert name in level, f"{name} has no place in ORDER: give it one"
    for other in imported(path):
        if other:
            assert level[other] < level[name], f"{name} must not import {other}"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_only_one_file_spells_numba_options(path):
    if path.name == "_jit.py":
        return
    shown = ast.get_docstring(ast.parse(path.read_text()), clean=False) or ""  # how users compile their own code
    for word in ("njit(", "@njit", "fastmath", "nogil=", "cache=True", "parallel=True", "prange"):
        assert word not in path.read_text().replace(shown, ""), f"{path.name} says {word}: that belongs into _jit.py"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_pickle_eval_or_assert(path):
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.Assert), f"{path.name}:{node.lineno}: errors are raised, not asserted"
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not any(alias.name.startswith("pickle") for alias in node.names)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec")


def test_production_code_calls_no_reference():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and not node.name.endswith("_reference"):
                called = {n.func.id for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
                assert not any(name.endswith("_reference") for name in called), f"{path.name}: {node.name}"


def loaded_after(code):
    script = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(result.stdout.split())


def test_import_fastnet_loads_nothing_heavy():
    heavy = {"numba", "numpy", "sklearn", "scipy", "matplotlib", "rich", "typer", "pooch", "threadpoolctl"}
    assert not heavy & loaded_after("import fastnet, fastnet.exceptions")


@pytest.mark.parametrize("module", NO_NUMBA)
def test_leaves_import_no_numba(module):
    loaded = loaded_after(f"import fastnet.{module}")
    assert not {"numba", "sklearn", "scipy", "rich", "pooch"} & loaded


def test_import_compiles_nothing(tmp_path):
    code = f"import os; os.environ['FASTNET_CACHE_DIR'] = {str(tmp_path)!r}; import fastnet.trainer"
    loaded_after(code)
    assert not list(tmp_path.rglob("*.nbi"))

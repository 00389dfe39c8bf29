"""One fit on its way: what compiled code works on, and the calls of an epoch."""

import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from . import barrier, hidden, passes, plan
from ._parallel import Together
from .accumulation import Accumulation
from .block_rows import block_rows, compile_blocks
from .exceptions import CheckpointError, DivergenceError
from .kernels import gather, sgd, sparse
from .kernels.blocks import ColumnBlocks, NarrowColumnBlocks
from .kernels.groups import grouped
from .kernels.narrow_dense import NarrowRows
from .layers import Net
from .layout import aligned_zeros, pack, unpack
from .losses import AnyTargets, part
from .network import Network
from .optimizers import Optimizer
from .pace import Pace
from .regularisation import compiled_dropout
from .rows import csr_rows, sparse_rows, trained_rows
from .sparse_data import RowBlocks, is_sparse, some_rows
from .targets import SAMPLED_SOFTMAX, SQUARED_ERROR
from .weighting import minibatch_sizes, minibatch_weights
from .workspace import workspace

_WITHOUT_ACCURACY = (SQUARED_ERROR, SAMPLED_SOFTMAX)

# What is folded into the weights between two settlements: see ``kernels/sparse.py`` and ``kernels/narrow_sgd.py``.
_FOLDED = ("alpha", "u", "q")

_KINDS = {"dense": "dense ones", "sparse": "lists of entries", "blocks": "blocks of columns"}


class Results(NamedTuple):
    """What is known of the minibatches of one epoch. Compiled code writes it, so that no interruption loses any."""

    losses: np.ndarray  # (n_minibatches,) float64
    hits: np.ndarray  # (n_minibatches,) int64: right predictions; -1 for those that have not been trained on

    @classmethod
    def none_of(cls, n_minibatches: int) -> "Results":
        """Return the results of an epoch that has yet to begin."""
        return cls(np.zeros(n_minibatches), np.full(n_minibatches, -1, np.int64))

    @property
    def done(self) -> int:
        """Minibatches that have been trained on, the first ones."""
        return int(np.count_nonzero(self.hits >= 0))


class Run:
    """The packed state of a fit. The network itself is only written by ``publish``.

    Parameters
    ----------
    network : Network
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Checked; kept alive here, since compiled code knows its address only.
    targets : Targets
    batch_size, n_threads : int
    together : callable
        Runs a compiled function on all threads: see ``_parallel.crew``.
    rates : tuple of float, default=()
        Of dropout, one a hidden layer, or none.
    clip_norm : float, optional
        Largest norm of a minibatch's gradient.
    n_samples : int, optional
        Samples of an epoch, if these are not all rows.
    group : int, default=1
        Minibatches of a group: see ``groups.py``. More than 1 is for plain SGD only.
    """

    def __init__(
        self,
        network: Network,
        X: Any,
        targets: AnyTargets,
        batch_size: int,
        n_threads: int,
        together: Together,
        rates: tuple[float, ...] = (),
        clip_norm: float | None = None,
        n_samples: int | None = None,
        *,
        group: int = 1,
    ):
        self._network, self._most, self._n_threads = network, batch_size, n_threads
        self._group = group
        self.together = together
        self._plain, self._dropout = self._packed(), compiled_dropout(rates)
        self._net = hidden.training(self._plain, self._dropout)
        self.n_packed = self._net.packed.size
        self._accumulation = Accumulation(clip_norm, self.n_packed, network.dtype, n_threads)
        self._pace, self._settled = Pace(n_threads), False
        self._loss = self._weight = 0.0
        self._right = self._trained = 0
        self._loaded: Any = None
        self._X: Any = None
        self._rows: gather.Rows | NarrowRows | sparse.SparseRows | ColumnBlocks | NarrowColumnBlocks | None = None
        self._blocks: RowBlocks | None = None
        self._block: np.ndarray | None = None
        self.load(X, targets, batch_size, n_samples)

    @property
    def _sizes(self) -> tuple[int, ...]:
        """Layer sizes of the network that compiled code works on."""
        return self._network.layer_sizes

    @property
    def _micro_batch(self) -> int:
        """Rows of a minibatch that are worked on together."""
        return plan.micro_batch(self._sizes, self._batch_size, self._network.dtype, self.kind == "sparse")

    def _rows_together(self, lists: bool) -> int:
        """Rows that buffers have to hold."""
        return plan.rows_together(self._sizes, self._most, self._network.dtype, lists)

    @property
    def _rows_at_once(self) -> int:
        """Rows that the first layer takes at a time, before it is known whether these will be lists."""
        return self._group * plan.micro_batch(self._sizes, self._most, self._network.dtype)

    def _packed(self) -> Net:
        return self._network._packed()

    def _as_trained(self, targets: Any) -> Any:
        """Targets as compiled code takes them."""
        return targets

    def load(self, X: Any, targets: AnyTargets, batch_size: int, n_samples: int | None = None) -> None:
        """Take other rows to train on; weights stay, and so do the buffers if the rows are dense as before.

        Minibatches may be smaller than those of the first rows, but not larger.
        """
        sizes, self._batch_size = self._sizes, batch_size
        self.n_samples = X.shape[0] if n_samples is None else n_samples
        if X is not self._loaded:
            self._loaded, self._X, self._targets = X, self._network._inputs(X), self._as_trained(targets)
            self._load_rows(plan.slices(sizes, self._rows_at_once))
        if self._blocks is not None:
            self._blocks = RowBlocks(self._X, batch_size)
        n_batches = -(-self.n_samples // batch_size)
        self._losses, self._hits = Results.none_of(n_batches)
        self._weights = minibatch_sizes(self.n_samples, batch_size)
        self._epoch_weight = float(self._weights.sum())
        per_call = plan.minibatches_per_call(sizes, batch_size, self.kind)
        per_call = per_call if self._blocks is None else min(per_call, self._blocks.minibatches)
        self._per_call = plan.whole_groups(per_call, self._group)

    def release(self) -> None:
        """Forget the rows, whose memory others will need before the next ones are loaded."""
        self._loaded = self._X = self._blocks = self._block = None
        self._targets = part(self._targets, 0, 0)
        if self.kind != "dense":
            lists: Any = self._rows
            self._rows = lists._replace(records=np.zeros(0, np.uint8), starts=lists.starts[:1].copy())
        if isinstance(self._rows, sparse.SparseRows):
            self._rows = self._rows._replace(products=self._rows.products[:0].copy())

    def _load_rows(self, n_slices: int) -> None:
        """Describe the rows, as lists or as dense ones; what is sparse and can't be lists is written out in blocks."""
        X, entries = self._X, self._entries(self._X, n_slices)
        self._accumulation.forget()
        self._blocks = RowBlocks(X, self._batch_size) if entries is None and is_sparse(X) else None
        rows = entries
        if entries is None:
            rows = self._dense_rows(X if self._blocks is None else np.zeros((1, X.shape[1]), X.dtype))
        self.kind = "dense" if entries is None else "sparse" if isinstance(entries, sparse.SparseRows) else "blocks"
        if entries is not None or not isinstance(self._rows, gather.Rows | NarrowRows):
            together = self._rows_together(self.kind == "sparse")
            arguments = together, self._n_threads, True, n_slices, rows, self._net is not self._plain
            self._work = workspace(self._plain.layers, self._network.dtype, *arguments, self._group)
        self._rows = rows

    def _dense_rows(self, X: np.ndarray) -> gather.Rows | NarrowRows:
        return trained_rows(X, *self._network._scaling(self._X), self._sizes[1])

    def _entries(self, X: Any, n_slices: int) -> Any:
        """Blocks or entries of the rows, or None if these had better stay dense."""
        found = self.own_blocks(X, n_slices)
        return self.own_lists(X, n_slices) if found is None else found

    def own_blocks(self, X: Any, n_slices: int) -> Any:
        """Return the blocks of columns of checked rows, or None."""
        return block_rows(X, *self._network._scaling(X), self._network.layer_sizes[1], self._rows_at_once, n_slices)

    def own_lists(self, X: Any, n_slices: int) -> Any:
        """Return the lists of entries of checked rows, or None."""
        lists = csr_rows if is_sparse(X) else sparse_rows
        return lists(X, *self._network._scaling(X), self._network.layer_sizes[1], n_slices)

    def compile(self, optimizer: Optimizer) -> None:
        """Compile the kernels, or load them from the cache, without training."""
        self._optimizer = self._as_compiled(optimizer)
        self.publish()

    def _as_compiled(self, optimizer: Optimizer) -> Any:
        whole = self._accumulation(optimizer, self._micro_batch, self._batch_size)
        found = sgd.folded(whole) if self._folds else whole
        return found if self._group == 1 else grouped(found, self._group)

    @property
    def _folds(self) -> bool:
        """Whether plain SGD is folded into such rows."""
        if self._micro_batch < self._batch_size:
            return False
        return self.kind == "sparse" or (isinstance(self._rows, NarrowColumnBlocks) and self._rows.factor != 0)

    def _arguments(self, order: np.ndarray, begin: int, end: int) -> tuple[Any, ...]:
        net, rows, targets, work = self._net, self._rows, self._targets, self._work
        batch_size, optimizer = self._batch_size, self._optimizer
        if self._blocks is not None and end > begin:
            self._block = self._blocks.rows(order, begin, end)  # kept alive
            rows = self._dense_rows(self._block)
            # Position ``begin * batch_size`` of the order is the block's first row.
            rows = rows._replace(address=rows.address - begin * batch_size * rows.row_step)
            targets, order = self._blocks.targets(targets, order), np.arange(len(order), dtype=np.uint32)
        return net, rows, targets, order, batch_size, begin, end, work, optimizer, self._losses, self._hits

    def _call(self, order: np.ndarray, begin: int, end: int) -> None:
        args, arrivals = self._arguments(order, begin, end), self._work.arrivals
        self._settled, alone, started = False, self._pace.alone, time.perf_counter()
        if alone:
            passes.train_epoch(*args, 0, 1)
        else:
            barrier.reset(arrivals)
            self.together(passes.train_epoch, *args)
        n_samples = min(end * self._batch_size, self.n_samples) - begin * self._batch_size
        self._pace.took(n_samples, time.perf_counter() - started, not alone and barrier.alone(arrivals))
        self._settled = end == self.n_minibatches

    @property
    def needs_key(self) -> bool:
        """Whether something is drawn in each minibatch."""
        return self._dropout is not None

    def _set_key(self, key: int) -> None:
        """Say what is drawn in an epoch."""
        if self._dropout is not None:
            self._dropout.key[0] = key

    @property
    def n_units(self) -> int:
        """Units that the first layer's work is cut into."""
        return int(self._work.units[-1])

    @property
    def keeps_place(self) -> bool:
        """Whether ``state`` and ``restore`` work within an epoch."""
        return True

    @property
    def n_minibatches(self) -> int:
        """Minibatches of an epoch."""
        return len(self._losses)

    def minibatches(
        self, order: np.ndarray, optimizer: Optimizer, epoch: int, key: int = 0, results: Results | None = None
    ) -> Iterator[int]:
        """Train for an epoch; yields the number of minibatches done after each compiled call.

        ``key`` says what dropout drops, and which classes are sampled; it should be another for each epoch. ``results``
        are written; those minibatches that are already done there are left out.

        Raises
        ------
        DivergenceError
            After the call in which a loss stopped being finite, or at the end if a weight has.
        """
        first = 0
        if results is not None:
            (self._losses, self._hits), first = results, results.done
        n_batches, self._optimizer = self.n_minibatches, self._as_compiled(optimizer)
        if self._targets.weights.size > 0:
            self._weights = minibatch_weights(self._targets.weights, order, self._batch_size)
            self._epoch_weight = float(self._weights.sum())
        self._set_key(key)
        for begin in range(first, n_batches, self._per_call):
            end = min(begin + self._per_call, n_batches)
            self._call(order, begin, end)
            if not math.isfinite(self._work.summed[0]):
                self._look_for_divergence(begin, end, epoch, optimizer)
            yield end
        if not self._settled:
            self._settle()
        if not self.finite:
            self._diverge("a weight became infinite or NaN at the end", epoch, optimizer)
        self._loss += float((self._losses * self._weights).sum())  # BLAS would wake threads, which spin on beside ours
        self._weight += self._epoch_weight
        self._right += int(self._hits.sum())
        self._trained += self.n_samples

    def _look_for_divergence(self, begin: int, end: int, epoch: int, optimizer: Optimizer) -> None:
        bad = ~np.isfinite(self._losses[begin:end])
        if bad.any():
            at = begin + int(np.argmax(bad))
            self._diverge(f"loss became {self._losses[at]} in minibatch {at + 1}", epoch, optimizer)

    def _diverge(self, what: str, epoch: int, optimizer: Optimizer) -> None:
        kept = f"those of epoch {epoch}" if epoch else "those from before"
        raise DivergenceError(
            f"training diverged: {what} of epoch {epoch + 1} (learning_rate={optimizer.learning_rate:g}); the network "
            f"keeps its last good weights, {kept}. Try a smaller learning_rate, or scale the data.",
            epoch=epoch + 1,
        )

    @property
    def finite(self) -> bool:
        """Whether all weights are finite."""
        return bool(np.isfinite(self._net.packed).all())

    @property
    def fine(self) -> bool:
        """Whether all weights and losses are finite."""
        return self.finite and bool(np.isfinite(self._losses).all())

    def _settle(self) -> None:
        """Turn folded weights into plain ones."""
        passes.train_epoch(*self._arguments(np.zeros(0, np.uint32), 0, 0), 0, 1)
        self._settled = True

    def publish(self) -> None:
        """Copy the weights into the network."""
        if not self._settled:
            self._settle()
        self._unpack()

    def _unpack(self) -> None:
        unpack(self._plain.packed, self._plain.layers, self._network.parameters)

    def publish_if_finite(self) -> bool:
        """Copy the weights into the network if all are finite, and no loss was not; returns whether."""
        if not self._settled:
            self._settle()
        fine = self.fine
        if fine:
            self.publish()
        return fine

    def state(self) -> dict[str, Any]:
        """Copy what minibatches hand on to each other: weights, and what is folded into them since their settlement.

        Nothing is settled for it, so that training goes on with the same bits. Weights are those that compiled code has
        in memory, laid out like ``Network.parameters``.
        """
        parameters = self.unpacked(self._plain.packed)
        state: dict[str, Any] = {"parameters": parameters, "folded": None, "group": self._group}
        if self._folds:
            state["rows"] = self.kind
            state["folded"] = {name: getattr(self._work.tiles, name).copy() for name in _FOLDED}
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` gave, for the same network and data; called before the first minibatch.

        Raises
        ------
        CheckpointError
            If something is folded into the weights and here rows are of another kind, or cut another way: another
            version made them so.
        """
        pack(state["parameters"], self._plain.layers, self._plain.packed)
        kind = state.get("rows", "sparse")
        if state["folded"] is not None and self._micro_batch < self._batch_size:
            raise CheckpointError(
                "the checkpoint was written within an epoch, with all rows of a minibatch worked on together; here "
                f"these are {self._micro_batch}. Remove it to go on from the one before"
            )
        if state["folded"] is not None and (kind != self.kind or not self._folds):
            raise CheckpointError(
                f"the checkpoint was written within an epoch, with rows as {_KINDS[kind]}; here they are "
                f"{_KINDS[self.kind]}. Remove it to go on from the one before"
            )
        before = 0 if state["folded"] is None else len(state["folded"]["alpha"])
        parts = len(self._work.tiles.alpha) if self._folds else 0
        if before not in (0, parts):
            raise CheckpointError(
                f"the checkpoint was written within an epoch, with the first layer cut into {before} parts; here there "
                f"are {parts}. Remove it to go on from the one before"
            )
        for name, array in (state["folded"] or {}).items():
            getattr(self._work.tiles, name)[:] = array
        if state["folded"] is None:
            self._settle()  # lists of entries need it, if rows were none before: vectors of another width

    def unpacked(self, packed: np.ndarray) -> np.ndarray:
        """Copy a vector that is laid out like the packed parameters into the order of ``Network.parameters``."""
        flat = np.empty_like(self._network.parameters)
        unpack(packed, self._plain.layers, flat)
        return flat

    def packed(self, flat: np.ndarray) -> np.ndarray:
        """Return the inverse of ``unpacked``; padding is zero."""
        packed = aligned_zeros(self.n_packed, self._network.dtype)
        pack(flat, self._plain.layers, packed)
        return packed

    def epoch_means(self) -> tuple[float, float, int]:
        """Mean loss and accuracy of the samples since the last call, as they were when trained on, and their number.

        The loss is the mean over the samples' weights; the accuracy counts each sample once.
        """
        loss, n_samples = self._loss / self._weight, self._trained
        accuracy = np.nan if self._targets.loss in _WITHOUT_ACCURACY else float(self._right / n_samples)
        self._loss = self._weight = 0.0
        self._right = self._trained = 0
        return loss, accuracy, n_samples


def warm_up(network: Network, X: Any, batch_size: int, group: int) -> None:
    """Compile, or load from the cache, what a run needs before its first minibatch."""
    X = network._inputs(some_rows(X))
    arguments = *network._scaling(X), network.layer_sizes[1]
    n_rows = group * plan.micro_batch(network.layer_sizes, batch_size, network.dtype)
    if not compile_blocks(X, *arguments, n_rows):
        (csr_rows if is_sparse(X) else sparse_rows)(X[:1], *arguments)

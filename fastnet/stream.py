"""Training on chunks that come one after the other: where they come from, what is checked, what is held in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from typing import Any

from . import checks, plan
from .fitting import Chunk, Task
from .history import History
from .preprocessing import kind_of_data
from .run import Run
from .weighting import ClassWeight, sample_weights

PREPROCESSING_FROM = ("first", "all")

_END: Any = object()  # after the last chunk


def fit(
    trainer: Any,
    chunks: Any,
    epochs: int,
    class_weight: ClassWeight,
    validation_data: Any,
    preprocessing_from: str,
    reset_preprocessing: bool,
    prefetch: bool,
    resume: bool,
) -> History:
    """Train on chunks: see ``Trainer.fit_stream``."""
    network, epochs = trainer.network, checks.check_integer("epochs", epochs, low=1)
    first = checks.check_flag("reset_preprocessing", reset_preprocessing) or network.preprocessing is None
    from_all = checks.check_choice("preprocessing_from", preprocessing_from, PREPROCESSING_FROM) == "all" and first
    prefetch = checks.check_flag("prefetch", prefetch)
    if isinstance(class_weight, str) or not isinstance(class_weight, Mapping | None):
        raise ValueError(
            f"class_weight={class_weight!r} needs all labels beforehand, which a stream does not have: "
            "pass a dict from class indices to weights"
        )
    stream = Stream(trainer, chunks, epochs + from_all, class_weight, first, prefetch)
    try:
        X = stream.first().X
        validation = trainer._check_validation(validation_data, X.shape[1])
        batch_size, group = trainer.batch_size, trainer._group(X)
        n_threads = trainer._threads(group * batch_size, X)
        trainer._batch_size(X.shape[0])  # warns if it is more than a chunk
        pieces = None if not first else stream if from_all else [X]
        del X
        shape = batch_size, n_threads, validation, group
        task = Task(stream.epoch, stream.first, pieces, epochs, *shape, is_stream=True)
        return trainer._fit(task, resume)
    finally:
        stream.close()


class Stream:
    """The chunks of some passes, checked; going through it yields their rows.

    Parameters
    ----------
    trainer : Trainer
    chunks : iterable, or function that returns one
    n_passes : int
        How often they will be gone through.
    class_weight : dict or None
    fresh : bool
        Whether preprocessing will be found in them.
    prefetch : bool
        Whether a thread reads ahead.
    """

    def __init__(
        self, trainer: Any, chunks: Any, n_passes: int, class_weight: ClassWeight, fresh: bool, prefetch: bool
    ):
        self._trainer, self._class_weight, self._fresh = trainer, class_weight, fresh
        self._open, self._prefetch = _opener(chunks, n_passes), prefetch
        self._kind, self._n_features, self._epoch = "", 0, 0
        self._waiting: list[Chunk] = []  # the first chunk, read before its epoch
        self._opened: Iterator[Chunk] | None = None  # what comes behind it

    def first(self) -> Chunk:
        """Return the first chunk, which the next epoch begins with."""
        if not self._waiting:
            self._opened = self._chunks()
            self._waiting.extend(islice(self._opened, 1))
        if not self._waiting:
            raise ValueError("chunks gave no samples")
        return self._waiting[0]

    def epoch(self, run: Run) -> Iterator[Chunk]:
        """Yield the chunks of an epoch; ``run`` forgets each before the next is read, and so does this."""
        self._epoch += 1
        waiting, self._waiting = self._waiting, []
        if self._opened is None or not waiting:
            self._opened = self._chunks()
            waiting.extend(islice(self._opened, 1))
        if not waiting:
            raise ValueError(
                f"chunks gave no samples in epoch {self._epoch}: a function must return a new iterator each time"
            )
        while waiting:
            yield waiting.pop()
            run.release()
            waiting.extend(islice(self._opened, 1))

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows of each chunk, in a pass of their own."""
        return (chunk.X for chunk in self._checked(self._open()))

    def close(self) -> None:
        """Let go of what is being read."""
        self._waiting.clear()
        self._opened = None

    def _chunks(self) -> Iterator[Chunk]:
        checked = self._checked(self._open())
        return _ahead(checked) if self._prefetch else checked

    def _checked(self, chunks: Iterator[Any]) -> Iterator[Chunk]:
        """Yield all chunks that have samples, as they are trained on; holds none of them meanwhile."""
        for number in count():
            box = list(islice(chunks, 1))
            if not box:
                return
            box[0] = self._chunk(number, box[0])
            if box[0] is not None:
                yield box.pop()

    def _chunk(self, number: int, chunk: Any) -> Chunk | None:
        """Return a checked chunk, or None if it is empty."""
        if not isinstance(chunk, tuple | list) or len(chunk) not in (2, 3):
            found = type(chunk).__name__ + (f" of length {len(chunk)}" if isinstance(chunk, tuple | list) else "")
            raise TypeError(f"chunk {number} must be a tuple (X, y) or (X, y, sample_weight), got {found}")
        trainer, where = self._trainer, f"of chunk {number}"
        if self._n_features == 0:
            self._n_features = trainer._n_features(chunk[0], self._fresh)
        X = trainer.network._check_inputs(f"X {where}", chunk[0], self._n_features)
        if X.shape[0] == 0:
            return None
        self._check_kind(kind_of_data(X), where)
        targets = trainer._check_targets(f"y {where}", chunk[1], X)
        given = checks.check_weights(f"sample_weight {where}", chunk[2] if len(chunk) == 3 else None, X.shape[0])
        weights = sample_weights(
            given if given.size else None, self._class_weight, targets, trainer.network.layer_sizes[-1]
        )
        size = plan.even_batch_size(X.shape[0], trainer.batch_size)
        return Chunk(X, targets._replace(weights=weights), size)

    def _check_kind(self, kind: str, where: str) -> None:
        self._kind = self._kind or kind
        if kind != self._kind:
            raise ValueError(
                f"X {where} holds {kind} data, but the first chunk {self._kind} data: they are scaled differently"
            )


def _opener(chunks: Any, n_passes: int) -> Callable[[], Iterator[Any]]:
    """Return what gives a new iterator for each pass."""
    if callable(chunks):
        return lambda: _iterator("chunks()", chunks())
    found = _iterator("chunks", chunks)
    if found is chunks:
        if n_passes > 1:
            raise ValueError(
                f"chunks is a {type(chunks).__name__}, which serves one pass, but {n_passes} are needed (one an epoch, "
                "one for preprocessing_from='all'): pass a function that returns a new one each time, or a list"
            )
        return lambda: found
    return lambda: iter(chunks)


def _iterator(name: str, value: Any) -> Iterator[Any]:
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        raise TypeError(f"{name} must be an iterable of tuples (X, y), got {type(value).__name__}")
    return iter(value)


def _ahead(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Yield the same, each read by a thread while the one before is worked on."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="fastnet-reader")
    try:
        pending = [pool.submit(next, chunks, _END)]
        while (found := [pending.pop().result()])[0] is not _END:
            pending.append(pool.submit(next, chunks, _END))
            yield found.pop()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)

"""The trainer: epochs in Python, minibatches in compiled code."""

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from . import checks, hidden, plan, sampled_run, stream
from ._parallel import available_cpus
from .callbacks import as_callbacks
from .checkpoints.identity import describe_data, describe_settings
from .checkpoints.interval import check_every
from .checkpoints.keeper import Keeper, keeper_of
from .fitting import Chunk, Fit, Task
from .history import History
from .kernels.adam import MIN_EPSILON, Adam
from .kernels.sgd import Sgd
from .losses import AnyTargets, check_loss
from .network import Network
from .optimizers import LEARNING_RATES, NAMES, Memory, Optimizer
from .preprocessing import PCA, Pieces, Preprocessing, as_pca, check_scale, fitted
from .regularisation import check_clip_norm, check_dropout, dropout_rates
from .run import Run
from .sampled_run import SampledRun, Sampling
from .schedules import Schedule, check_schedule, learning_rate
from .sparse_data import density, is_sparse
from .weighting import ClassWeight, sample_weights

_SETTINGS: dict[str, Callable[[Any], Any]] = {
    "optimizer": lambda value: checks.check_choice("optimizer", value, NAMES),
    "learning_rate": lambda value: _check_auto("learning_rate", value),
    "batch_size": lambda value: checks.check_integer("batch_size", value, low=1),
    "momentum": lambda value: checks.check_number("momentum", value, high=1.0),
    "nesterov": lambda value: checks.check_flag("nesterov", value),
    "beta1": lambda value: checks.check_number("beta1", value, high=1.0),
    "beta2": lambda value: checks.check_number("beta2", value, high=1.0),
    "epsilon": lambda value: checks.check_number("epsilon", value, low=MIN_EPSILON),
    "weight_decay": lambda value: checks.check_number("weight_decay", value),
    "dropout": check_dropout,
    "clip_norm": check_clip_norm,
    "schedule": check_schedule,
    "center": lambda value: checks.check_flag("center", value),
    "scale": check_scale,
    "pca": as_pca,
    "n_candidates": lambda value: checks.check_integer("n_candidates", value, low=1),
    "candidate_distribution": sampled_run.check_distribution,
    "n_threads": lambda value: None if value is None else checks.check_integer("n_threads", value, low=1),
    "callbacks": as_callbacks,
    "checkpoint_dir": lambda value: _check_path(value),
    "checkpoint_every": check_every,
}
# What bits do not depend on.
_FREE = ("n_threads", "callbacks", "checkpoint_dir", "checkpoint_every")


class Trainer:
    """Minibatch gradient descent on a network.

    Parameters
    ----------
    network : Network
        Is changed in place, at the end of each epoch; after Ctrl-C it has the last minibatch that was finished.
    optimizer : {"sgd", "adam", "adamw"}, default="sgd"
        "adamw" is "adam" with decoupled weight decay.
    loss : {"auto", "cross_entropy", "binary_cross_entropy", "squared_error", "sampled_softmax"}, default="auto"
        "auto" takes what belongs to the network's output: cross-entropy for softmax, binary cross-entropy for
        sigmoid, squared error for identity. "squared_error" also goes with the others, as half the sum of
        ``(p - t)**2`` over their probabilities; other pairs are refused. "sampled_softmax" is for softmax with very
        many classes: see the notes.
    learning_rate : "auto" or float, default="auto"
        "auto" takes 0.1 for "sgd" and 0.001 for "adam" and "adamw".
    batch_size : int, default=32
        Samples in a minibatch; the last one of an epoch may be smaller and averages over its true size.
    momentum : float in [0, 1), default=0.0
        ``v = momentum * v - learning_rate * gradient; w += v``; for "sgd" only.
    nesterov : bool, default=False
        Nesterov momentum: ``w += momentum * v - learning_rate * gradient`` with the new ``v``; for "sgd" only.
    beta1, beta2 : float in [0, 1), default=0.9 and 0.999
        How slowly the moments of "adam" and "adamw" change: the means of gradients and of their squares.
    epsilon : float, default=1e-8
        Is added to the root of the second moment, after its correction; at least 1e-16.
    weight_decay : float, default=0.0
        Is multiplied with the weights (not the biases) and added to their gradient. For "adamw",
        ``w -= learning_rate * weight_decay * w`` beside the step instead.
    dropout : float in [0, 1) or a sequence of these, one a hidden layer, default=0.0
        Share of a hidden layer's outputs that are zero for a sample while training; the others are multiplied by
        ``1 / (1 - dropout)``. Predictions, validation and `Network.loss_and_gradients` use all.
    clip_norm : float or None, default=None
        Where the norm of a minibatch's whole gradient (without weight decay) is larger, the gradient is multiplied by
        ``clip_norm / norm``.
    schedule : {"constant", "halve", "plateau", "step", "cosine"}, Plateau or callable, default="constant"
        How the learning rate changes; a callable takes the epoch, counted from 0. See ``fastnet.schedules``.
    center : bool, default=True
        Subtract the mean of the training rows from every row.
    scale : {"auto", "minmax", "standard"} or float, default="auto"
        Multiply the rows first; "auto" takes 1/255 for uint8 and 1 for other dtypes. "minmax" divides each feature by
        its range, so that without centring it lies in [0, 1], and "standard" by its standard deviation; features that
        never vary become 0.
    pca : PCA, int, float or None, default=None
        Train on the principal components of the centred and scaled rows: so many, or so many as have that share of
        the variance (see ``fastnet.PCA``). The network has as many inputs.
    n_candidates : int, default=64
        For "sampled_softmax": classes that are drawn for each minibatch; twice as many cost less than twice the time
        and learn better.
    candidate_distribution : {"uniform", "log_uniform"} or array-like of shape (n_classes,), default="uniform"
        How likely classes are drawn: "log_uniform" suits classes that are sorted from the most to the least frequent
        one (class k with ``log((k + 2) / (k + 1)) / log(n_classes + 1)``); or weights above 0, such as counts.
    seed : int, numpy.random.Generator or None, default=None
        Shuffles the samples of each epoch, and says what dropout drops and which classes are drawn.
    n_threads : int or None, default=None
        At most that many, and never more than there are CPUs; None takes as many as are worth it for the shapes.
        The results are the same bits for any number.
    callbacks : iterable of Callback or callable, default=()
        See ``fastnet.callbacks``.
    checkpoint_dir : str, os.PathLike or None, default=None
        Folder for checkpoints, from which ``fit(..., resume=True)`` goes on with the same bits. It is made if need be,
        and belongs to one training. The last two files are kept, and the best: that of the epoch with the smallest
        validation loss, or training loss without validation data.
    checkpoint_every : int, str or None, default=None
        So many epochs, or a time such as "30s", "10min" or "1.5h" after which there is a checkpoint also within an
        epoch. None takes every epoch, but fewer if writing would take more than a twentieth of the time, and 10 minutes
        within one. There always is one at the end of a fit, and when Ctrl-C, a signal's exception or a callback's error
        ends it, at the last minibatch that was finished.

    Notes
    -----
    Mean, factors and components are those of the training rows. They are fixed by a network's first fit, belong to
    the network, and are applied in every prediction.

    A second ``fit`` goes on where the first one ended: the generator and the velocity, or the moments, are kept. Its
    schedule begins anew. After a divergence, and for another optimizer, velocity and moments are zero. Settings can be
    changed between fits. The algorithm is that of part 7 of the article series "Building a Neural Network from
    scratch", with minibatches. Adam is that of Kingma and Ba, 2015; AdamW that of Loshchilov and Hutter, 2019, with
    the decay multiplied by the learning rate, as in torch.

    With "sampled_softmax" a minibatch looks at its targets and at some drawn classes only (Jean, Cho, Memisevic,
    Bengio, "On Using Very Large Target Vocabulary for Neural Machine Translation", 2015), so that an epoch takes about
    the same time however many classes there are. The logarithm of how often a class is expected among the drawn ones is
    taken off its logit, so that the gradient estimates that of cross-entropy. It needs a hidden layer and plain SGD;
    weight decay and dropout go with it. The history's loss is that of telling the target from the drawn classes,
    smaller than cross-entropy, and its accuracy NaN; validation and predictions look at all classes.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.datasets.load_digits()
    >>> network = fastnet.Network([64, 32, 10], seed=0)
    >>> trainer = fastnet.Trainer(network, learning_rate=0.2, seed=0)
    >>> history = trainer.fit(data.X_train, data.y_train, epochs=20)
    >>> len(history), bool(history.accuracy[-1] > 0.95)
    (20, True)
    """

    def __init__(
        self,
        network: Network,
        *,
        optimizer: str = "sgd",
        loss: str = "auto",
        learning_rate: str | float = "auto",
        batch_size: int = 32,
        momentum: float = 0.0,
        nesterov: bool = False,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        dropout: float | Sequence[float] = 0.0,
        clip_norm: float | None = None,
        schedule: Schedule = "constant",
        center: bool = True,
        scale: str | float = "auto",
        pca: PCA | int | float | None = None,
        n_candidates: int = 64,
        candidate_distribution: Any = "uniform",
        seed: int | np.random.Generator | None = None,
        n_threads: int | None = None,
        callbacks: Iterable[Any] = (),
        checkpoint_dir: str | os.PathLike[str] | None = None,
        checkpoint_every: int | str | None = None,
    ):
        if not isinstance(network, Network):
            raise TypeError(f"network must be a fastnet.Network, got {type(network).__name__}")
        self.network = network
        self.optimizer = optimizer
        self.loss = loss
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.momentum = momentum
        self.nesterov = nesterov
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.clip_norm = clip_norm
        self.schedule = schedule
        self.center = center
        self.scale = scale
        self.pca = pca
        self.n_candidates = n_candidates
        self.candidate_distribution = candidate_distribution
        self.n_threads = n_threads
        self.callbacks = callbacks
        self.checkpoint_dir = checkpoint_dir
        self.checkpoint_every = checkpoint_every
        self._seed = None if isinstance(seed, np.random.Generator) else seed
        self._last_checkpoint: Path | None = None
        self._rng = checks.check_seed(seed)
        self._memory = Memory(network.dtype)
        self._check_together()

    def __setattr__(self, name: str, value: Any) -> None:
        """Check a setting whenever it is set, also after construction."""
        if name in _SETTINGS:
            value = _SETTINGS[name](value)
        elif name == "loss":
            value = check_loss(value, self.network.output)
        elif not name.startswith("_") and name != "network":
            checks.check_choice("a setting of Trainer", name, tuple(_SETTINGS))
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in _SETTINGS if name != "callbacks")
        return f"Trainer({self.network!r}, {settings})"

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int,
        sample_weight: Any = None,
        class_weight: ClassWeight = None,
        validation_data: tuple[Any, ...] | None = None,
        reset_preprocessing: bool = False,
        resume: bool = False,
    ) -> History:
        """Train for some epochs.

        Parameters
        ----------
        X : array-like or SciPy sparse matrix of shape (n_samples, n_features)
            uint8, float32 or float64 in any memory layout, also read-only or mapped from a file: rows are gathered
            from it as they are. Data with at most a quarter of entries that are not zero are read once, into lists of
            these entries. So are sparse matrices with at most 65,536 columns, however many entries they have; of others
            some minibatches at a time are written out as dense rows. Must not change during the fit.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class indices or one-hot rows (softmax), labels between 0 and 1 (sigmoid), or numbers (identity).
        epochs : int
        sample_weight : array-like of shape (n_samples,), optional
            Not negative. The loss of a minibatch is then ``sum(weight * loss) / sum(weight)``, so that a factor common
            to all weights changes nothing; so is the history's loss. Its accuracy counts each sample once.
        class_weight : dict, "balanced" or None, default=None
            For softmax, and sigmoid with one output: multiplies the weights of the samples of a class, a class index,
            by a number (1 for those that are not named). "balanced" gives all classes that occur the same total
            weight: ``n_samples / (n_classes * count)``.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            Loss and accuracy on these are measured after each epoch; classes have no weights there.
        reset_preprocessing : bool, default=False
            Fix centring and scaling anew from this ``X``.
        resume : bool, default=False
            Go on from the newest whole checkpoint in ``checkpoint_dir``, which gives the network its weights and
            preprocessing, the optimizer its memory, the generator its state, and callbacks theirs. The result has the
            bits of a training that was never interrupted. Data and settings must be the same, but for ``n_threads``,
            and for more ``epochs``; a schedule that depends on their number is then that of the new one. Without a
            checkpoint training starts from the beginning; of a finished one the result is returned.

        Returns
        -------
        History
            Of all epochs, also of those before a resumption.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described; nothing has been changed then.
        DivergenceError
            If a loss or weight is no longer finite. The network keeps the weights of the last whole epoch.
        CheckpointError
            If ``checkpoint_dir`` can't be used, is in use, or has checkpoints but ``resume`` is False; if those are of
            other data or settings, or all damaged; if a checkpoint can't be written: then older ones are as they were,
            and the network has been trained as far as it has.
        """
        epochs = checks.check_integer("epochs", epochs, low=1)
        first = checks.check_flag("reset_preprocessing", reset_preprocessing) or self.network.preprocessing is None
        X = self._check_data("X", X, self._n_features(X, first))
        targets = self._check_targets("y", y, X)
        weights = sample_weights(sample_weight, class_weight, targets, self.network.layer_sizes[-1])
        validation = self._check_validation(validation_data, X.shape[1])
        batch_size = self._batch_size(X.shape[0])
        group, chunk = self._group(X), Chunk(X, targets._replace(weights=weights), batch_size)
        n_threads, pieces = self._threads(group * batch_size, X), [X] if first else None
        task = Task(lambda run: [chunk], lambda: chunk, pieces, epochs, batch_size, n_threads, validation, group)
        return self._fit(task, resume)

    def fit_stream(
        self,
        chunks: Any,
        *,
        epochs: int = 1,
        class_weight: Mapping[int, float] | None = None,
        validation_data: tuple[Any, ...] | None = None,
        preprocessing_from: str = "first",
        reset_preprocessing: bool = False,
        prefetch: bool = False,
        resume: bool = False,
    ) -> History:
        """Train on data that come chunk by chunk, and need never be in memory as a whole.

        Each chunk is shuffled and trained on in compiled calls, like a small data set. Chunks are taken in the order in
        which they come: each should hold samples of all kinds. Minibatches have ``batch_size`` samples, or fewer
        (at least two thirds) if few would be left over for the last one of a chunk.

        Parameters
        ----------
        chunks : iterable of tuples (X, y) or (X, y, sample_weight), or a function that returns one
            As for ``fit``; X may be sparse. It is gone through once an epoch: a list, an object with ``__iter__``, or a
            function without arguments (a generator function, say) will do. An iterator serves one pass only.
        epochs : int, default=1
        class_weight : dict or None, default=None
            As for ``fit``; "balanced" would need all labels beforehand.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            As for ``fit``: in memory, or mapped from a file.
        preprocessing_from : {"first", "all"}, default="first"
            Whether centring, scaling and principal components are found in the first chunk, or in all of them in one
            more pass over the chunks (two for principal components). Without effect if the network has them already.
        reset_preprocessing : bool, default=False
            Find them anew.
        prefetch : bool, default=False
            Read the next chunk in a thread while this one is trained on. That saves time if reading takes some, and
            memory holds two chunks then. The reader must not depend on the thread that it runs in (as connections of
            sqlite3 do).
        resume : bool, default=False
            As for ``fit``. Checkpoints of a stream are written after whole epochs only, and compare the first chunk.

        Returns
        -------
        History
            ``seconds`` include the time of reading.

        Raises
        ------
        ValueError, TypeError
            If an argument or a chunk is not as described; the chunk is named. What was trained before it is kept.
        DivergenceError
            As ``fit``.

        Notes
        -----
        Bits depend on the data, how they are cut into chunks, and the seed. With one chunk they are those of ``fit``
        where its last minibatch is at least half as large as the others.

        Examples
        --------
        >>> import fastnet
        >>> data = fastnet.datasets.load_digits()
        >>> def chunks():
        ...     for start in range(0, len(data.X_train), 512):
        ...         yield data.X_train[start : start + 512], data.y_train[start : start + 512]
        >>> network = fastnet.Network([64, 32, 10], seed=0)
        >>> history = fastnet.Trainer(network, learning_rate=0.2, seed=0).fit_stream(chunks, epochs=20)
        >>> bool(network.score(data.X_test, data.y_test) > 0.9)
        True
        """
        settings = (class_weight, validation_data, preprocessing_from, reset_preprocessing, prefetch, resume)
        return stream.fit(self, chunks, epochs, *settings)

    def _fit(self, task: Task, resume: bool) -> History:
        """Train, if nothing is to be refused before."""
        resume = self._check_resume(resume)
        self._check_together()
        learning_rate(self.schedule, self._first_rate, 0, task.epochs, [])
        with self._keeper(task, resume) as keeper:
            return self._kept_fit(task, keeper)

    def _kept_fit(self, task: Task, keeper: Keeper | None) -> History:
        before = self.network.preprocessing
        if task.pieces is not None and (keeper is None or keeper.found is None):
            self.network.preprocessing = self._preprocessing(task.pieces)
        fit = Fit(self, task, keeper)
        try:
            for samples in (task.first().X, *(task.validation or ())[:1]):
                self.network._warn_of_kind(samples, stacklevel=5)
            return fit.run()
        except BaseException:
            if not fit.trained:
                self.network.preprocessing = before
            raise
        finally:
            self._last_checkpoint = keeper.path if keeper is not None else None

    @property
    def last_checkpoint(self) -> Path | None:
        """Newest checkpoint of the last fit: written by it, or resumed from; None if there is none."""
        return self._last_checkpoint

    # -- checks and preparation ------------------------------------------------------------------------

    def _check_together(self) -> None:
        """Check what no setting can know by itself."""
        hidden.check_trainable(self.network.activations)
        dropout_rates(self.dropout, len(self.network.activations))
        for name, value in (("momentum", self.momentum), ("nesterov", self.nesterov)):
            if value and self.optimizer != "sgd":
                raise ValueError(f"{name}={value} does not go with optimizer={self.optimizer!r}, only with 'sgd'")
        if self.loss == sampled_run.LOSS:
            sampled_run.check(self.network, self._sampling, self.optimizer, self.momentum, self.clip_norm)

    @property
    def _sampling(self) -> Sampling:
        return Sampling(self.n_candidates, self.candidate_distribution)

    def _check_resume(self, resume: Any) -> bool:
        resume = checks.check_flag("resume", resume)
        for name, value in (("resume=True", resume), ("checkpoint_every", self.checkpoint_every)):
            if value and self.checkpoint_dir is None:
                raise ValueError(f"{name} needs checkpoint_dir, the folder of the checkpoints")
        return resume

    def _keeper(self, task: Task, resume: bool) -> AbstractContextManager[Keeper | None]:
        """Return what looks after checkpoints, if any are wanted."""
        path = None if self.checkpoint_dir is None else Path(self.checkpoint_dir)
        return keeper_of(path, self.checkpoint_every, lambda: self._identity(task), task.epochs, resume, task.group)

    def _identity(self, task: Task) -> dict[str, Any]:
        """Return data and settings: what a checkpoint is resumed with only if it is the same."""
        settings = {name: getattr(self, name) for name in (*_SETTINGS, "loss") if name not in _FREE}
        settings |= {"seed": self._seed, "generator": type(self._rng.bit_generator).__name__}
        return {
            "data": describe_data(*task.first()[:2], task.validation),
            "settings": describe_settings(self.network, settings, self.callbacks),
        }

    def _n_features(self, X: Any, first: bool) -> int:
        """Columns that the rows must have: any number, if their principal components are still to be found."""
        if not first:
            return self.network.n_features
        if self.pca is None:
            return self.network.layer_sizes[0]
        return int((X if is_sparse(X) else checks.check_matrix("X", X)).shape[1])

    def _check_data(self, name: str, X: Any, n_features: int) -> Any:
        X = self.network._check_inputs(name, X, n_features)
        if X.shape[0] == 0:
            raise ValueError(f"{name} is empty: got shape {X.shape}, at least one sample is needed")
        if X.shape[0] >= 1 << 32:
            raise ValueError(f"{name} has {X.shape[0]} rows; at most {(1 << 32) - 1} can be shuffled")
        return X

    def _check_targets(self, name: str, y: Any, X: Any) -> AnyTargets:
        return self.network._check_targets(name, y, X.shape[0], self.loss)

    def _check_validation(self, validation_data: Any, n_features: int) -> tuple[Any, AnyTargets] | None:
        if validation_data is None:
            return None
        if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
            found = type(validation_data).__name__
            if isinstance(validation_data, Sized):
                found += f" of length {len(validation_data)}"
            raise TypeError(f"validation_data must be a tuple (X, y) or (X, y, sample_weight), got {found}")
        X = self._check_data("validation_data[0]", validation_data[0], n_features)
        targets = self._check_targets("validation_data[1]", validation_data[1], X)
        weights = validation_data[2] if len(validation_data) == 3 else None
        return X, targets._replace(weights=checks.check_weights("validation_data[2]", weights, X.shape[0]))

    def _preprocessing(self, pieces: Pieces) -> Preprocessing:
        n_inputs, dtype = self.network.layer_sizes[0], self.network.dtype
        found = fitted(pieces, self.center, self.scale, as_pca(self.pca), n_inputs, dtype)
        checks.check_finite("mean of X", found.mean, dtype)
        return found

    def _batch_size(self, n_samples: int) -> int:
        if self.batch_size > n_samples:
            warnings.warn(
                f"batch_size={self.batch_size} is more than the {n_samples} samples: each epoch is one minibatch",
                UserWarning,
                stacklevel=3,
            )
        return min(self.batch_size, n_samples)

    def _threads(self, n_rows: int, X: Any) -> int:
        """Threads worth using for so many rows of X at once, which is checked."""
        if self.n_threads is not None:
            return min(self.n_threads, available_cpus())
        sampled = self.loss == sampled_run.LOSS
        sizes = self._sampling.sizes(self.network) if sampled else self.network.layer_sizes
        return plan.threads(sizes, n_rows, self.network.dtype, available_cpus(), density(X))

    def _group(self, X: Any) -> int:
        """Minibatches that share a pass over the first layer's weights, which takes plain SGD; X is checked."""
        plain = self.optimizer == "sgd" and self.momentum == 0 and self.clip_norm is None
        shape = self.network.layer_sizes, self.batch_size
        if not plain or self.loss == sampled_run.LOSS or plan.minibatches_in_group(*shape) == 1:
            return 1
        return plan.minibatches_in_group(*shape, density(X))

    # -- what compiled code takes -----------------------------------------------------------------------

    def _new_run(self, *args: Any, group: int) -> Run:
        return SampledRun(self._sampling, *args) if self.loss == sampled_run.LOSS else Run(*args, group=group)

    @property
    def _first_rate(self) -> float:
        """Learning rate from which the schedule starts."""
        return LEARNING_RATES[self.optimizer] if isinstance(self.learning_rate, str) else self.learning_rate

    def _epoch_optimizer(self, run: Run, rate: float, done: int = 0) -> Optimizer:
        """Return what compiled code takes for one epoch, of which some minibatches may be done.

        What the optimizer remembers outlives the fit.
        """
        if self.optimizer == "sgd":
            (velocity,) = self._memory.vectors("sgd", 1, run.n_packed if self.momentum > 0 else 0)
            return Sgd(rate, self.momentum, self.nesterov, self.weight_decay, velocity)
        m, v = self._memory.vectors(self.optimizer, 2, run.n_packed)
        steps, decoupled = self._memory.steps, self.optimizer == "adamw"
        before = int(steps[0]) - done
        return Adam(rate, self.beta1, self.beta2, self.epsilon, self.weight_decay, decoupled, m, v, before, steps)


def _check_path(value: Any) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"checkpoint_dir must be a path or None, got {type(value).__name__}")
    return Path(value)


def _check_auto(name: str, value: Any) -> str | float:
    if isinstance(value, str) and value == "auto":
        return value
    return checks.check_number(name, value, open_low=True)

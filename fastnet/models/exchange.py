"""What goes into a network and out of it: files, ONNX, torch's state dicts, scikit-learn's weights; and its labels."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from .. import checks
from . import file, onnx_export
from .parts import check_classes, described, folded, parts_of
from .torch_state import state_dict_of, weights_of

# scikit-learn's names of activations and outputs that are called otherwise here.
_SKLEARN_NAMES = {"logistic": "sigmoid"}


class Exchange:
    """Base of ``Network``; not to be used by itself."""

    _classes: np.ndarray | None = None
    _feature_names: tuple[str, ...] | None = None

    @classmethod
    def _blank(cls, layer_sizes: Sequence[int], activation: str | Sequence[str], output: str, dtype: Any) -> Any:
        raise NotImplementedError

    # -- labels ----------------------------------------------------------------------------------------

    @property
    def classes(self) -> np.ndarray | None:
        """Labels in the order of the outputs, texts or numbers: ``network.classes[network.predict(X)]``.

        A network with one sigmoid has two. They are saved with the network, and read-only.
        """
        return self._classes

    @classes.setter
    def classes(self, value: Any) -> None:
        network: Any = self
        self._classes = None if value is None else check_classes(value, network.output, network.layer_sizes[-1])

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the features, in the order of the columns of X; saved with the network."""
        return self._feature_names

    @feature_names.setter
    def feature_names(self, value: Any) -> None:
        network: Any = self
        n_features = network.n_features
        self._feature_names = None if value is None else checks.check_feature_names("feature_names", value, n_features)

    def _check_names_fit(self, preprocessing: Any) -> None:
        names, n_features = self.feature_names, len(preprocessing.mean)
        if names is not None and len(names) != n_features:
            raise ValueError(
                f"preprocessing is for {n_features} features, but feature_names has {len(names)} names: set these later"
            )

    # -- files -----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the network: weights, preprocessing, classes and names of features.

        Parameters
        ----------
        path : str or os.PathLike
            Usually ``*.safetensors``, which other programs can read, too. What is there is replaced, in one step.

        Raises
        ------
        ValueError
            If a weight is not finite; nothing is written.
        OSError
            If the file can't be written; what was there before is untouched.

        See Also
        --------
        fastnet.load : Read it.

        Examples
        --------
        >>> import tempfile, fastnet
        >>> network, path = fastnet.Network([4, 3], seed=0), tempfile.mkdtemp() + "/iris.safetensors"
        >>> network.classes = ["setosa", "versicolor", "virginica"]
        >>> network.save(path)
        >>> fastnet.load(path).classes[2].item()
        'virginica'
        """
        file.write(path, "Network", *described(parts_of(self)))

    def to_onnx(self, path: str | os.PathLike[str], *, input_dtype: str | None = None) -> None:
        """Write the network, with its preprocessing, for ONNX Runtime and others (needs the package onnx).

        Parameters
        ----------
        path : str or os.PathLike
        input_dtype : {"uint8", "float32", "float64"}, optional
            Of the rows that the model will take; by default uint8 if the network was trained on such, else the
            network's dtype. As in predictions, pixels of another dtype are taken as already scaled to [0, 1].

        Raises
        ------
        ImportError
            Without the package onnx: ``pip install 'fastnet-numba[onnx]'``.
        ValueError
            If the model takes more than ONNX's 2 GB.
        OSError
            If the file can't be written.

        Notes
        -----
        The input is "X" (n_samples, n_features). The outputs are "label" and "probabilities", or "predictions" for
        plain outputs. Labels are those of ``classes``, texts or numbers, or indices without; networks with several
        sigmoids have 0 or 1 for each. Opset 17. Rows with NaN are not refused there.

        Probabilities differ by what rounding does: in float64 by less than 1e-12 (with gelu 1e-7), in float32 by some
        units of 1e-7. The largest difference of 100,000 probabilities of a trained 784-300-10 was 2.7e-6, where those
        of ``predict_proba`` are within 1.2e-6 of exact ones.
        """
        onnx_export.write(path, parts_of(self), input_dtype)

    # -- torch -----------------------------------------------------------------------------------------

    def to_torch_state_dict(self, *, fold_preprocessing: bool = True) -> dict[str, Any]:
        """Return the weights for a torch.nn.Sequential of Linear layers with activations between them.

        Parameters
        ----------
        fold_preprocessing : bool, default=True
            Multiply centring, scaling and principal components into the first layer, so that the module takes the
            same rows as the network (pixels as floats from 0 to 255) and gives the same logits. False gives the
            weights as they are.

        Returns
        -------
        dict of str to torch.Tensor
            "0.weight" of shape (n_out, n_in), "0.bias", "2.weight", and so on; copies.

        Raises
        ------
        ImportError
            If torch is not installed.

        Examples
        --------
        >>> import fastnet
        >>> state = fastnet.Network([4, 8, 3], seed=0).to_torch_state_dict()  # doctest: +SKIP
        >>> module = torch.nn.Sequential(
        ...     torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
        ... )  # doctest: +SKIP
        >>> module.load_state_dict(state)  # doctest: +SKIP
        <All keys matched successfully>
        """
        parts = parts_of(self)
        return state_dict_of(folded(parts) if checks.check_flag("fold_preprocessing", fold_preprocessing) else parts)

    @classmethod
    def from_torch_state_dict(
        cls,
        state_dict: Mapping[str, Any],
        activation: str | Sequence[str],
        output: str = "softmax",
        dtype: Any = None,
    ) -> Self:
        """Make a network of the weights of some Linear layers.

        Parameters
        ----------
        state_dict : mapping of str to torch.Tensor or ndarray
            "NAME.weight" (n_out, n_in) and "NAME.bias" (n_out,), in the order of the layers; names that are numbers
            are put in order. Biases may be missing.
        activation : str or sequence of str
            Of the hidden layers, as for ``Network``: a state dict does not say.
        output : {"softmax", "sigmoid", "identity"}, default="softmax"
            What becomes of the last layer's outputs.
        dtype : {"float32", "float64"}, optional
            By default float64 if a tensor has it, else float32.

        Returns
        -------
        Network
            Without preprocessing: it takes the rows that the module takes.

        Raises
        ------
        ValueError
            If there is a tensor of something else than Linear layers, or they do not follow each other.

        Examples
        --------
        >>> import numpy as np, fastnet
        >>> state = {"0.weight": np.ones((5, 3)), "0.bias": np.zeros(5), "2.weight": np.ones((2, 5))}
        >>> fastnet.Network.from_torch_state_dict(state, activation="relu")
        Network(3-5-2, relu, softmax, float64, 32 parameters)
        """
        weights, biases = weights_of(state_dict)
        double = any(array.dtype == np.float64 for array in (*weights, *biases))
        sizes = [len(weights[0]), *map(len, biases)]
        network = cls._blank(sizes, activation, output, dtype or ("float64" if double else "float32"))
        network.coefs_, network.intercepts_ = weights, biases
        return network

    # -- scikit-learn ----------------------------------------------------------------------------------

    @property
    def coefs_(self) -> list[np.ndarray]:
        """``weights``, as scikit-learn calls them; assigning copies all, if their shapes are right."""
        network: Any = self
        return list(network.weights)

    @coefs_.setter
    def coefs_(self, arrays: Any) -> None:
        network: Any = self
        _assign("coefs_", network.weights, arrays)

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """``biases``, as scikit-learn calls them; assigning copies all, if their shapes are right."""
        network: Any = self
        return list(network.biases)

    @intercepts_.setter
    def intercepts_(self, arrays: Any) -> None:
        network: Any = self
        _assign("intercepts_", network.biases, arrays)

    @classmethod
    def from_sklearn(cls, estimator: Any, dtype: Any = None) -> Self:
        """Make a network of a fitted MLPClassifier or MLPRegressor, scikit-learn's or fastnet's.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
        dtype : {"float32", "float64"}, optional
            By default that of the weights.

        Returns
        -------
        Network
            With the classes and the names of features. A network's ``predict`` gives indices of classes.

        Raises
        ------
        TypeError
            If it is not a fitted perceptron.
        ValueError
            If its outputs go through an exponential (loss="poisson"), which networks don't have.

        Examples
        --------
        >>> import fastnet
        >>> from sklearn.neural_network import MLPClassifier
        >>> X, y = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["a", "b", "c"]
        >>> model = MLPClassifier((4,), solver="lbfgs", random_state=0).fit(X, y)
        >>> network = fastnet.Network.from_sklearn(model)
        >>> network.classes[network.predict(X)].tolist()
        ['a', 'b', 'c']
        """
        if not hasattr(estimator, "coefs_") or not hasattr(estimator, "out_activation_"):
            raise TypeError(f"estimator must be a fitted MLPClassifier or MLPRegressor, got {estimator!r:.60}")
        output = _SKLEARN_NAMES.get(estimator.out_activation_, estimator.out_activation_)
        if output == "exp":
            raise ValueError("a network has no exponential outputs, which MLPRegressor(loss='poisson') needs")
        coefs, intercepts = estimator.coefs_, estimator.intercepts_
        names = estimator.activation
        names = [names] * (len(coefs) - 1) if isinstance(names, str) else list(names)
        sizes = [len(coefs[0]), *map(len, intercepts)]
        found = np.result_type(np.float32, *coefs) if dtype is None else dtype
        network = cls._blank(sizes, [_SKLEARN_NAMES.get(name, name) for name in names], output, found)
        network.coefs_, network.intercepts_ = coefs, intercepts
        classes = getattr(estimator, "classes_", None)
        if output != "identity" and classes is not None and len(classes) > 1:
            network.classes = classes
        network.feature_names = getattr(estimator, "feature_names_in_", None)
        return network


def _assign(name: str, views: list[np.ndarray], arrays: Any) -> None:
    """Copy arrays into views, if all of them fit."""
    found, expected = [np.asarray(array) for array in arrays], [view.shape for view in views]
    if [array.shape for array in found] != expected:
        raise ValueError(f"{name} must have the shapes {expected}, got {[array.shape for array in found]}")
    for view, array in zip(views, found, strict=True):
        view[:] = array

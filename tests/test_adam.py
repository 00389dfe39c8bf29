"""Adam and AdamW in whole epochs: against the float64 oracle, torch and scikit-learn; threads, cuts; the Trainer."""

import warnings

import numpy as np
import pytest
import reference_net
from runs import BITS, adam, make_targets, next_epoch, train

from fastnet import Callback, DivergenceError, Network, Trainer, passes
from fastnet.datasets import load_digits
from fastnet.layout import unpack
from fastnet.network import Preprocessing
from fastnet.run import Run
from fastnet.workspace import workspace

OPTIMIZERS = ["adam", "adamw"]
NETWORKS = [
    ([5, 3], "tanh", "softmax"),
    ([17, 31, 9], "relu", "softmax"),
    ([30, 25, 24, 23, 3], "sigmoid", "softmax"),
    ([9, 50, 20, 5], "identity", "sigmoid"),
    ([12, 49, 2], "tanh", "identity"),
]
SETTINGS = [
    {"optimizer": "adam", "learning_rate": 0.002, "weight_decay": 0.01},
    {"optimizer": "adamw", "learning_rate": 0.002, "weight_decay": 0.1},
    {"optimizer": "adam", "learning_rate": 0.01, "beta1": 0.0, "beta2": 0.99, "epsilon": 1e-3},
    {"optimizer": "adamw", "learning_rate": 0.01, "beta1": 0.8, "beta2": 0.9, "weight_decay": 0.01},
]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def dense(rng, n, n_features):
    return rng.standard_normal((n, n_features))


def sparse(rng, n, n_features):
    """Rows whose first columns are always zero, others rarely not."""
    X = rng.standard_normal((n, n_features)) * (rng.random((n, n_features)) < 0.15)
    X[:, :2] = 0
    return X


KINDS = pytest.mark.parametrize("make_rows", [dense, sparse])


def centred(network, X, scale=1.0):
    network.preprocessing = Preprocessing((X.mean(axis=0) * scale).astype(network.dtype), scale, "float")
    return network


# -- epochs against others -----------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(("sizes", "activation", "output"), NETWORKS)
def test_float64_epochs_equal_the_oracle(sizes, activation, output, settings, make_rows, rng):
    network = Network(sizes, activation, output, dtype="float64", seed=1)
    X = make_rows(rng, 101, sizes[0])
    y, order = make_targets(output, len(X), sizes[-1], rng), rng.permutation(len(X))
    centred(network, X, 0.5)
    params = [w.copy() for w in network.weights], [b.copy() for b in network.biases]
    state = reference_net.zero_state(params, settings["optimizer"])
    shared = {"activation": activation, "output": output, "scale": 0.5, "mean": network.preprocessing.mean}
    for _ in range(3):
        expected = reference_net.train_epoch(params, state, X, y, order, 7, **shared, **settings)[0]
    losses, _, run = train(network, X, y, order, 7, epochs=3, **settings)
    assert run.kind == ("sparse" if make_rows is sparse else "dense")
    counts = np.minimum(7, len(X) - np.arange(0, len(X), 7))
    np.testing.assert_allclose(losses * counts, expected, rtol=1e-10, atol=1e-11)
    for got, wanted in zip(network.weights + network.biases, params[0] + params[1], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(
    "change", [{"beta1": 0.9 + 1e-8}, {"beta2": 0.999 + 1e-8}, {"epsilon": 1.001e-8}, {"weight_decay": 0.01 + 1e-8}]
)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_comparison_with_the_oracle_can_fail(optimizer, change, rng):
    X, y, order = rng.standard_normal((40, 5)), rng.integers(0, 3, 40), np.arange(40)
    settings = {"optimizer": optimizer, "learning_rate": 0.01, "weight_decay": 0.01}
    one, other = (Network([5, 3], dtype="float64", seed=1) for _ in range(2))
    train(one, X, y, order, 8, **settings)
    train(other, X, y, order, 8, **settings | change)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(one.parameters, other.parameters, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_float64_epochs_equal_torch(optimizer, rng):
    torch = pytest.importorskip("torch", reason="compares with torch.optim")
    X, y, order = rng.standard_normal((101, 12)), rng.integers(0, 4, 101), rng.permutation(101)
    network = Network([12, 20, 4], dtype="float64", seed=2)
    layers = [torch.nn.Linear(12, 20, dtype=torch.float64), torch.nn.Linear(20, 4, dtype=torch.float64)]
    model = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1])
    with torch.no_grad():
        for layer, w, b in zip(layers, network.weights, network.biases, strict=True):
            layer.weight.copy_(torch.tensor(w.T.copy()))
            layer.bias.copy_(torch.tensor(b.copy()))
    groups = [
        {"params": [layer.weight for layer in layers], "weight_decay": 0.05},
        {"params": [layer.bias for layer in layers], "weight_decay": 0.0},
    ]
    choices = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    torch_optimizer = choices[optimizer](groups, lr=0.003, betas=(0.85, 0.995), eps=1e-7)
    inputs, targets = torch.tensor(X), torch.tensor(y)
    for _ in range(3):
        for start in range(0, 101, 16):
            rows = torch.tensor(order[start : start + 16])
            torch_optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
            torch_optimizer.step()
    train(
        network,
        X,
        y,
        order,
        16,
        epochs=3,
        optimizer=optimizer,
        learning_rate=0.003,
        beta1=0.85,
        beta2=0.995,
        epsilon=1e-7,
        weight_decay=0.05,
    )
    for layer, w, b in zip(layers, network.weights, network.biases, strict=True):
        np.testing.assert_allclose(w, layer.weight.detach().numpy().T, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(b, layer.bias.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_float64_epochs_equal_scikit_learn(rng):
    """Its epsilon is not corrected as ours is, so both are very small here."""
    from sklearn.neural_network import MLPClassifier

    X, y = rng.standard_normal((96, 12)), rng.integers(0, 4, 96)
    shared = {"hidden_layer_sizes": (20,), "activation": "tanh", "solver": "adam", "alpha": 0.0, "batch_size": 16,
              "shuffle": False, "random_state": 0, "epsilon": 1e-16}  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Stochastic Optimizer")
        start = MLPClassifier(**shared, learning_rate_init=1e-300, max_iter=1).fit(X, y)
        end = MLPClassifier(**shared, learning_rate_init=0.003, max_iter=4).fit(X, y)
    network = Network([12, 20, 4], dtype="float64", seed=2)
    for layer in range(2):
        network.weights[layer], network.biases[layer] = start.coefs_[layer], start.intercepts_[layer]
    train(network, X, y, np.arange(96), 16, epochs=4, optimizer="adam", learning_rate=0.003, epsilon=1e-16)
    for found, expected in zip(network.weights + network.biases, list(end.coefs_) + list(end.intercepts_), strict=True):
        assert np.abs(found).max() > 0.01
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


# -- the same bits -------------------------------------------------------------------------------------


@KINDS
@BITS
@pytest.mark.parametrize("settings", SETTINGS[:2])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("per_call", [1, 5, 10**9])
def test_threads_and_cuts_change_no_bit(n_threads, per_call, settings, dtype, make_rows, rng):
    X, y, order = make_rows(rng, 203, 90).astype(dtype), rng.integers(0, 4, 203), rng.permutation(203)
    one, other = (centred(Network([90, 70, 30, 4], dtype=dtype, seed=0), X) for _ in range(2))
    train(one, X, y, order, 16, per_call=4, epochs=3, **settings)
    train(other, X, y, order, 16, n_threads=n_threads, per_call=per_call, epochs=3, **settings)
    np.testing.assert_array_equal(other.parameters, one.parameters)


def test_step_by_step_equals_epochs(rng):
    X, y, order = rng.standard_normal((50, 9)), rng.integers(0, 4, 50), rng.permutation(50)
    epochs, steps = (Network([9, 20, 4], seed=0) for _ in range(2))
    train(epochs, X, y, order, 16, epochs=2, **SETTINGS[1])
    net, targets = steps._packed(), steps._check_targets("y", y, len(X))
    work = workspace(steps._layers, steps.dtype, 16, 1, train=True)
    settings = {name: value for name, value in SETTINGS[1].items() if name != "optimizer"}
    optimizer = adam(net.packed.size, steps.dtype, decoupled=True, **settings)
    for start in (*range(0, 50, 16), *range(0, 50, 16)):
        batch = order[start : start + 16].astype(np.uint32)
        passes.train_step(net, steps._rows(X), targets, batch, work, optimizer)
        optimizer = next_epoch(optimizer)
    unpack(net.packed, net.layers, steps.parameters)
    np.testing.assert_array_equal(steps.parameters, epochs.parameters)


@KINDS
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("n_out", [1, 3, 9, 25])
def test_padding_of_packed_parameters_stays_zero(n_out, optimizer, make_rows, rng):
    """What unpacking and packing again does not give back is padding."""
    X, y = make_rows(rng, 64, 11), rng.standard_normal((64, n_out))
    network = centred(Network([11, 13, n_out], "sigmoid", "identity", seed=0), X)
    settings = {"optimizer": optimizer, "learning_rate": 0.01, "weight_decay": 0.1}
    _, _, run = train(network, X, y, np.arange(64), 8, epochs=5, **settings)
    np.testing.assert_array_equal(run._net.packed, network._packed().packed)


# -- the trainer ---------------------------------------------------------------------------------------


def fitted(data, epochs=3, sizes=(64, 20, 10), seed=0, **settings):
    network = Network(list(sizes), seed=seed)
    trainer = Trainer(network, seed=seed, **settings)
    trainer.fit(data.X_train, data.y_train, epochs=epochs)
    return network, trainer


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_digits_are_learnt(digits, optimizer):
    network, trainer = fitted(digits, epochs=30, sizes=(64, 32, 10), optimizer=optimizer, weight_decay=1e-3)
    assert trainer._memory.steps == 30 * -(-len(digits.X_train) // 32)
    assert network.score(digits.X_test, digits.y_test) > 0.95


def test_an_automatic_learning_rate_follows_the_optimizer(digits):
    rates = []
    trainer = Trainer(
        Network([64, 10], seed=0), schedule="step", callbacks=lambda state: rates.append(state.learning_rate)
    )
    for optimizer in ("sgd", "adam", "adamw"):
        trainer.optimizer = optimizer
        trainer.fit(digits.X_train, digits.y_train, epochs=2)
    assert trainer.learning_rate == "auto"
    np.testing.assert_allclose(rates, [0.1, 0.01, 1e-3, 1e-4, 1e-3, 1e-4])
    same, _ = fitted(digits, optimizer="adam", learning_rate=0.001)
    np.testing.assert_array_equal(fitted(digits, optimizer="adam")[0].parameters, same.parameters)


def test_weight_decay_of_adam_and_adamw_differ_and_spare_biases(digits):
    plain, _ = fitted(digits, optimizer="adam")
    np.testing.assert_array_equal(fitted(digits, optimizer="adamw")[0].parameters, plain.parameters)
    l2, _ = fitted(digits, optimizer="adam", weight_decay=0.1)
    decoupled, _ = fitted(digits, optimizer="adamw", weight_decay=0.1)
    assert not np.array_equal(l2.parameters, decoupled.parameters)
    for network in (l2, decoupled):
        assert np.linalg.norm(network.weights[0]) < np.linalg.norm(plain.weights[0])
    # Without a gradient only weights change: each minibatch takes the share learning_rate * weight_decay of them.
    still = Network([2, 1], output="identity", seed=0)
    before, still.biases[0] = still.weights[0].copy(), [5.0]
    trainer = Trainer(still, optimizer="adamw", learning_rate=0.5, weight_decay=0.1, batch_size=2, center=False)
    trainer.fit(np.zeros((2, 2)), [5.0, 5.0], epochs=3)
    np.testing.assert_allclose(still.weights[0], before * 0.95**3, rtol=1e-6)
    assert still.biases[0].tolist() == [5.0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_threads_of_the_trainer_change_no_bit(digits, optimizer):
    one, two = (fitted(digits, sizes=(64, 100, 10), optimizer=optimizer, n_threads=n)[0] for n in (1, 2))
    np.testing.assert_array_equal(two.parameters, one.parameters)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_fits_equal_one_long_fit(digits, optimizer):
    long, _ = fitted(digits, epochs=4, optimizer=optimizer, weight_decay=0.01)
    network, trainer = fitted(digits, epochs=2, optimizer=optimizer, weight_decay=0.01)
    trainer.fit(digits.X_train, digits.y_train, epochs=2)
    np.testing.assert_array_equal(network.parameters, long.parameters)


def test_another_optimizer_begins_with_moments_of_zero(digits):
    network, trainer = fitted(digits, optimizer="adam")
    fresh = Network([64, 20, 10], seed=0)
    fresh.parameters[:], fresh.preprocessing = network.parameters, network.preprocessing
    trainer.optimizer = "adamw"
    trainer._rng = np.random.default_rng(5)
    trainer.fit(digits.X_train, digits.y_train, epochs=1)
    Trainer(fresh, optimizer="adamw", seed=5).fit(digits.X_train, digits.y_train, epochs=1)
    np.testing.assert_array_equal(network.parameters, fresh.parameters)


class Interrupt(Callback):
    def on_minibatches_end(self, state):
        raise KeyboardInterrupt


@pytest.mark.parametrize("during_a_call", [False, True])
def test_an_interruption_loses_no_step(digits, monkeypatch, during_a_call):
    """Ctrl-C during a compiled call strikes when the call is over, before Python has heard of its minibatches."""
    call = Run._call

    def interrupted(run, order, begin, end):
        call(run, order, begin, end)
        raise KeyboardInterrupt

    network = Network([64, 20, 10], seed=0)
    trainer = Trainer(network, optimizer="adam", seed=0, callbacks=[] if during_a_call else Interrupt())
    if during_a_call:
        monkeypatch.setattr(Run, "_call", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(digits.X_train, digits.y_train, epochs=5)
    monkeypatch.undo()
    assert trainer._memory.steps == -(-len(digits.X_train) // 32)  # an epoch of digits is one call
    trainer.callbacks = []
    trainer.fit(digits.X_train, digits.y_train, epochs=1)
    np.testing.assert_array_equal(network.parameters, fitted(digits, epochs=2, optimizer="adam")[0].parameters)


def test_a_divergence_clears_the_moments(digits):
    network, trainer = fitted(digits, optimizer="adam")
    before = network.parameters.copy()
    trainer.learning_rate = 3e38
    with pytest.raises(DivergenceError, match=r"of epoch 1 \(learning_rate=3e\+38\)"):
        trainer.fit(digits.X_train, digits.y_train, epochs=1)
    np.testing.assert_array_equal(network.parameters, before)
    assert trainer._memory.steps == 0
    assert not any(vector.any() for vector in trainer._memory.vectors("adam", 2, trainer._memory._vectors[0].size))


def test_gradients_whose_squares_overflow_are_a_divergence():
    """Else the weights would stay where they are, and every loss would be finite."""
    network = Network([2, 1], output="identity", seed=0)
    X = np.eye(2, dtype=np.float32) * np.float32(1e15)
    with pytest.raises(DivergenceError):
        Trainer(network, optimizer="adam", batch_size=2).fit(X, [1e7, -1e7], epochs=1)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"momentum": 0.9}, "momentum=0.9 does not go with optimizer='adam', only with 'sgd'"),
        ({"nesterov": True}, "nesterov=True does not go with optimizer='adam', only with 'sgd'"),
    ],
)
def test_momentum_does_not_go_with_adam(digits, settings, text):
    with pytest.raises(ValueError, match=text):
        Trainer(Network([64, 10]), optimizer="adam", **settings)
    network = Network([64, 10], seed=0)
    before, trainer = network.parameters.copy(), Trainer(network, **settings)
    trainer.optimizer = "adam"
    with pytest.raises(ValueError, match=text):
        trainer.fit(digits.X_train, digits.y_train, epochs=1)
    np.testing.assert_array_equal(network.parameters, before)
    assert network.preprocessing is None


@pytest.mark.parametrize(
    ("settings", "kind", "text"),
    [
        ({"optimizer": "adamax"}, ValueError, "optimizer must be one of 'sgd', 'adam', 'adamw', got 'adamax'. Did you"),
        ({"beta1": 1.0}, ValueError, r"beta1 must be a finite number in \[0, 1\), got 1.0"),
        ({"beta2": -0.1}, ValueError, r"beta2 must be a finite number in \[0, 1\), got -0.1"),
        ({"beta2": "0.9"}, TypeError, "beta2 must be a number, got str '0.9'"),
        ({"epsilon": 0.0}, ValueError, r"epsilon must be a finite number in \[1e-16, inf\), got 0.0"),
        ({"epsilon": np.nan}, ValueError, "epsilon must be"),
        ({"learning_rate": "Auto"}, TypeError, "learning_rate must be a number, got str 'Auto'"),
    ],
)
def test_bad_settings_are_refused(settings, kind, text):
    with pytest.raises(kind, match=text):
        Trainer(Network([4, 3]), **settings)

"""The oracle: a float64 NumPy network, written to be obviously right and never to be fast.

Letters: B samples, I fan-in, O fan-out, C classes, K outputs. A network is a pair of lists
``(weights, biases)`` with shapes (I, O) and (O,), one entry per layer.

Conventions, which fastnet shares:

* The loss of a sample is the sum over its outputs; the loss of a batch is the mean over its samples,
  with sample weights ``sum(w * l) / sum(w)``. A batch whose weights sum to zero has no data gradient.
* The output fixes the loss. softmax: cross-entropy, targets are class indices (B,). sigmoid: binary
  cross-entropy, multi-label targets (B, K) in {0, 1}. identity: squared error 0.5 * sum_k (z_k - t_k)^2,
  targets (B, K). The last two take (B,) for K = 1. Always dz = (p - t) / B, or (p - t) * w / sum(w).
  "softmax, squared" and "sigmoid, squared" are squared errors of probabilities, with the Jacobian in dz.
* Weight decay is added to the gradient of weights, not of biases, and is no part of the loss.
* Dropout multiplies the outputs of hidden layers by given factors, one matrix (B, O) a hidden layer.
* Clipping multiplies a batch's gradient, before weight decay, by max_norm / norm if its norm is larger.

Parameters and X may be complex in `forward` and `batch_loss`: comparisons look at the real part only, so that
Im loss(w + ih) / h is the exact derivative (complex step), with nothing subtracted and nothing rounded away.
"""

from itertools import pairwise

import numpy as np
from scipy import special

# ---------------------------------------------------------------- activations, derivatives from input and output


def sigmoid(z):
    """1 / (1 + e^-z), with the exponential of a number that is never positive."""
    e = np.exp(np.where(z.real > 0, -z, z))
    return np.where(z.real > 0, 1 / (1 + e), e / (1 + e))


ACTIVATIONS = {
    "identity": lambda z: z,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda z: np.where(z.real > 0, z, 0),
    "leaky_relu": lambda z: np.where(z.real > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z.real > 0, z, np.exp(np.where(z.real > 0, 0, z)) - 1),
    "gelu": lambda z: z * (1 + special.erf(z / np.sqrt(2))) / 2,
    "silu": lambda z: z * sigmoid(z),
    "step": lambda z: np.where(z > 0, 1.0, 0.0),
}
DERIVATIVES = {
    "identity": lambda z, a: np.ones_like(a),
    "tanh": lambda z, a: (1 - a) * (1 + a),
    "sigmoid": lambda z, a: a * (1 - a),
    "relu": lambda z, a: np.where(a > 0, 1.0, 0.0),
    "leaky_relu": lambda z, a: np.where(z > 0, 1.0, 0.01),
    "elu": lambda z, a: np.where(z > 0, 1.0, a + 1),
    "gelu": lambda z, a: special.ndtr(z) + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi),
    "silu": lambda z, a: sigmoid(z) + a * (1 - sigmoid(z)),
}

# ---------------------------------------------------------------- outputs


def exp_shifted(z):
    """Return e^(z - z_max) row by row: the largest entry becomes 1, nothing overflows."""
    top = z.real.argmax(axis=1)[:, None]
    return np.exp(z - np.take_along_axis(z, top, axis=1))


def softmax(z):
    e = exp_shifted(z)
    return e / e.sum(axis=1, keepdims=True)


OUTPUTS = {"softmax": softmax, "sigmoid": sigmoid, "identity": lambda z: z}

# ---------------------------------------------------------------- losses per sample, from logits


def cross_entropy(z, y):
    """-log softmax(z)[y] = (z_max - z_y) + log(1 + sum over the others of e^(z_j - z_max))."""
    rows, top = np.arange(len(z)), z.real.argmax(axis=1)
    others = exp_shifted(z)
    others[rows, top] = 0
    return (z[rows, top] - z[rows, y]) + np.log1p(others.sum(axis=1))


def softplus(z):
    """log(1 + e^z) = max(z, 0) + log(1 + e^-|z|)."""
    positive = z.real > 0
    return np.where(positive, z, 0) + np.log1p(np.exp(np.where(positive, -z, z)))


def binary_cross_entropy(z, t):
    """-sum_k (t log p + (1 - t) log(1 - p)), for p = sigmoid(z): log p = -softplus(-z)."""
    return (t * softplus(-z) + (1 - t) * softplus(z)).sum(axis=1)


def squared_error(z, t):
    return 0.5 * ((z - t) ** 2).sum(axis=1)


def one_hot(y, n_classes):
    return np.eye(n_classes)[y]


LOSSES = {
    "softmax": cross_entropy,
    "sigmoid": binary_cross_entropy,
    "identity": squared_error,
    "softmax, squared": lambda z, y: squared_error(softmax(z), one_hot(y, z.shape[1])),
    "sigmoid, squared": lambda z, t: squared_error(sigmoid(z), t),
}

# ---------------------------------------------------------------- d (loss of a sample) / dz


def cross_entropy_gradient(z, y):
    """Return p - onehot(y); at the target -(sum of the other p), where p_y - 1 would cancel."""
    rows, e = np.arange(len(z)), exp_shifted(z)
    total = e.sum(axis=1)
    e[rows, y] = 0
    e[rows, y] = -e.sum(axis=1)
    return e / total[:, None]


def binary_cross_entropy_gradient(z, t):
    """Return p - t = (1 - t) sigmoid(z) - t sigmoid(-z)."""
    return (1 - t) * sigmoid(z) - t * sigmoid(-z)


def softmax_squared_gradient(z, y):
    """Return J @ (p - onehot(y)) with the Jacobian J = diag(p) - p p.T of each sample."""
    p = softmax(z)
    jacobians = p[:, :, None] * (np.eye(z.shape[1]) - p[:, None, :])
    return np.einsum("bjk,bk->bj", jacobians, p - one_hot(y, z.shape[1]))


GRADIENTS = {
    "softmax": cross_entropy_gradient,
    "sigmoid": binary_cross_entropy_gradient,
    "identity": lambda z, t: z - t,
    "softmax, squared": softmax_squared_gradient,
    "sigmoid, squared": lambda z, t: (sigmoid(z) - t) * sigmoid(z) * sigmoid(-z),
}

# ---------------------------------------------------------------- the network


def init_parameters(layer_sizes, activation, rng):
    gain = 2.0 if activation in ("relu", "leaky_relu", "elu", "gelu", "silu") else 1.0
    pairs = list(pairwise(layer_sizes))
    weights = [rng.standard_normal((n_in, n_out)) * np.sqrt(gain / n_in) for n_in, n_out in pairs]
    biases = [np.zeros(n_out) for _, n_out in pairs]
    return weights, biases


def zero_velocity(params):
    weights, biases = params
    return [np.zeros_like(w) for w in weights], [np.zeros_like(b) for b in biases]


def columns(targets, output):
    """Class indices stay (B,); other targets given as (B,) are one column."""
    return targets if output.startswith("softmax") or targets.ndim == 2 else targets[:, None]


def names(activation, n_hidden):
    """Activation of each hidden layer."""
    return [activation] * n_hidden if isinstance(activation, str) else list(activation)


def forward(params, X, activation, factors=None):
    """Return the outputs of all layers, X first and logits last: a_l = f(a_{l-1} @ w_l + b_l), times dropout's factors.

    ``activation`` is one name, or one a hidden layer.
    """
    weights, biases = params
    layers = [X]
    for layer, name in enumerate(names(activation, len(weights) - 1)):
        a = ACTIVATIONS[name](layers[-1] @ weights[layer] + biases[layer])
        layers.append(a if factors is None else a * factors[layer])
    layers.append(layers[-1] @ weights[-1] + biases[-1])
    return layers


def mean_weights(sample_weight, n_samples):
    """Return the factors c_b with batch loss = sum_b c_b l_b."""
    w = np.ones(n_samples) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    return w / w.sum() if w.sum() > 0 else np.zeros(n_samples)


def batch_loss(params, X, targets, activation, output, sample_weight=None):
    z = forward(params, X, activation)[-1]
    return (mean_weights(sample_weight, len(X)) * LOSSES[output](z, columns(targets, output))).sum()


def loss_and_gradients(params, X, targets, activation, output, sample_weight=None, factors=None):
    """Return the batch loss and its gradient ``(dweights, dbiases)``, without weight decay."""
    return all_gradients(params, X, targets, activation, output, sample_weight, factors)[:2]


def all_gradients(params, X, targets, activation, output, sample_weight=None, factors=None):
    """Return the same, and the gradient with respect to X."""
    weights, biases = params
    layers = forward(params, X, activation, factors)
    z, targets, shares = layers[-1], columns(targets, output), mean_weights(sample_weight, len(X))
    loss = (shares * LOSSES[output](z, targets)).sum()
    dz = shares[:, None] * GRADIENTS[output](z, targets)
    dweights, dbiases = [], []
    for layer in reversed(range(len(weights))):
        dweights.insert(0, layers[layer].T @ dz)
        dbiases.insert(0, dz.sum(axis=0))
        da = dz @ weights[layer].T
        if layer > 0:
            name = names(activation, len(weights) - 1)[layer - 1]
            if factors is not None:
                da = da * factors[layer - 1]
            below = layers[layer - 1] @ weights[layer - 1] + biases[layer - 1]
            dz = da * DERIVATIVES[name](below, ACTIVATIONS[name](below))
    return loss, (dweights, dbiases), da


def clip(gradients, max_norm):
    """Clip the gradients of all parameters together, in place."""
    arrays = [*gradients[0], *gradients[1]]
    norm = np.sqrt(sum((g**2).sum() for g in arrays))
    for g in arrays:
        if norm > max_norm:
            g *= max_norm / norm


def predict_proba(params, X, activation, output):
    return OUTPUTS[output](forward(params, X, activation)[-1])


def count_correct(z, targets, output):
    """Count the samples of the right class; of K labels all must be right; regression counts none."""
    if output.startswith("softmax"):
        return int((z.argmax(axis=1) == targets).sum())
    if output.startswith("sigmoid"):
        return int(((z > 0) == (targets > 0.5)).all(axis=1).sum())
    return 0


# ---------------------------------------------------------------- training


def sgd_step(params, gradients, velocity, learning_rate, momentum=0.0, nesterov=False, weight_decay=0.0):
    """Update in place: v = m*v - lr*(g + wd*w); then w += v, or with Nesterov w += m*v - lr*(g + wd*w)."""
    for kind, decay in ((0, weight_decay), (1, 0.0)):  # weights decay, biases do not
        for w, g, v in zip(params[kind], gradients[kind], velocity[kind], strict=True):
            step = learning_rate * (g + decay * w)
            v[...] = momentum * v - step
            w += momentum * v - step if nesterov else v


def zero_moments(params):
    """State of Adam: first and second moments, and steps done."""
    return {"m": zero_velocity(params), "v": zero_velocity(params), "t": 0}


def adam_step(
    params,
    gradients,
    state,
    learning_rate,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
    weight_decay=0.0,
    decoupled=False,
):
    """Update in place by Adam (Kingma, Ba, 2015, algorithm 1), or by AdamW (Loshchilov, Hutter, 2019, algorithm 2)."""
    state["t"] += 1
    t = state["t"]
    for kind, decay in ((0, weight_decay), (1, 0.0)):  # weights decay, biases do not
        arrays = (params[kind], gradients[kind], state["m"][kind], state["v"][kind])
        for w, g, m, v in zip(*arrays, strict=True):
            old = w.copy()
            if not decoupled:
                g = g + decay * old
            m[...] = beta1 * m + (1 - beta1) * g
            v[...] = beta2 * v + (1 - beta2) * g**2
            m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
            w -= learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
            if decoupled:
                w -= learning_rate * decay * old


def step(params, gradients, state, optimizer="sgd", **settings):
    """One update by ``sgd`` with a velocity, or by ``adam`` or ``adamw`` with moments."""
    if optimizer == "sgd":
        sgd_step(params, gradients, state, **settings)
    else:
        adam_step(params, gradients, state, decoupled=optimizer == "adamw", **settings)


def zero_state(params, optimizer="sgd"):
    return zero_velocity(params) if optimizer == "sgd" else zero_moments(params)


def preprocess(X, scale=1.0, mean=0.0):
    return np.asarray(X, dtype=np.float64) * scale - mean


def train_epoch(
    params,
    state,
    X,
    targets,
    order,
    batch_size,
    *,
    activation,
    output,
    scale=1.0,
    mean=0.0,
    sample_weight=None,
    clip_norm=None,
    factors_of=None,
    **settings,
):
    """Train once over the rows ``order`` of X, minibatch by minibatch, in place, with the settings of ``step``.

    The last minibatch may be short and averages over its true size. ``factors_of(positions)`` gives dropout's factors
    for samples by their positions in ``order``. Returns, per minibatch and before its
    update, the sum of (weighted) sample losses and the number of correct samples.
    """
    losses, corrects = [], []
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        x, t = preprocess(X[rows], scale, mean), targets[rows]
        w = None if sample_weight is None else sample_weight[rows]
        factors = None if factors_of is None else factors_of(np.arange(start, start + len(rows)))
        loss, gradients = loss_and_gradients(params, x, t, activation, output, w, factors)
        z = forward(params, x, activation, factors)[-1]
        losses.append(loss * (len(rows) if w is None else w.sum()))
        corrects.append(count_correct(z, columns(t, output), output))
        if clip_norm is not None:
            clip(gradients, clip_norm)
        step(params, gradients, state, **settings)
    return np.array(losses), np.array(corrects)

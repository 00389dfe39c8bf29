"""Epochs of ``fastnet.MLPClassifier`` beside scikit-learn's, on MNIST as float32 in [0, 1]. Prints a table.

python benches/estimators.py [row ...]    rows by number, all by default

Both classes get the same data, in one process, in turns. An epoch's time is that of a fit of 5 epochs less that of a
fit of 1, divided by 4; the table has medians over the rounds, and what a whole fit of 5 takes.
"""

import statistics
import sys
import time
import warnings

import numpy as np
import scipy.sparse
import sklearn.neural_network
from sklearn.exceptions import ConvergenceWarning

import fastnet

ROUNDS = 3
EPOCHS = 5
ROWS = [
    ("784-100-10, B = 200, adam", {"hidden_layer_sizes": 100, "batch_size": 200, "solver": "adam"}, np.asarray),
    ("784-300-10, B = 200, sgd", {"hidden_layer_sizes": 300, "solver": "sgd"}, np.asarray),
    ("784-100-10, B = 32, adam", {"hidden_layer_sizes": 100, "batch_size": 32, "solver": "adam"}, np.asarray),
    ("784-100-10, adam, CSR", {"hidden_layer_sizes": 100, "solver": "adam"}, scipy.sparse.csr_array),
    ("784-100-10, adam, float64", {"hidden_layer_sizes": 100, "solver": "adam"}, np.float64),
    ("784-100-10, lbfgs", {"hidden_layer_sizes": 100, "solver": "lbfgs"}, np.asarray),
]


def seconds(make, settings, X, y, epochs):
    """Time of a fit."""
    model = make(max_iter=epochs, random_state=0, **settings)
    started = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - started


def measure(settings, X, y):
    """Median seconds of an epoch, and of a fit, of both classes."""
    makes = (fastnet.MLPClassifier, sklearn.neural_network.MLPClassifier)
    makes[0](max_iter=1, **settings).fit(X[:1000], y[:1000])  # compiles
    found = {make: ([], []) for make in makes}
    for _ in range(ROUNDS):
        for make in makes:
            one, all_of_them = (seconds(make, settings, X, y, n) for n in (1, EPOCHS))
            found[make][0].append((all_of_them - one) / (EPOCHS - 1))
            found[make][1].append(all_of_them)
    return [statistics.median(times) for make in makes for times in found[make]]


def main():
    warnings.simplefilter("ignore", ConvergenceWarning)
    data = fastnet.datasets.load_mnist(download=False)
    images = (data.X_train / np.float32(255)).astype(np.float32)
    chosen = [ROWS[int(number)] for number in sys.argv[1:]] or ROWS
    print("| | fastnet, ms | scikit-learn, ms | ratio | ratio of fits |\n| --- | ---: | ---: | ---: | ---: |")
    for title, settings, form in chosen:
        ours, our_fit, theirs, their_fit = measure(settings, form(images), data.y_train)
        numbers = f"{1e3 * ours:.0f} | {1e3 * theirs:.0f} | {theirs / ours:.1f} | {their_fit / our_fit:.1f}"
        print(f"| {title} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()

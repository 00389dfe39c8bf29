"""What ``fastnet train`` reaches without a flag, beside scikit-learn's perceptrons behind a StandardScaler.

python benches/defaults.py tables        writes the tables into benches/defaults.md; four minutes of CPU time
python benches/defaults.py mnist         the same for MNIST, five seeds

Settings are those of ``fastnet.defaults``, and were chosen on other splits (seeds 10 to 14) and, for MNIST, on the
validation images. All get the same rows: five stratified folds for each of five seeds (one for regressions), which also
draw the weights.
scikit-learn's classes have their default parameters, and then ``max_iter=5000``, with which they converge.
"""

import statistics
import sys
import time
import warnings
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnet
from fastnet.defaults import DEFAULTS, defaults_for
from fastnet.target_scaling import TargetScaler

RESULTS = Path(__file__).parent / "defaults.md"
SEEDS = range(5)
MAX_ITER = (200, 5000)
TITLES = {"tables": "Tables", "mnist": "MNIST"}
OF_TRAINER = (
    *("optimizer", "learning_rate", "batch_size", "momentum", "nesterov", "weight_decay", "schedule", "loss"),
    *("dropout", "clip_norm", "center", "scale"),
)


def housing():
    """Draw 2,000 districts with columns, tails and a ceiling like those of the Californian census of 1990."""
    rng, n = np.random.default_rng(0), 2000
    latitude = rng.uniform(32, 42, n)
    longitude = -114 - 0.9 * (latitude - 32) + rng.normal(0, 1.2, n)
    income, age = rng.lognormal(1.2, 0.45, n), rng.integers(1, 52, n)
    rooms, people, population = (rng.lognormal(*law, n) for law in ((1.6, 0.3), (1.05, 0.25), (7, 0.7)))
    beds = rooms / 5 + rng.normal(0, 0.1, n)
    coast = np.minimum(np.hypot(latitude - 34, longitude + 118), np.hypot(latitude - 37.7, longitude + 122.4))
    price = 0.45 * income + 1.2 * np.exp(-coast) + 0.008 * age + 0.3 * np.tanh(rooms / people - 2)
    price = np.clip(price + 0.25 * np.sin(latitude) * (income > 4) + rng.normal(0, 0.35, n), 0.15, 5)
    return np.column_stack([income, age, rooms, beds, population, people, latitude, longitude]), price


CLASSIFICATION = {
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast-cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
}
REGRESSION = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "friedman1 (1,000 rows, noise 1)": lambda: datasets.make_friedman1(1000, noise=1.0, random_state=0),
    "housing (2,000 rows, drawn)": housing,
}


# -- one fit -------------------------------------------------------------------------------------------


def train(X, y, seed, settings, task="classification"):
    """Return a network that is trained as ``fastnet train`` does, and its History."""
    regression = task == "regression"
    sizes = [X.shape[1], *settings.hidden, 1 if regression else int(y.max()) + 1]
    output = "identity" if regression else "softmax"
    network = fastnet.Network(sizes, settings.activation, output, seed=seed, weight_init=settings.weight_init)
    trainer = fastnet.Trainer(network, **{name: getattr(settings, name) for name in OF_TRAINER}, seed=seed)
    if not regression:
        return network, trainer.fit(X, y, epochs=settings.epochs)
    scaler = TargetScaler().fit(y)
    history = trainer.fit(X, scaler.transform(y), epochs=settings.epochs)
    scaler.fold_into(network)
    return network, history


def our_score(X, y, X_test, y_test, seed, task):
    X, X_test = X.astype(np.float32), X_test.astype(np.float32)
    network, _ = train(X, y, seed, defaults_for(None, X, y, task), task)
    said = network.predict(X_test).ravel()
    if task == "classification":
        return np.mean(said == y_test)
    return 1 - np.sum((said - y_test) ** 2) / np.sum((y_test - y_test.mean()) ** 2)


def their_score(X, y, X_test, y_test, seed, task, max_iter):
    make = MLPRegressor if task == "regression" else MLPClassifier
    model = make_pipeline(StandardScaler(), make(random_state=seed, max_iter=max_iter))
    return model.fit(X, y).score(X_test, y_test)


# -- tables --------------------------------------------------------------------------------------------


def measure(load, task, n_splits):
    """Scores in percent of shape (3, n_seeds), means over the folds, and seconds of CPU time a fit, of shape (3,)."""
    X, y = load()
    folds = KFold if task == "regression" else StratifiedKFold
    rivals = [our_score, *(lambda *args, n=n: their_score(*args, n) for n in MAX_ITER)]
    scores, seconds = np.zeros((3, len(SEEDS), n_splits)), np.zeros(3)
    for seed in SEEDS:
        splits = list(folds(5, shuffle=True, random_state=seed).split(X, y))[:n_splits]
        for fold, (train_rows, test_rows) in enumerate(splits):
            rows = X[train_rows], y[train_rows], X[test_rows], y[test_rows]
            for number, score in enumerate(rivals):
                started = time.process_time()
                scores[number, seed, fold] = score(*rows, seed, task)
                seconds[number] += time.process_time() - started
    return 100 * scores.mean(axis=2), seconds / (len(SEEDS) * n_splits)


def table(cases, task, n_splits):
    lines = [
        "|  | fastnet | scikit-learn | scikit-learn, `max_iter=5000` | CPU ms a fit |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, load in cases.items():
        scores, seconds = measure(load, task, n_splits)
        spread = scores.std(axis=1, ddof=1)
        cells = [f"{mean:.2f} ± {sd:.2f}" for mean, sd in zip(scores.mean(axis=1), spread, strict=True)]
        cells.append(" / ".join(f"{1e3 * value:.0f}" for value in seconds))
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    chosen = [f"* {name}: `{defaults_for(None, *load(), task)}`" for name, load in cases.items()]
    return "\n".join(lines), "\n".join(chosen)


def tables():
    X, y = REGRESSION["diabetes"]()
    our_score(X[:400], y[:400], X[400:], y[400:], 0, "regression")  # compiles what regressions take
    X, y = CLASSIFICATION["iris"]()
    our_score(X, y, X, y, 0, "classification")
    classes, of_classes = table(CLASSIFICATION, "classification", 5)
    numbers, of_numbers = table(REGRESSION, "regression", 1)
    return (
        f"Test accuracy in percent, five seeds x five stratified folds; ± is the standard deviation between seeds.\n\n"
        f"{classes}\n\nR² in percent, five seeds, a fifth of the rows held back.\n\n{numbers}\n\n"
        f"Settings, for all rows:\n\n{of_classes}\n{of_numbers}"
    )


def mnist():
    data, settings = fastnet.datasets.load_mnist(download=False), DEFAULTS["mnist"]
    lines = ["| seed | validation, % | test, % | seconds of training |", "| ---: | ---: | ---: | ---: |"]
    found = []
    for seed in SEEDS:
        network, history = train(data.X_train, data.y_train, seed, settings)
        scores = [100 * network.score(X, y) for X, y in ((data.X_val, data.y_val), (data.X_test, data.y_test))]
        found.append([*scores, history.seconds.sum() + history.setup_seconds])
        lines.append(f"| {seed} | {found[-1][0]:.2f} | {found[-1][1]:.2f} | {found[-1][2]:.1f} |")
        print(lines[-1], flush=True)
    middle = [statistics.mean(column) for column in zip(*found, strict=True)]
    lines.append(f"| mean | {middle[0]:.2f} | {middle[1]:.2f} | {middle[2]:.1f} |")
    return "\n".join(lines) + f"\n\nSettings: `{settings}`"


# -- the file ------------------------------------------------------------------------------------------


def parts_of(text):
    """Sections of the file by title."""
    return {title: body.strip() for title, _, body in (part.partition("\n") for part in text.split("\n## ")[1:])}


def write(parts):
    head = "# What training without a flag reaches\n\nWritten by `python benches/defaults.py tables mnist`."
    wanted = [f"## {title}\n\n{parts[title]}" for title in TITLES.values() if title in parts]
    RESULTS.write_text("\n\n".join([head, *wanted]) + "\n")


def main(wanted):
    warnings.simplefilter("ignore", ConvergenceWarning)
    versions = ", ".join(f"{name} {version(name)}" for name in ("fastnet-numba", "numpy", "scikit-learn"))
    for name in wanted or TITLES:
        body = {"tables": tables, "mnist": mnist}[name]()
        parts = parts_of(RESULTS.read_text()) if RESULTS.exists() else {}
        parts[TITLES[name]] = f"{date.today().isoformat()}, {versions}.\n\n{body}"
        write(parts)


if __name__ == "__main__":
    main(sys.argv[1:])

"""No slow cliffs: denormals, odd widths, a busy third process. Prints ratios and what they may be at most.

python benches/cliffs.py
"""

import statistics
import subprocess
import sys
import time
from functools import partial

import numpy as np

from fastnet import Network, Trainer
from fastnet._bench.synthetic import gaussian, images

ROUNDS = 7
TURN_SECONDS, EARLY_SECONDS = 0.3, 0.1  # for some tens of milliseconds after a pause two virtual CPUs may be one
BUSY, BUSY_EPOCHS = "while True: pass", 200


def turn(make):
    """Median seconds of an epoch, without those that begin early in a fit."""
    trainer, X, y = make()
    once = trainer.fit(X, y, epochs=1).seconds[0]
    trainer, X, y = make()
    seconds = np.array(trainer.fit(X, y, epochs=max(3, int(TURN_SECONDS / once))).seconds)
    late = np.cumsum(seconds) - seconds >= EARLY_SECONDS
    return statistics.median(seconds[late] if late.any() else seconds)


def ratio(make, make_other):
    """Median ratio of the times of two trainings, in turns."""
    turn(make), turn(make_other)
    return statistics.median(turn(make) / turn(make_other) for _ in range(ROUNDS))


def denormals():
    """Yield the time with 1e-40 in many places as a ratio to that of ordinary numbers."""
    data = gaussian(784, 10, 8000, 100)

    def make(change=None):
        network, X, settings = Network([784, 100, 10], seed=0), data.X_train, {"learning_rate": 0.01, "momentum": 0.9}
        if change is not None:
            X = X.copy()
            change(network, X, settings)
        return Trainer(network, batch_size=32, seed=0, **settings), X, data.y_train

    def weights(network, rows, settings):
        network.parameters[:] = 1e-40

    def inputs(network, rows, settings):
        rows[:, ::2] = 1e-40

    def velocities(network, rows, settings):
        settings["learning_rate"] = 1e-38

    for change in (weights, inputs, velocities):
        yield f"{change.__name__} of 1e-40", ratio(partial(make, change), make), 1.3


def odd_widths():
    """Yield the time per parameter of odd widths as a ratio to that of the next whole number of vectors."""
    for draw in (images, gaussian):
        data = draw(784, 10, 8000, 100)

        def make(width, data=data):
            trainer = Trainer(Network([784, width, 10], seed=0), batch_size=32, seed=0)
            return trainer, data.X_train, data.y_train

        for odd in (9, 17, 31, 301):
            whole = -(-odd // 8) * 8
            parameters = [Network([784, width, 10], seed=0).n_parameters for width in (odd, whole)]
            found = ratio(partial(make, odd), partial(make, whole)) * parameters[1] / parameters[0]
            yield f"{odd} units, {draw.__name__}", found, 1.5


def busy_process():
    """Yield the time of two threads as a ratio to that of one, while another process keeps a processor busy."""
    data = images(784, 10, 20_000, 100)
    for hidden, batch_size in ((10, 32), (300, 128)):

        def mean(n_threads, sizes=(784, hidden, 10), batch_size=batch_size):
            trainer = Trainer(Network(sizes, seed=0), batch_size=batch_size, seed=0, n_threads=n_threads)
            seconds = np.array(trainer.fit(data.X_train, data.y_train, epochs=BUSY_EPOCHS).seconds)
            return seconds[np.cumsum(seconds) - seconds >= EARLY_SECONDS].mean()

        busy = subprocess.Popen([sys.executable, "-c", BUSY])
        try:
            time.sleep(0.5)
            found = statistics.median(mean(2) / mean(1) for _ in range(ROUNDS))
        finally:
            busy.kill()
            busy.wait()
        yield f"two threads, 784-{hidden}-10, B = {batch_size}, beside a busy process", found, 1.2


def main():
    print("| | ratio | at most |\n| --- | ---: | ---: |")
    for check in (denormals, odd_widths, busy_process):
        for name, ratio, limit in check():
            print(f"| {name} | {np.round(ratio, 2)} | {limit} |", flush=True)


if __name__ == "__main__":
    main()

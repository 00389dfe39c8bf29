"""No slow cliffs: denormals, odd widths, a busy third process. Prints ratios and what they may be at most.

python benches/cliffs.py
"""

import statistics
import subprocess
import sys
import time

import numpy as np

from fastnet import Network, Trainer
from fastnet._bench.synthetic import gaussian, images

ROUNDS = 5
BUSY = "while True: pass"


def seconds(network, X, y, batch_size, n_threads=None, **settings):
    """Median seconds of an epoch, after one to warm up."""
    trainer = Trainer(network, batch_size=batch_size, seed=0, n_threads=n_threads, **settings)
    trainer.fit(X, y, epochs=1)
    return statistics.median(trainer.fit(X, y, epochs=ROUNDS).seconds)


def denormals():
    """Yield the time with 1e-40 in many places as a ratio to that of ordinary numbers."""
    data = gaussian(784, 10, 8000, 100)
    X, y = data.X_train, data.y_train

    def ratio(change):
        times = []
        for tiny in (True, False):
            network, rows, settings = (
                Network([784, 100, 10], seed=0),
                X.copy(),
                {"learning_rate": 0.01, "momentum": 0.9},
            )
            if tiny:
                change(network, rows, settings)
            times.append(seconds(network, rows, y, 32, **settings))
        return times[0] / times[1]

    def weights(network, rows, settings):
        network.parameters[:] = 1e-40

    def inputs(network, rows, settings):
        rows[:, ::2] = 1e-40

    def velocities(network, rows, settings):
        settings["learning_rate"] = 1e-38

    for change in (weights, inputs, velocities):
        yield f"{change.__name__} of 1e-40", ratio(change), 1.3


def odd_widths():
    """Yield the time per parameter of odd widths as a ratio to that of the next whole number of vectors."""
    for draw in (images, gaussian):
        data = draw(784, 10, 8000, 100)
        for odd in (9, 17, 31, 301):
            costs = []
            for width in (odd, -(-odd // 8) * 8):
                network = Network([784, width, 10], seed=0)
                costs.append(seconds(network, data.X_train, data.y_train, 32) / network.n_parameters)
            yield f"{odd} units, {draw.__name__}", costs[0] / costs[1], 1.5


def busy_process():
    """Yield the time of two threads as a ratio to that of one, while another process keeps a processor busy."""
    data = images(784, 10, 20_000, 100)
    for hidden, batch_size in ((10, 32), (300, 128)):
        times = []
        for n_threads in (1, 2):
            busy = subprocess.Popen([sys.executable, "-c", BUSY])
            try:
                time.sleep(0.5)
                network = Network([784, hidden, 10], seed=0)
                trainer = Trainer(network, batch_size=batch_size, seed=0, n_threads=n_threads)
                trainer.fit(data.X_train, data.y_train, epochs=1)
                times.append(trainer.fit(data.X_train, data.y_train, epochs=60).seconds.mean())
            finally:
                busy.kill()
                busy.wait()
        yield f"two threads, 784-{hidden}-10, B = {batch_size}, beside a busy process", times[1] / times[0], 1.2


def main():
    print("| | ratio | at most |\n| --- | ---: | ---: |")
    for check in (denormals, odd_widths, busy_process):
        for name, ratio, limit in check():
            print(f"| {name} | {np.round(ratio, 2)} | {limit} |", flush=True)


if __name__ == "__main__":
    main()

"""How the time of an epoch grows with samples, width, depth, batch and classes: benches/growth.md and growth.png.

python benches/growth.py

Takes about two minutes and matplotlib. Networks with much arithmetic train on few samples; times are scaled to 55,000,
but for the growth with samples. Each time is the fastest of some epochs in each of some rounds through all cases, since
what disturbs only makes slower, and may last for seconds.
"""

import datetime
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from fastnet._bench.machine import machine, versions
from fastnet._bench.report import show_duration
from fastnet._bench.synthetic import gaussian, images
from fastnet._peers import FastnetPeer

FOLDER = Path(__file__).parent
SAMPLES = 55_000
MULTIPLY_ADDS = 8e9  # of a timed epoch, about; a quarter of a second
SECONDS, EPOCHS, ROUNDS = 0.5, 20, 3  # epochs are timed for so long in a round, but at least two and at most twenty
KINDS = {"dense": gaussian, "sparse": images}  # Gaussian float32; uint8 of which four fifths are zeros, as in MNIST


@dataclass(frozen=True)
class Case:
    """A network and a batch size; ``samples`` is given if the time is not to be scaled."""

    x: int
    layer_sizes: tuple[int, ...]
    batch_size: int
    samples: int | None = None

    @property
    def multiply_adds(self):
        """Of one sample: forward, gradient of the weights, and gradient of all inputs but the first."""
        products = [n_in * n_out for n_in, n_out in pairwise(self.layer_sizes)]
        return 3 * sum(products) - products[0]

    @property
    def n_trained(self):
        """Samples of a timed epoch, in whole minibatches."""
        if self.samples:
            return self.samples
        batches = max(2, int(MULTIPLY_ADDS / self.multiply_adds) // self.batch_size)
        return min(SAMPLES, batches * self.batch_size)

    @property
    def n_samples(self):
        """Samples that the time is for."""
        return self.samples or SAMPLES


SWEEPS = {
    "samples": ("64-100-10, batch 32", [Case(n, (64, 100, 10), 32, n) for n in
                (1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)]),
    "hidden units": ("784-N-10, batch 128", [Case(n, (784, n, 10), 128) for n in (1, 4, 16, 64, 256, 1024, 4096)]),
    "hidden layers": ("784, N layers of 256, 10; batch 128",
                      [Case(n, (784, *[256] * n, 10), 128) for n in (1, 2, 3, 4, 6, 8)]),
    "batch": ("784-256-10, batch N", [Case(n, (784, 256, 10), n) for n in (1, 4, 16, 64, 256, 1024, 4096, 16_384)]),
    "classes": ("784-64-N, batch 128", [Case(n, (784, 64, n), 128) for n in (2, 10, 100, 1000, 10_000)]),
}  # fmt: skip


def measure(case, X):
    """Seconds of an epoch of ``case.n_samples``."""
    n, rng = case.n_trained, np.random.default_rng(0)
    peer = FastnetPeer(list(case.layer_sizes), batch_size=case.batch_size, learning_rate=0.01, seed=0)
    peer.prepare(X[:n], rng.integers(case.layer_sizes[-1], size=n))
    seconds = []
    with peer.working():  # threads are started once a fit
        peer.epoch(rng.permutation(n))
        while len(seconds) < 2 or (sum(seconds) < SECONDS and len(seconds) < EPOCHS):
            order = rng.permutation(n)
            started = time.perf_counter()
            peer.epoch(order)
            seconds.append(time.perf_counter() - started)
    return min(seconds) * case.n_samples / n


def run():
    """Return the seconds of each case, by sweep and kind of data."""
    found = {sweep: {kind: [np.inf] * len(cases) for kind in KINDS} for sweep, (_, cases) in SWEEPS.items()}
    rows = {(kind, sweep): draw(cases[0].layer_sizes[0], 10, max(case.n_trained for case in cases), 1).X_train
            for kind, draw in KINDS.items() for sweep, (_, cases) in SWEEPS.items()}  # fmt: skip
    for turn in range(ROUNDS):
        for (kind, sweep), X in rows.items():
            best = found[sweep][kind]
            for i, case in enumerate(SWEEPS[sweep][1]):
                best[i] = min(best[i], measure(case, X))
                print(f"{turn + 1}/{ROUNDS} {kind}, {sweep} {case.x:,}: {show_duration(best[i])}", flush=True)
    return found


# -- table ---------------------------------------------------------------------------------------------


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(sweep, cases, seconds):
    columns = [sweep, "dense", "times the one before", "arithmetic: times", "ps a multiply-add", "sparse",
               "times the one before"]  # fmt: skip
    lines = [row(columns), row(["---:"] * len(columns))]
    work = [case.multiply_adds * case.n_samples for case in cases]
    growth = {kind: ["", *(f"{b / a:.2f}" for a, b in pairwise(times))] for kind, times in seconds.items()}
    growth["work"] = ["", *(f"{b / a:.2f}" for a, b in pairwise(work))]
    for i, case in enumerate(cases):
        dense, sparse = seconds["dense"][i], seconds["sparse"][i]
        lines.append(row([f"{case.x:,}", show_duration(dense), growth["dense"][i], growth["work"][i],
                          f"{1e12 * dense / work[i]:.1f}", show_duration(sparse), growth["sparse"][i]]))  # fmt: skip
    return "\n".join(lines)


def document(found, where):
    parts = ["# Growth", f"Written by `benches/growth.py`. {where}.", "![Growth](growth.png)",
             "Time of an epoch, for a tanh network and plain SGD. Dense: Gaussian float32 inputs; sparse: uint8, four "
             "fifths of them zeros. Times are of 55,000 samples, but in the first table. Multiply-adds are those of "
             "dense inputs: forward, gradient of the weights, gradient of the hidden units."]  # fmt: skip
    for sweep, (network, cases) in SWEEPS.items():
        parts += [f"## {sweep.capitalize()} ({network})", table(sweep, cases, found[sweep])]
    return "\n\n".join(parts) + "\n"


# -- plot ----------------------------------------------------------------------------------------------


def plot(found, where, file):
    """One log-log panel a sweep; the dashed line is what its arithmetic takes at the best rate of dense data in it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from PIL import Image

    figure, axes = plt.subplots(2, 3, figsize=(11.5, 7), layout="constrained")
    *panels, corner = axes.flat
    for panel, (sweep, (network, cases)) in zip(panels, SWEEPS.items(), strict=True):
        draw_panel(panel, sweep, network, cases, found[sweep])
    corner.axis("off")
    corner.legend(*panels[0].get_legend_handles_labels(), loc="upper left", frameon=False, fontsize=10.5)
    corner.text(0.03, 0.02, where.replace(", ", "\n"), fontsize=9, color="0.35", transform=corner.transAxes)
    figure.suptitle("Time of an epoch of 55,000 samples (first panel: of N samples)", fontsize=12)
    figure.savefig(file, dpi=100)
    with Image.open(file) as image:  # a third of the bytes
        image.convert("RGB").quantize(64).save(file, optimize=True)


def draw_panel(panel, sweep, network, cases, seconds):
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    x = [case.x for case in cases]
    work = np.array([case.multiply_adds * case.n_samples for case in cases], float)
    best = np.min(np.array(seconds["dense"]) / work)
    panel.loglog(x, best * work, color="0.5", lw=1.2, ls="--", label="as the arithmetic of dense data")
    panel.loglog(x, seconds["dense"], "o-", color="#1f5fa8", ms=5, label="dense: Gaussian float32")
    panel.loglog(x, seconds["sparse"], "s-", color="#d9822b", ms=5, label="sparse: uint8, four fifths zeros")
    panel.set_title(network, fontsize=10)
    panel.set_xlabel(f"{sweep} (N)")
    panel.set_ylabel("time of an epoch (s)")
    spread = max(best * work.max(), *seconds["dense"], *seconds["sparse"]) / min(*seconds["dense"], *seconds["sparse"])
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if spread < 100 else (1,)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.xaxis.set_major_locator(FixedLocator(x))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    panel.tick_params(labelsize=9)
    panel.grid(alpha=0.3, which="major")


def short(value):
    """1024, 3k, 1M."""
    for unit, factor in (("M", 10**6), ("k", 10**3)):
        if value % factor == 0:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


def main():
    import matplotlib  # noqa: F401 -- that it is missing is better said before two minutes of measuring

    found = run()
    info, library = machine(), versions(["numpy", "numba"])
    where = ", ".join([datetime.date.today().isoformat(), info["cpu"], f"{info['cpus']} CPUs",
                       f"{info['vector_bits']}-bit vectors", *(f"{n} {v}" for n, v in library.items())])  # fmt: skip
    (FOLDER / "growth.md").write_text(document(found, where))
    plot(found, where, FOLDER / "growth.png")


if __name__ == "__main__":
    main()

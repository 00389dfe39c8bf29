"""The rows and contenders of ``fastnet bench``, one by one in this process.

For work on fastnet: ``pytest benches/bench_epoch.py --benchmark-only -k fastnet`` with ``--benchmark-autosave`` and
``--benchmark-compare``. Ratios to peers are better taken from ``fastnet bench``, where contenders take turns and
have processes of their own. Slow peers train on a part of an epoch: a group says how many samples its times are for.
"""

import pytest

from fastnet._bench.contender import Contender, SkippedError
from fastnet._bench.rows import ROWS
from fastnet._peers import PEERS

ROUNDS = 5


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
def test_epoch(benchmark, mnist, row, name):
    contender = Contender(name, mnist=mnist is not None)
    try:
        ready = contender.prepare(row)
    except SkippedError as error:
        pytest.skip(str(error))
    benchmark.group = f"epoch of {row.title}: {ready['n_timed']:,} samples"
    benchmark.extra_info.update(ready, contender=name, n_samples=row.n_samples)
    numbers = iter(range(ROUNDS + 1))
    benchmark.pedantic(lambda task: task(), setup=lambda: ((contender.task(next(numbers)),), {}), rounds=ROUNDS)

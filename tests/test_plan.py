"""What shapes decide: every unit of the first layer has one owner, and shares are even."""

from itertools import pairwise

import numpy as np
import pytest

from fastnet import plan
from fastnet.layout import lanes, slice_cuts


@pytest.mark.parametrize("columns", [8, 16, 24, 32, 304, 512, 4096])
@pytest.mark.parametrize("n_slices", [1, 2])
@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_units_are_cut_evenly(columns, n_slices, n_threads):
    ends = plan.units(columns, 24, n_slices, n_threads)
    n_panels = -(-columns // 24)
    assert ends[0] == 0
    assert ends[-1] == n_panels * n_slices
    assert (np.diff(ends) >= 0).all()
    widths = np.tile([min(24, columns - 24 * p) for p in range(n_panels)], n_slices)
    shares = [widths[start:stop].sum() for start, stop in pairwise(ends)]
    assert max(shares) <= widths.sum() / n_threads + 24


def test_two_threads_have_a_slice_each():
    for columns in (16, 304, 512):
        ends = plan.units(columns, 24, 2, 2)
        assert ends[1] - ends[0] == ends[2] - ends[1]


def test_two_threads_share_one_panel():
    assert plan.slices((784, 10, 10), 32) == 2
    assert plan.threads((784, 10, 10), 32, np.dtype(np.float32), 2) == 2
    assert plan.threads((784, 6, 10), 16, np.dtype(np.float32), 64) == 2
    assert plan.threads((784, 10, 10), 8, np.dtype(np.float32), 2, 0.19) == 2
    assert list(plan.units(16, 24, 2, 2)) == [0, 1, 2]


def test_little_work_is_not_shared():
    assert plan.slices((784, 10, 10), 1) == 1
    assert plan.threads((784, 10, 10), 1, np.dtype(np.float32), 8) == 1
    assert plan.threads((64, 10, 10), 8, np.dtype(np.float32), 8) == 1
    assert plan.threads((784, 10, 10), 4, np.dtype(np.float32), 8, 0.19) == 1


def test_zeros_are_no_work():
    shape = (2000, 40, 4), 2, np.dtype(np.float32), 2
    assert plan.threads(*shape) == 2
    assert plan.threads(*shape, 0.02) == 1
    assert plan.threads((1000, 24, 4), 6, np.dtype(np.float32), 2, 0.05) == 2


def test_slices_begin_on_whole_vectors_and_cover_all():
    """``gather_rows`` writes whole vectors from a slice's first input on."""
    for n_in in (128, 130, 784, 1000):
        cuts = slice_cuts(n_in, 2)
        assert cuts[0] == 0
        assert cuts[-1] == n_in
        assert cuts[1] % 8 == cuts[1] % lanes(np.dtype(np.float32)) == 0
        assert abs(2 * cuts[1] - n_in) <= 32
    assert slice_cuts(3, 2).tolist() == [0, 3, 3]


def test_a_call_of_rows_with_zeros_left_out_has_more_minibatches():
    dense, blocks = (plan.minibatches_per_call((784, 300, 10), 128, kind) for kind in ("dense", "blocks"))
    assert 3 * dense <= blocks <= 4 * dense
    assert plan.minibatches_per_call((784, 300, 10), 128, "sparse") == blocks

"""scikit-learn's own checks of estimators, all of them; conftest.py sets SCIPY_ARRAY_API, which one of them needs."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastnet import MLPClassifier, MLPRegressor

# These compare the outcome of two trainings of 200 epochs to 1e-7, which is float32's rounding of one number.
TOO_EXACT = {
    f"check_sample_weight_equivalence_on_{kind}_data": "compares at 1e-7, the precision of float32"
    for kind in ("dense", "sparse")
}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_default_dtype(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [MLPClassifier(dtype="float32"), MLPRegressor(dtype="float32")], expected_failed_checks=lambda estimator: TOO_EXACT
)
def test_float32(estimator, check):
    check(estimator)

"""Models in files, and what else they go to and come from: scikit-learn, torch, ONNX, plain NumPy."""

from .inference import NumpyClassifier, NumpyNetwork, NumpyRegressor
from .loading import load

__all__ = ["NumpyClassifier", "NumpyNetwork", "NumpyRegressor", "load"]

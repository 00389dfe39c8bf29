"""Wrote the golden files of format version 1, once: python tests/golden/make.py FOLDER. They must load forever."""

import json
import sys
from pathlib import Path

import numpy as np

import fastnet
from fastnet.preprocessing import Preprocessing


def rounded(rng, *shape):
    return rng.integers(-32, 33, shape) / 16


def network(folder):
    rng = np.random.default_rng(0)
    net = fastnet.Network([2, 4, 3, 3], activation=["tanh", "gelu"])
    net.parameters = rounded(rng, net.n_parameters)
    net.preprocessing = Preprocessing(rounded(rng, 3), 1 / 255, "uint8", np.array([1.0, 2.0, 0.5]), rounded(rng, 3, 2))
    net.classes, net.feature_names = ["Enten", "Hühner", "Möwen"], ["length", "wing span", "weight"]
    net.save(folder / "network-1.safetensors")
    X = np.array([[0, 128, 255], [255, 0, 3], [17, 99, 201], [255, 255, 255]], np.uint8)
    expected = {
        "X": X.tolist(),
        "predict_proba": net.predict_proba(X).astype(float).tolist(),
        "labels": net.classes[net.predict(X)].tolist(),
        "feature_names": list(net.feature_names),
    }
    (folder / "network-1.json").write_text(json.dumps(expected, indent=1) + "\n")


def classifier(folder):
    rng = np.random.default_rng(0)
    X, y = rounded(rng, 40, 3), np.array(["low", "high"])[rng.integers(0, 2, 40)]
    model = fastnet.MLPClassifier(
        (4,),
        activation="tanh",
        solver="sgd",
        momentum=0.0,
        batch_size=10,
        max_iter=2,
        early_stopping=True,
        warm_start=True,
        resume=True,
        random_state=0,
        dtype="float32",
        class_weight={"low": 1.0, "high": 2.0},
    )
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    model.save(folder / "classifier-1.safetensors")
    expected = {
        "X": X[:4].tolist(),
        "predict_proba": model.predict_proba(X[:4]).astype(float).tolist(),
        "labels": model.predict(X[:4]).tolist(),
        "parameters": {"momentum": 0.0, "resume": True, "class_weight": {"low": 1.0, "high": 2.0}},
        "n_iter": model.n_iter_,
    }
    (folder / "classifier-1.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    network(Path(sys.argv[1]))
    classifier(Path(sys.argv[1]))

"""Makes rsatoolbox.json: matrices and comparisons as rsatoolbox 0.2.0 computes them.

    python -m tests.reference.make_rsatoolbox

in an environment with our pins and rsatoolbox==0.2.0 (later versions do not import beside them), scikit-image, joblib,
petname and h5py.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("rsatoolbox.json")
#: our name -> rsatoolbox's
METHODS = {
    "pearson": "corr",
    "spearman": "spearman",
    "cosine": "cosine",
    "kendall_tau_a": "tau-a",
    "whitened_cosine": "cosine_cov",
    "whitened_pearson": "corr_cov",
}
STIMULI, FEATURES, LAYERS = 14, 30, 4


def patterns() -> list[np.ndarray]:
    """Four layers of 14 stimuli x 30 features that share some structure; the last is coarse, so distances tie."""
    row, column = np.arange(STIMULI)[:, None], np.arange(FEATURES)
    layers = [
        np.sin(row * (1.3 + 0.1 * k) + 0.7 * column) + 0.5 * np.cos(row**2 * 0.37 + column * (0.9 + k)) + 0.2 * k
        for k in range(LAYERS)
    ]
    return [*layers[:-1], np.round(layers[-1])]


def main() -> None:
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import calc_rdm, compare, concat

    datasets = [Dataset(layer) for layer in patterns()]
    rdms = {kind: [calc_rdm(dataset, kind) for dataset in datasets] for kind in ("correlation", "euclidean")}
    together = concat(rdms["euclidean"])
    golden = {
        "origin": f"rsatoolbox {version('rsatoolbox')}, {Path(__file__).name}",
        **{kind: [rdm.dissimilarities[0].tolist() for rdm in of_layers] for kind, of_layers in rdms.items()},
        "compare": {ours: compare(together, together, theirs).tolist() for ours, theirs in METHODS.items()},
    }
    GOLDEN.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()

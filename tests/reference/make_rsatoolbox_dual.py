"""Makes rsatoolbox_dual.json: the dual bootstrap's variances as rsatoolbox 0.3.2 computes them.

    python -m tests.reference.make_rsatoolbox_dual

in an environment of its own with rsatoolbox==0.3.2.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("rsatoolbox_dual.json")
CONDITIONS, SUBJECTS, RESAMPLES = 16, 12, 4000


def dissimilarities() -> tuple[np.ndarray, np.ndarray]:
    """(subjects, pairs) and (2 models, pairs) of dissimilarities, pairs as the upper triangle by rows."""
    rng = np.random.default_rng(3)
    first, second = np.triu_indices(CONDITIONS, 1)
    latents = rng.standard_normal((CONDITIONS, 5))

    def of(values: np.ndarray) -> np.ndarray:
        return np.square(values[first] - values[second]).sum(axis=1)

    subjects = [
        of(latents * np.exp(0.4 * rng.standard_normal(5)) + rng.standard_normal(latents.shape)) for _ in range(SUBJECTS)
    ]
    models = [of(latents[:, :3]), of(latents[:, 2:] + 0.5 * rng.standard_normal((CONDITIONS, 3)))]
    return np.round(subjects, 6), np.round(models, 6)


def main() -> None:
    from rsatoolbox.inference import eval_dual_bootstrap
    from rsatoolbox.model import ModelFixed
    from rsatoolbox.rdm import RDMs
    from rsatoolbox.util.inference_util import _dual_bootstrap

    subjects, models = dissimilarities()
    np.random.seed(1)  # noqa: NPY002 - the generator that rsatoolbox draws by
    candidates = [ModelFixed(str(number), RDMs(model[None])) for number, model in enumerate(models)]
    found = eval_dual_bootstrap(candidates, RDMs(subjects), method="corr", N=RESAMPLES, k_pattern=1, k_rdm=1)
    rng = np.random.default_rng(0)
    triples = np.round(rng.uniform(0.2, 3.0, (40, 3)), 6)
    few = [(5, 9), (20, 90), (1000, 3200), (2, 2)]
    golden = {
        "origin": f"rsatoolbox {version('rsatoolbox')}, {Path(__file__).name}",
        "triples": triples.tolist(),  # both, subjects, conditions
        "corrected": [[float(v) for v in _dual_bootstrap(triples.T, n_rdm=n, n_pattern=m)] for n, m in few],
        "numbers": few,
        "subjects": subjects.tolist(),
        "models": models.tolist(),
        "model_variances": np.asarray(found.model_var).tolist(),
        "difference_variance": float(np.ravel(found.diff_var)[0]),
        "means": found.get_means().tolist(),
        "df": int(found.dof),
        "resamples": RESAMPLES,
    }
    GOLDEN.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()

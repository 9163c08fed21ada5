"""Which procedures of this room a number comes out of, with their versions: part of the identity of a run.

A change that moves a result counts up VERSION of the module that makes it; what was made before then answers no more.
"""

from __future__ import annotations

from mlspatial.analysis import (
    ceiling,
    cka,
    contrasts,
    decoding,
    gram,
    groups,
    gsn,
    matching,
    mds,
    pca,
    pls,
    projection,
    ridge,
    rsa,
    shape,
    splits,
    statistics,
    svc,
    versa,
    yardsticks,
)

MODULES = {
    "ceiling": ceiling, "cka": cka, "contrasts": contrasts, "decoding": decoding, "gram": gram, "groups": groups,
    "gsn": gsn, "matching": matching, "mds": mds, "pca": pca, "pls": pls, "projection": projection, "ridge": ridge,
    "rsa": rsa, "shape": shape, "splits": splits, "statistics": statistics, "svc": svc, "versa": versa,
    "yardsticks": yardsticks,
}  # fmt: skip

#: metric -> the modules that turn what is kept of layers into its values; pls of any number of components is "pls"
METRICS = {
    "pls": ("yardsticks", "pls", "splits", "ceiling"),
    "ridge": ("yardsticks", "pls", "splits", "ceiling"),
    "rsa": ("yardsticks", "rsa", "pls", "splits", "ceiling"),
    "rsa_spearman": ("yardsticks", "rsa", "pls", "splits", "ceiling"),
    "cka": ("yardsticks", "cka", "pls", "splits", "ceiling"),
    "cka_debiased": ("yardsticks", "cka", "pls", "splits", "ceiling"),
    "one_to_one": ("yardsticks", "matching", "pls", "splits", "ceiling"),
    "crsa": ("versa", "rsa", "gsn"),
    "versa": ("versa", "ridge", "rsa", "gsn"),
    "procrustes": ("shape",),
}


def versions(*modules: str) -> dict[str, str]:
    """module -> its version, in alphabetical order."""
    return {name: str(MODULES[name].VERSION) for name in sorted(set(modules))}


def of_metric(name: str) -> tuple[str, ...]:
    """The modules behind a metric of `score`; those of every regression for one that a plug-in has added."""
    return METRICS.get(name.rstrip("0123456789") if name.startswith("pls") else name, METRICS["pls"])

"""What people read: names of regions, latents and architectures, and numbers as text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

STAR = 0.05  # Xie et al. 2025, figures 5, E.1, E.2: "*" at p < .05
REGION_LABELS = {"neural_mean": "Neural mean", "behavior": "Behaviour"}
LATENT_LABELS = {"x": "Translation, X", "y": "Translation, Y", "z": "Distance, Z", "category": "Object category"}
ARCH_LABELS = {"resnet18": "ResNet-18", "resnet34": "ResNet-34", "resnet50": "ResNet-50", "resnet101": "ResNet-101"}
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def region_label(region: str) -> str:
    return REGION_LABELS.get(region, region)


def latent_label(latent: str) -> str:
    return LATENT_LABELS.get(latent, f"Rotation {latent[4:]}" if latent.startswith("rot_") else latent)


def benchmark_labels(names: Iterable[str]) -> dict[str, str]:
    """Names of benchmarks -> how a picture calls them: without their settings, where those do not tell them apart."""
    found = list(dict.fromkeys(map(str, names)))
    heads = [name.partition(":")[0] for name in found]
    return {name: head if heads.count(head) == 1 else name for name, head in zip(found, heads, strict=True)}


def arch_label(arch: str) -> str:
    """For people: resnet18 is ResNet-18, and resnet18w16 the same with 16 channels in its stem instead of 64."""
    base, narrow, width = arch.partition("w")
    known = ARCH_LABELS.get(base, "")
    if known and narrow and width.isdecimal():
        return f"{known} of width {width}"
    return ARCH_LABELS.get(arch, arch)


def p_text(p: float) -> str:
    """'p = 0.012', 'p = 3.2×10⁻⁵' below .001, '' for NaN."""
    if not math.isfinite(p):
        return ""
    if p >= 0.9995:
        return "p > 0.999"
    if p >= 0.001:
        return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
    if p < 1e-99:
        return "p < 10⁻⁹⁹"
    mantissa, exponent = f"{p:.1e}".split("e")
    return f"p = {mantissa}×10{str(int(exponent)).translate(SUPERSCRIPT)}"


def stars(p: float) -> str:
    """The published mark: '*' for p < .05, else nothing."""
    return "*" if math.isfinite(p) and p < STAR else ""


def mean_text(mean: float, sd: float, digits: int = 3) -> str:
    """'0.399 ± 0.004', without the SD where there is one value."""
    return f"{mean:.{digits}f} ± {sd:.{digits}f}" if math.isfinite(sd) else f"{mean:.{digits}f}"


@dataclass(frozen=True)
class Correlation:
    """Pearson's r, its two-sided p and the number of points; r and p are NaN below three points or without spread."""

    r: float
    p: float
    n: int

    @classmethod
    def of(cls, x: Any, y: Any) -> Correlation:
        """x, y: (points,); pairs with a value that is not finite are left out. Source: scipy.stats.pearsonr."""
        from scipy.stats import pearsonr

        x, y = np.asarray(x, float), np.asarray(y, float)
        kept = np.isfinite(x) & np.isfinite(y)
        x, y = x[kept], y[kept]
        if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
            return cls(math.nan, math.nan, len(x))
        r, p = pearsonr(x, y)
        return cls(float(r), float(p), len(x))

    def text(self, join: str = ", ") -> str:
        """'r = 0.97, p = 1.0×10⁻⁸, n = 60'."""
        if not math.isfinite(self.r):
            return f"n = {self.n}"
        return join.join([f"r = {self.r:.2f}".replace("-", "−"), p_text(self.p), f"n = {self.n}"])


def means_text(rows: pd.DataFrame) -> str:
    """'Distance 0.399 ± 0.004 (n = 3); Rotation ...' of rows with label, mean, sd and n."""
    return "; ".join(f"{row.label} {mean_text(row.mean, row.sd)} (n = {row.n})" for row in rows.itertuples())


def batches_text(step: float) -> str:
    """Numbers of batches, images or units: 2k, 1.3M, 512."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if step >= size:
            return f"{step / size:.3g}{unit}"
    return f"{step:.3g}"

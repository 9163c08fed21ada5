"""Cases of the suite on tensors without numbers; they register themselves."""

from tests.meta import analyses, layers, networks

__all__ = ["analyses", "layers", "networks"]

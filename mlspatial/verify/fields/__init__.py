"""Checks, a file a paper, a data set or a kind of proof; each registers its own when it is imported."""

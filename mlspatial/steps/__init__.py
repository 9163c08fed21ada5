"""What an entry point does, a file each: find the inputs, open the run, call the rooms."""


def load_entries() -> None:
    """Have every step register its entry point; the modules that do the work, and torch with them, stay unread."""
    from mlspatial.steps import (  # noqa: F401
        compare,
        decode,
        export,
        imports,
        render,
        score,
        similarity,
        train,
        tune,
        tuning,
    )

"""`python -m mlspatial ENTRY`: the same as `mlspatial ENTRY`, in a checkout that is not installed."""

from mlspatial.cli import main

if __name__ == "__main__":
    main(prog_name="python -m mlspatial")

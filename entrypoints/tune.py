"""Search the training parameters of a task."""

from mlspatial.cli import command
from mlspatial.steps.tune import ENTRY

main = command(ENTRY)

if __name__ == "__main__":
    main()

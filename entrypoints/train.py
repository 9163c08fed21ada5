"""Train a network on a task."""

from mlspatial.cli import command
from mlspatial.steps.train import ENTRY

main = command(ENTRY)

if __name__ == "__main__":
    main()

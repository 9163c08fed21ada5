"""Compare networks with each other."""

from mlspatial.cli import command
from mlspatial.steps.similarity import ENTRY

main = command(ENTRY)

if __name__ == "__main__":
    main()

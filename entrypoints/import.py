"""Take in scores that were computed elsewhere."""

from mlspatial.cli import command
from mlspatial.steps.imports import ENTRY

main = command(ENTRY)

if __name__ == "__main__":
    main()

"""Score networks against neural data."""

from mlspatial.cli import command
from mlspatial.steps.score import ENTRY

main = command(ENTRY)

if __name__ == "__main__":
    main()

"""Run a grid of conditions from a YAML file."""

from mlspatial.cli import command
from mlspatial.study import ENTRY

main = command(ENTRY)

if __name__ == "__main__":
    main()

"""Write a network for another program."""

from mlspatial.cli import command
from mlspatial.steps.export import ENTRY

main = command(ENTRY)

if __name__ == "__main__":
    main()

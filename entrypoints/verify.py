"""Compute published numbers anew and say which hold."""

from mlspatial.cli import command
from mlspatial.verify import ENTRY

main = command(ENTRY)

if __name__ == "__main__":
    main()

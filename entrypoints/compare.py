"""Make tables, figures and the report from finished runs."""

from mlspatial.cli import command
from mlspatial.steps.compare import ENTRY

main = command(ENTRY)

if __name__ == "__main__":
    main()

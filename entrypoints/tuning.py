"""Ask what units and layers of networks do with the images of a design."""

from mlspatial.cli import command
from mlspatial.steps.tuning import ENTRY

main = command(ENTRY)

if __name__ == "__main__":
    main()

"""Decode latents from the layers of networks."""

from mlspatial.cli import command
from mlspatial.steps.decode import ENTRY

main = command(ENTRY)

if __name__ == "__main__":
    main()

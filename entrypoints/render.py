"""Render a dataset of images with exact spatial latents."""

from mlspatial.cli import command
from mlspatial.steps.render import ENTRY

main = command(ENTRY)

if __name__ == "__main__":
    main()

"""`python -m mlspatial.data.verify FOLDER`: check every hash of a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from mlspatial.core.errors import UserError
from mlspatial.data.shards import verify


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Check every shard of FOLDER against its manifest; exit 2 and name the first damaged one if any is."""
    try:
        manifest = verify(folder)
    except UserError as error:
        click.echo(f"verify: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    sizes = ", ".join(f"{name} {manifest.rows(name)}" for name in manifest.splits)
    click.echo(f"{folder}: whole; dataset_id {manifest.dataset_id}; {sizes} images")


if __name__ == "__main__":
    main()

"""Take in scores that were computed elsewhere."""

import click

from entrypoints.common import SETTINGS, finish, force_option, study_option


@click.command(**SETTINGS)
@click.option(
    "--file",
    required=True,
    help="A csv: task, arch, dataset, seed, step, and region and score or V1, V2, ...; fmri: several",
)
@click.option("--kind", default="scores", help="scores, correlations (of performance with alignment), or fmri.")
@click.option("--source", default="", show_default="the file's name", help="Text: where the numbers are from.")
@study_option
@force_option
def main(**parameters: object) -> None:
    """Make a run of every network in a csv file, so that tables show its scores beside those computed here.

    A row is a network with a column for every region (V1, V2, V4, IT, behavior, neural_mean) or benchmark, or a network
    and benchmark with the columns benchmark or region, and score. An empty seed is a mean over seeds. Also taken: raw,
    ceiling, error, layer, loss or performance, n_train, n_categories, translation, outputs, networks, settings, source.

    kind=fmri: csv files with a comma between them. One has network, metric (crsa, versa, voxel_r), score, and subject
    if known; others hold facts (network, parameters, imagenet_top1, effective_dimensionality) or noise ceilings
    (subject, value). The tables published with Conwell et al. 2024 are taken as they are.
    """
    from mlspatial.steps.imports import import_scores

    finish("import", import_scores, **parameters)


if __name__ == "__main__":
    main()

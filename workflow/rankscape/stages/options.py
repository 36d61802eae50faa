"""Command-line options that several stages share."""

from pathlib import Path
from typing import Annotated

import typer

Settings = Annotated[
    str, typer.Option(help="The stage's settings: a JSON object, or the configuration file (YAML) that holds them.")
]
Tiles = Annotated[
    list[Path],
    typer.Option(help="Patch arrays (.npy), a granule each; the index lies beside each, ending in .parquet."),
]
OneTiles = Annotated[Path, typer.Option(help="Patch array (.npy) of one granule; its index lies beside it.")]
Indices = Annotated[list[Path], typer.Option(help="Patch indices (.parquet), a granule each.")]
OneIndex = Annotated[Path, typer.Option(help="Patch index (.parquet) of one granule.")]
Clusters = Annotated[Path, typer.Option(help="Cluster of every patch: clusters.parquet.")]
Summary = Annotated[Path, typer.Option(help="What is known of every cluster: clusters.json.")]
Gpus = Annotated[
    int, typer.Option(min=0, help="GPUs to use; 0 computes on the CPU. No GPU where one is asked for is an error.")
]
WhiteReflectance = Annotated[
    float | None,
    typer.Option(
        min=0.01, max=10, help="Reflectance that 255 stands for, to score 8-bit images with a model of reflectance."
    ),
]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads.")]
CheckpointFolder = Annotated[
    Path | None,
    typer.Option(help="Folder for what a killed training needs to go on; emptied at the end. Default: none."),
]
CheckpointEpochs = Annotated[int, typer.Option(min=1, help="Epochs from one checkpoint to the next.")]

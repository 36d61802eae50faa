"""Command-line options that several stages share."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation.settings import Section

_PLAIN = (bool, int, float, str)


def settings_of(section: type[Section], **example: object) -> Parameter:
    """Return the option --settings of a stage.

    Args:
        section: Class of the stage's settings.
        example: Keys and values to show; by default the first key that has a plain default.

    Raises:
        ValidationError: If the example is not valid; a section with keys that must be given needs one of its own.
    """
    plain = {name: field.default for name, field in section.model_fields.items() if type(field.default) in _PLAIN}
    shown = example or dict(list(plain.items())[:1])
    section.model_validate(shown)  # an example that is refused would be worse than none
    return Parameter(
        help=f"Settings: a JSON object such as '{json.dumps(shown)}', or the configuration file (YAML) that has them."
    )


PatchArrays = Annotated[
    list[Path],
    Parameter(help="Patch arrays (.npy), a granule each; the index lies beside each, ending in .parquet."),
]
PatchArray = Annotated[Path, Parameter(help="Patch array (.npy) of one granule; its index lies beside it.")]
Indices = Annotated[list[Path], Parameter(help="Patch indices (.parquet), a granule each.")]
OneIndex = Annotated[Path, Parameter(help="Patch index (.parquet) of one granule.")]
Clusters = Annotated[Path, Parameter(help="Cluster of every patch: clusters.parquet.")]
Summary = Annotated[Path, Parameter(help="Summary of the clusters: clusters.json.")]
Gpus = Annotated[
    int,
    Parameter(
        help="GPUs to use; 0 computes on the CPU. No GPU where one is asked for is an error.", validator=Number(gte=0)
    ),
]
WhiteReflectance = Annotated[
    float | None,
    Parameter(
        help="Reflectance that 255 stands for, to score 8-bit images with a model of reflectance.",
        validator=Number(gte=0.01, lte=10),
    ),
]
MaybeFile = Annotated[tuple[Path, ...], Parameter(consume_multiple=(0, 1))]
"""A file, or none: rules name the option in any case, and leave its value out where there is no file."""
MaybeName = Annotated[tuple[str, ...], Parameter(consume_multiple=(0, 1))]
"""A name, or none, in the same way."""
Threads = Annotated[int, Parameter(help="CPU threads.", validator=Number(gte=1))]
CheckpointFolder = Annotated[
    Path | None,
    Parameter(help="Folder for what a killed training needs to go on; emptied at the end. Default: none."),
]
Names = Annotated[
    str,
    Parameter(help='Names of granules, references and so on, as in paths: JSON, {"granule": ["03TVF"], ...}.'),
]


Value = TypeVar("Value")


def only(given: Sequence[Value]) -> Value | None:
    """Return the value of an option that may have none."""
    return given[0] if given else None

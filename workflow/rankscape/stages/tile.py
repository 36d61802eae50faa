"""Cut an image, or a folder of tiles or images, into patches.

Out come one mappable array of all patches in row-major order, and an index that says where each lies, how much of it
holds data, how much is cloud, and whether it is used to learn from.
"""

import re
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation.errors import GranuleError, InputError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.samples.cutting import cut, open_source
from rankscape.samples.listing import is_several, raster_files
from rankscape.samples.patches import index_of, write_index
from rankscape.samples.placed_images import place_images
from rankscape.samples.settings import TileSettings
from rankscape.samples.source import bounds_deg, make_index
from rankscape.scenes.granule_table import GRANULE_PATTERN, GRANULE_WORDS
from rankscape.stages.options import MaybeFile, only, settings_of


def tile(
    *,
    settings: Annotated[str, settings_of(TileSettings)],
    source: Annotated[
        Path,
        Parameter(
            help="Image (scene.tif), pattern of several, .SAFE folder, folder of tiles row_col.png, or of images."
        ),
    ],
    granule: Annotated[str, Parameter(help="Granule id, or the name that a folder goes by.")],
    out: Annotated[Path, Parameter(help="Array of patches to write (.npy); the index is written beside it.")],
    quality: Annotated[
        MaybeFile,
        Parameter(help="What is known of every pixel of the image (quality.tif): no data, clear, cloud."),
    ] = (),
    beside: Annotated[
        MaybeFile,
        Parameter(help="Composed image of another sensor on the same grid, whose bands follow those of the source."),
    ] = (),
    images: Annotated[
        bool,
        Parameter(
            name="--images",
            help="The source is a folder of images of any names, in it and its subfolders; no coordinates.",
        ),
    ] = False,
    places: Annotated[
        MaybeFile, Parameter(help="Table of the images' coordinates: image, longitude, latitude, side_m.")
    ] = (),
    mpi: Annotated[bool, Parameter(name="--mpi", help="Share the work among the ranks that mpiexec started.")] = False,
    ranks: Annotated[
        int | None,
        Parameter(help="With --mpi: number of ranks that there must be; another is an error.", validator=Number(gte=1)),
    ] = None,
    threads: Annotated[
        int,
        Parameter(
            help="Threads, of every rank with --mpi, that decode an image; they change no byte.",
            validator=Number(gte=1),
        ),
    ] = 1,
) -> None:
    """Cut an image, or a folder of tiles or images, into patches.

    The index is a GeoParquet table beside the array, with the same name.
    """
    chosen = TileSettings.from_text(settings, "tile")
    if not re.fullmatch(GRANULE_PATTERN, granule):
        raise GranuleError(f"--granule {granule!r} is no id: write {GRANULE_WORDS}.")
    if ranks is not None and not mpi:
        raise InputError(f"--ranks {ranks} goes with --mpi: add it, or leave --ranks out.")
    if places and not images:
        raise InputError(f"--places {places[0]} says where images lie: give --images too.")
    opener = partial(
        open_source, source, only(quality), granule, chosen, images=images, threads=threads, beside=only(beside)
    )
    if (table := only(places)) is not None:
        with opener() as seen:  # what is wrong with the table is said before anything is written
            place_images(make_index(seen.layout, np.zeros((len(seen.layout.ids), 2)), chosen), table)
    if mpi:
        from rankscape.samples.mpi import cut_with_ranks

        result = cut_with_ranks(opener, out, ranks, threads)
    else:
        result = cut(opener, out, threads)
    if result is None:
        return
    layout, shares = result
    if (bounds := bounds_deg(layout.grid)) is not None:
        west, south, east, north = bounds
        say(f"{granule}: lies between {west:.4f} and {east:.4f} degrees east, {south:.4f} and {north:.4f} north.")
    index = make_index(layout, shares, chosen)
    inputs = _inputs(source, only(quality), only(beside))
    if table is not None:
        index, inputs = place_images(index, table), {**inputs, "places": table}
    write_index(index_of(out), index, layout.grid, provenance("tile", chosen, inputs))
    say(f"{granule}: {len(index)} patches of {layout.grid.patch_px} px, {int(index['usable'].sum())} usable.")


def _inputs(source: Path, quality: Path | None, beside: Path | None) -> dict[str, Path]:
    """The files that were read, by role."""
    files = raster_files(str(source)) if is_several(str(source)) else [source]
    named = {"source" if len(files) == 1 else f"source {file.name}": file for file in files}
    return named | {role: file for role, file in (("quality", quality), ("beside", beside)) if file is not None}

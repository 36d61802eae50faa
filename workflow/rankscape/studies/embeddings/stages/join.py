"""Join embeddings of others to the patches of a granule: tables, rasters or Zarr stores that are supplied."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.errors import TableError
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.samples.patches import read_index
from rankscape.samples.settings import SuppliedSettings
from rankscape.samples.supplied_embeddings import supplied_embeddings
from rankscape.stages.options import OneIndex, settings_of
from rankscape.studies.embeddings.artifacts import JoinKeys
from rankscape.studies.embeddings.features import Dates, EmbeddingTableFile, first, write_features


def join(
    *,
    settings: Annotated[str, settings_of(SuppliedSettings, path="embeddings.parquet")],
    name: Annotated[str, Parameter(help="Name of the embedding.")],
    index: OneIndex,
    out: Annotated[Path, Parameter(help="Features to write (.npy), a row a patch; a .json beside it describes them.")],
    table: EmbeddingTableFile = None,
    dates: Dates = (),
) -> None:
    """Join supplied embeddings to the patches of a granule; rows of patches without one are NaN."""
    chosen = SuppliedSettings.from_text(settings, f"embeddings.embedders.{name}")
    patches = read_index(index)
    if patches.crs is None or not len(patches):
        raise TableError(f"{index} has no footprints with a CRS: cut the patches again.")
    found = supplied_embeddings(chosen, patches)
    report, granule = found.report, str(patches["granule"].iloc[0])
    record = provenance(
        "embeddings join", chosen, {"index": index, **{f"rows/{file}": file for file in chosen.files()}}
    )
    joined = JoinKeys(**{key: getattr(report, key) for key in JoinKeys.model_fields})
    model = report.model or chosen.path
    write_features(out, found.features, patches, model, record, table=table, dates=first(dates), joined=joined)
    say(f"{name}, {granule}: {report}.")

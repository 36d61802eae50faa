"""The files that a vector file is made of."""

from pathlib import Path


def files_of(path: str) -> list[Path]:
    """Return the files that are read: of a shapefile also those of its table, CRS and encoding, where they are."""
    given = Path(path)
    suffixes = (".dbf", ".shx", ".prj", ".cpg") if given.suffix == ".shp" else ()
    beside = [given.with_suffix(suffix) for suffix in suffixes]
    return [given, *(file for file in beside if file.exists())]

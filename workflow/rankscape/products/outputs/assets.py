"""Files as STAC assets: address, type, size, checksum, and the columns or bands that they have."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pystac
import rasterio

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import sha256
from rankscape.products.maps.items import SHA256_MULTIHASH
from rankscape.products.outputs.columns import Column

FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
TABLE = "https://stac-extensions.github.io/table/v1.2.0/schema.json"
_MEDIA = {
    ".tif": pystac.MediaType.COG, ".png": pystac.MediaType.PNG, ".json": pystac.MediaType.JSON, ".html": "text/html",
    ".txt": "text/plain", ".md": "text/markdown", ".csv": "text/csv", ".gz": "application/gzip",
    ".parquet": "application/vnd.apache.parquet", ".qml": "application/xml", ".cff": "application/yaml",
    ".tex": "application/x-tex", ".safetensors": "application/octet-stream",
}  # fmt: skip
_DATA = {".tif", ".parquet", ".csv", ".gz", ".safetensors"}
_OVERVIEW = {".png", ".html"}


def asset(path: Path, folder: Path, title: str, columns: Sequence[Column] = ()) -> dict[str, Any]:
    """Describe a file.

    Args:
        path: The file.
        folder: Folder of the document that the address is relative to.
        title: What it is.
        columns: Columns, of a table.
    """
    role = "data" if path.suffix in _DATA else "overview" if path.suffix in _OVERVIEW else "metadata"
    described = {
        "href": address(path, folder), "type": str(_MEDIA[path.suffix]), "title": title, "roles": [role],
        "file:size": path.stat().st_size, "file:checksum": SHA256_MULTIHASH + sha256(path),
    }  # fmt: skip
    if columns:
        described["table:columns"] = [
            {"name": one.name, "type": one.type, "description": one.meaning} for one in columns
        ]
    return described | (_grid(path) if path.suffix == ".tif" else {})


def address(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder, with `/` and a leading dot."""
    relative = Path(os.path.relpath(path, folder)).as_posix()
    return relative if relative.startswith("..") else f"./{relative}"


def moved(assets: dict[str, Any], item: Path, folder: Path) -> dict[str, Any]:
    """Readdress the assets of an item for a copy of it in another folder.

    Raises:
        InputError: If an asset is missing, or has another size than the item says: the two are of different runs.
    """
    for name, one in assets.items():
        path = item.parent / one["href"]
        size_bytes = path.stat().st_size if path.is_file() else None
        if size_bytes != one.get("file:size"):
            found = "is missing" if size_bytes is None else f"has {size_bytes} bytes"
            raise InputError(
                f"{path} {found}, but {item} says {one.get('file:size')} bytes ({name}): they are of two runs; let the "
                "workflow make both again."
            )
    return {name: {**one, "href": address(item.parent / one["href"], folder)} for name, one in assets.items()}


def _grid(path: Path) -> dict[str, Any]:
    """CRS, transform, shape and band names of a raster."""
    with rasterio.open(path) as raster:
        epsg = raster.crs.to_epsg() if raster.crs else None
        where = {"proj:code": f"EPSG:{epsg}"} if epsg else {"proj:wkt2": raster.crs.to_wkt() if raster.crs else None}
        return {
            **where, "proj:transform": list(raster.transform)[:6], "proj:shape": [raster.height, raster.width],
            "bands": [{"name": name or f"band {n}"} for n, name in enumerate(raster.descriptions, start=1)],
        }  # fmt: skip

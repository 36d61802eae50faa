"""STAC items beside the maps: what a map shows, where it lies, and the checksums of its files."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pystac
from affine import Affine
from pyproj import CRS
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from shapely.geometry import mapping

from rankscape.foundation.files import sha256, write_json
from rankscape.products.maps.granules import statistics
from rankscape.products.maps.pieces import LEVELS, NO_DATA
from rankscape.products.maps.surface import BANDS
from rankscape.spatial.seams import bounds_in_degrees, in_degrees

_MEDIA = {".tif": pystac.MediaType.COG, ".png": pystac.MediaType.PNG, ".qml": "application/xml"}
_FIRST_DAY = datetime.datetime(2015, 6, 23, tzinfo=datetime.UTC)
_LAST_DAY = datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC)
_RASTER = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"
SHA256_MULTIHASH = "1220"
"""Code and length of SHA-256 in front of a multihash, as the file extension of STAC asks for."""
_SCORE = "Economic development from 0 (least) to 1 (most), with its uncertainty."
_DIGITS = 7
_TOLERANCE_DEG = 1e-5
"""About a metre: footprints keep the corners and bends that show."""


def write_item(
    path: Path,
    name: str,
    assets: Mapping[str, Path],
    *,
    crs: str,
    transform: Affine,
    values: np.ndarray,
    outline: gpd.GeoSeries,
    record: dict[str, Any],
    dtype: str = "float32",
    names: Sequence[str] = BANDS,
    description: str = _SCORE,
) -> None:
    """Write the STAC item of a map.

    A map is made of scenes of several days that its scores do not name, so that `datetime` is null; the time span
    starts with the launch of Sentinel-2A and is open at its end. Scene times stand in `scenes/<granule>/download.json`.

    Args:
        path: Item to write; the assets' hrefs are relative to it.
        name: Id of the item.
        assets: Files by role: `map`, `patches`, `preview`, `style` ...; each in the item's folder or below.
        crs: CRS of the map.
        transform: Affine transform of the asset `map`.
        values: Pixels of the map or its native grid, shape (bands, rows, columns), for the statistics.
        outline: Polygons that the map covers, with their CRS.
        record: Provenance.
        dtype: Type of the asset `map`; where it is `uint8`, the asset says what a level is worth.
        names: What its bands are called.
        description: What it shows, in a sentence.
    """
    geometry = in_degrees(outline).union_all().simplify(_TOLERANCE_DEG)
    item = pystac.Item(
        name, _rounded(mapping(geometry)), [round(v, _DIGITS) for v in bounds_in_degrees(outline)], None,
        {"description": description},
        start_datetime=_FIRST_DAY, end_datetime=_LAST_DAY, extra_fields={"provenance": record},
    )  # fmt: skip
    for role, file in assets.items():
        _add_asset(item, role, file, path.parent)
    # Scores as numbers are described where they stand as numbers: beside a map of bytes, that is the native grid.
    item.assets["map" if dtype == "float32" else "patches"].extra_fields["bands"] = _bands(values, names)
    if dtype == "uint8":
        levels = {"data_type": dtype, "nodata": NO_DATA, "raster:scale": 1 / LEVELS, "raster:offset": 0}
        item.assets["map"].extra_fields["bands"] = [{"name": name, **levels} for name in names]
        item.stac_extensions.append(_RASTER)
    _project(item, crs, transform, outline)
    item.add_link(pystac.Link("self", f"./{path.name}", pystac.MediaType.GEOJSON))
    document = item.to_dict(include_self_link=False, transform_hrefs=False)
    write_json(path, document)


def _bands(values: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """Bands of an asset, with their statistics; STAC 1.1 has them in assets, and leaves out statistics of nothing."""
    found = [statistics(band) for band in values]
    return [
        {"name": name, "data_type": "float32", "nodata": "nan", **({"statistics": one} if one else {})}
        for name, one in zip(names, found, strict=True)
    ]


def _add_asset(item: pystac.Item, role: str, file: Path, folder: Path) -> None:
    href = f"./{file.relative_to(folder).as_posix()}"
    purpose = {"preview": "overview", "style": "metadata"}.get(role.partition("-")[0], "data")
    asset = pystac.Asset(href, role, media_type=_MEDIA[file.suffix], roles=[purpose])
    item.add_asset(role, asset)
    described = FileExtension.ext(asset, add_if_missing=True)
    described.size = file.stat().st_size
    described.checksum = SHA256_MULTIHASH + sha256(file)


def _project(item: pystac.Item, crs: str, transform: Affine, outline: gpd.GeoSeries) -> None:
    known = CRS(crs).to_authority()
    where = ProjectionExtension.ext(item, add_if_missing=True)
    where.code = ":".join(known) if known else None
    where.wkt2 = None if known else CRS(crs).to_wkt()
    where.transform = list(transform)[:6]
    where.bbox = [float(v) for v in outline.to_crs(crs).total_bounds]


def _rounded(geometry: dict[str, Any]) -> dict[str, Any]:
    """Coordinates to 1 cm, so that the last digits of a projection do not change the file."""
    return {**geometry, "coordinates": _round(geometry["coordinates"])}


def _round(part: Any) -> Any:
    return round(float(part), _DIGITS) if isinstance(part, int | float) else [_round(other) for other in part]

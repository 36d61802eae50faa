"""Synthetic assets, items and catalogues."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rankscape.scenes.servers import RetryPolicy
from rasterio.transform import from_origin

GRANULE = "03TVF"
CRS = "EPSG:32603"
ORIGIN_M = (400_000.0, 4_500_000.0)
QUICK = RetryPolicy(attempts=3, base_s=0.01, longest_s=2.0)


def write_tif(
    path: Path,
    pixels: np.ndarray,
    *,
    gsd_m: float = 10.0,
    crs: str | None = CRS,
    nodata: float | None = None,
    **more: Any,
) -> Path:
    """Write a synthetic raster, shape (bands, rows, columns) or (rows, columns)."""
    bands = pixels if pixels.ndim == 3 else pixels[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    more = {"driver": "GTiff", "transform": from_origin(*ORIGIN_M, gsd_m, gsd_m), **more}
    with rasterio.open(path, "w", **profile, dtype=bands.dtype, crs=crs, nodata=nodata, **more) as dataset:
        dataset.write(bands)
    return path


def make_item(number: int = 1, *, assets: dict[str, str] | None = None, **properties: Any) -> dict[str, Any]:
    """Make a STAC item as the Planetary Computer writes it; property names may have `__` for a colon."""
    day = f"2023-07-{number:02d}"
    stated = {
        "datetime": f"{day}T10:00:00.024000Z",
        "platform": "Sentinel-2A",
        "s2:mgrs_tile": GRANULE,
        "sat:relative_orbit": 22,
        "s2:processing_baseline": "05.09",
        "s2:generation_time": f"{day}T18:00:00.000000Z",
        "eo:cloud_cover": 5.0,
        "s2:nodata_pixel_percentage": 0.0,
    }
    given = {key.replace("__", ":"): value for key, value in properties.items() if key not in ("id", "collection")}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": properties.get("id", f"S2A_{number:02d}"),
        "collection": properties.get("collection", "sentinel-2-l2a"),
        "geometry": {"type": "Point", "coordinates": [-166.0, 40.6]},
        "bbox": [-166.1, 40.5, -165.9, 40.7],
        "properties": {key: value for key, value in {**stated, **given}.items() if value != "absent"},
        "assets": {key: {"href": href} for key, href in (assets or {}).items()},
        "links": [],
    }


def make_candidates(
    items: list[dict[str, Any]], *, kind: str = "stac-api", href: str = "http://127.0.0.1/", **more: str
):
    """Make the document that search writes."""
    source = {"kind": kind, "href": href, "collection": "sentinel-2-l2a", "signing": "none", **more}
    return {"granule": GRANULE, "window": {}, "source": source, "items": items, "left_out": {}, "provenance": {}}


def write_catalogue(folder: Path, items: list[dict[str, Any]]) -> Path:
    """Write a static catalogue: a root, and an item a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    links: list[dict[str, str]] = [{"rel": "root", "href": "./catalog.json"}]
    for item in items:
        (folder / item["id"]).mkdir(exist_ok=True)
        (folder / item["id"] / "item.json").write_text(json.dumps(item))
        links.append({"rel": "item", "href": f"./{item['id']}/item.json"})
    root = {"type": "Catalog", "stac_version": "1.0.0", "id": "synthetic", "description": "Synthetic", "links": links}
    (folder / "catalog.json").write_text(json.dumps(root))
    return folder / "catalog.json"

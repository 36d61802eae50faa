"""A static STAC catalogue over the outputs of a run (STAC 1.1): catalogue, one collection, an item a map.

All addresses are relative, and nothing is copied: the catalogue works wherever the run's folder is copied to.
"""

import datetime
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from rankscape.artifacts import Artifact, Column
from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json, sha256
from rankscape.products.artifacts import CATALOGUE, COLLECTION, ITEM, NOTICE, README
from rankscape.products.maps.items import SHA256_MULTIHASH
from rankscape.products.outputs.run import Span
from rankscape.products.outputs.words import Publication, abstract, imagery_notice, title_of
from rankscape.samples.embedding_tables import source_link
from rankscape.spatial.seams import union_of_bounds

STAC = "1.1.0"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
TABLE = "https://stac-extensions.github.io/table/v1.2.0/schema.json"
_JSON, _ITEM = "application/json", "application/geo+json"
_OF_ITEMS = ("type", "title", "roles")
"""What the collection says of the assets of its items."""
_ANY_TIME = {"datetime": None, "start_datetime": "2015-06-23T00:00:00Z", "end_datetime": "2100-01-01T00:00:00Z"}
"""Where no item says when: from the launch of Sentinel-2A on, as the items of maps have it."""
_WORLD = [-180.0, -90.0, 180.0, 90.0]

StacObject = dict[str, Any]
"""A document of STAC, or a part of one."""


def write_catalogue(given: Publication) -> None:
    """Write `catalog.json`, `catalog/collection.json` and `catalog/items/*.json`, the catalogue last.

    Items that no longer belong to the run are removed, so that the folder holds what the collection links.

    Args:
        given: The finished run, every other file written.

    Raises:
        InputError: If a map's item is broken, or its files are missing or of another run.
    """
    root = given.run.root
    folder = ITEM.of(root, item="any").parent
    folder.mkdir(parents=True, exist_ok=True)  # a study may have no item
    maps = _map_items(given, folder)
    items = {item["id"]: item for item in [*maps, *_grouped_items(given, folder, maps)]}
    for name, item in items.items():
        record = item.pop("provenance", given.record)
        ITEM.write(ITEM.of(root, item=name), _linked(item, given.run.region), record)
    for stale in set(folder.glob("*.json")) - {ITEM.of(root, item=name) for name in items}:
        stale.unlink()
    COLLECTION.write(COLLECTION.of(root), _collection(given, list(items.values())), given.record)
    CATALOGUE.write(CATALOGUE.of(root), _catalogue(given), given.record)


def _map_items(given: Publication, folder: Path) -> list[StacObject]:
    """Copies of the items beside the maps, which the stages that draw them wrote."""
    found: list[StacObject] = []
    for kind, names, path in given.run.shown("item"):
        item = read_json(path)
        try:
            item["assets"] = _moved(item["assets"], path, folder)
            span = given.spans.get(names["granule"]) if "granule" in names else given.whole
            item["properties"] |= {} if span is None else _times(span)
            if "emb:type" in item["properties"]:
                item["links"] += source_link(given.chosen.imagery)
            if item["id"] in {one["id"] for one in found}:
                item["id"] = f"{kind.path.partition('/')[0]}-{item['id']}"
        except KeyError as error:
            raise InputError(f"{path} is no STAC item of a map (it lacks {error}): make it again.") from None
        found.append(item)
    return found


def _grouped_items(given: Publication, folder: Path, maps: Sequence[StacObject]) -> list[StacObject]:
    """Items of districts, changes and the like: the extent of the region, and their files."""
    region: StacObject = maps[0] if maps else {"geometry": None, "properties": _ANY_TIME}
    times = {key: region["properties"][key] for key in _ANY_TIME}
    times |= {} if given.whole is None else _times(given.whole)
    place: StacObject = {key: region[key] for key in ("geometry", "bbox") if key in region}
    groups: dict[tuple[str, str], dict[str, StacObject]] = {}
    for kind, names, path in given.run.shown("group"):
        (group, name), *_ = names.items()
        asset = _asset(kind, path, folder, given.columns_of(path))
        groups.setdefault((group, name), {})[_asset_name(path, name)] = asset
    return [
        {
            "type": "Feature", "stac_version": STAC, "stac_extensions": _extensions(assets), "id": f"{group}-{name}",
            **place, "properties": {"title": f"{group.capitalize()}: {name}", **times}, "links": [], "assets": assets,
        }
        for (group, name), assets in groups.items()
    ]  # fmt: skip


def _asset_name(path: Path, name: str) -> str:
    """Name of an asset within its group: its suffix, or its folder."""
    return path.name.removeprefix(f"{name}.").replace(".", "-") if path.stem == name else path.parent.name


def _extensions(assets: Mapping[str, StacObject]) -> list[str]:
    """Extensions whose fields are in assets; `table` wants an item's own columns, and is left out of items."""
    gridded = any(key.startswith("proj:") for one in assets.values() for key in one)
    return [FILE, *([PROJECTION] if gridded else [])]


def _times(span: Span) -> StacObject:
    return {"datetime": None, "start_datetime": _utc(span.start), "end_datetime": _utc(span.end)}


def _utc(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _linked(item: StacObject, region: str) -> StacObject:
    links = [
        {"rel": "root", "href": "../../catalog.json", "type": _JSON},
        {"rel": "parent", "href": "../collection.json", "type": _JSON},
        {"rel": "collection", "href": "../collection.json", "type": _JSON},
    ]
    links += [one for one in item["links"] if one["rel"].startswith("emb:")]
    return {**item, "links": links, "collection": region}


def _collection(given: Publication, items: Sequence[StacObject]) -> StacObject:
    root, chosen = given.run.root, given.chosen
    folder = COLLECTION.of(root).parent
    assets = {
        path.relative_to(root).as_posix().replace("/", "-"): _asset(kind, path, folder, given.columns_of(path))
        for kind, _, path in given.run.shown("collection")
    }
    links = [
        {"rel": "root", "href": "../catalog.json", "type": _JSON, "title": title_of(given)},
        {"rel": "parent", "href": "../catalog.json", "type": _JSON},
        {"rel": "license", "href": f"../{NOTICE.path}", "type": NOTICE.media_type, "title": "Notice"},
        {"rel": "describedby", "href": f"../{README.path}", "type": README.media_type, "title": "What is what"},
        *({"rel": "item", "href": f"./items/{item['id']}.json", "type": _ITEM} for item in items),
    ]
    return {
        "type": "Collection", "stac_version": STAC, "stac_extensions": [FILE, TABLE], "id": given.run.region,
        "title": title_of(given), "description": f"{abstract(given)} {imagery_notice(given)}",
        "keywords": list(chosen.keywords), "license": chosen.licence or "other", "providers": _providers(given),
        "extent": _extent(given, items), "summaries": _summaries(items), "item_assets": _item_assets(items),
        "assets": assets, "links": links,
    }  # fmt: skip


def _providers(given: Publication) -> list[StacObject]:
    makers: list[StacObject] = [{"name": name, "roles": ["producer", "licensor"]} for name in given.chosen.authors]
    software: StacObject = {"name": "Rankscape", "roles": ["processor"], "description": "Software that made the run"}
    imagery: StacObject = {"name": "Copernicus Sentinel-2 (ESA)", "roles": ["producer"], "description": "Imagery"}
    return [*makers, software, *([imagery] if given.chosen.imagery == "sentinel-2" else [])]


def _extent(given: Publication, items: Sequence[StacObject]) -> StacObject:
    boxes = [item["bbox"] for item in items if "bbox" in item] or [_WORLD]
    starts = min(one["start_datetime"] for one in [item["properties"] for item in items] or [_ANY_TIME])
    ends = None if given.whole is None else _utc(given.whole.end)
    return {"spatial": {"bbox": [list(union_of_bounds(np.array(boxes)))]}, "temporal": {"interval": [[starts, ends]]}}


def _summaries(items: Sequence[StacObject]) -> StacObject:
    codes = sorted({item["properties"]["proj:code"] for item in items if item["properties"].get("proj:code")})
    return {"proj:code": codes} if codes else {}


def _item_assets(items: Sequence[StacObject]) -> StacObject:
    """Every asset that an item has, without what differs from item to item."""
    found: StacObject = {}
    for item in items:
        for name, one in item["assets"].items():
            found.setdefault(name, {key: one[key] for key in _OF_ITEMS if key in one})
    return found


def _catalogue(given: Publication) -> StacObject:
    return {
        "type": "Catalog", "stac_version": STAC, "id": f"rankscape-{given.run.region}", "title": title_of(given),
        "description": f"Outputs of a run of Rankscape. {README.path} says what is what.",
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": _JSON},
            {"rel": "child", "href": f"./{COLLECTION.path}", "type": _JSON, "title": title_of(given)},
        ],
    }  # fmt: skip


def _asset(kind: Artifact, path: Path, folder: Path, columns: Sequence[Column] = ()) -> StacObject:
    """Describe a file: address, type, size, checksum, and the columns or bands that it has.

    Args:
        kind: Its declaration.
        path: The file.
        folder: Folder of the document that the address is relative to.
        columns: Columns, of a table.
    """
    described = {
        "href": _address(path, folder), "type": kind.media_type, "title": kind.title, "roles": [kind.role],
        "file:size": path.stat().st_size, "file:checksum": SHA256_MULTIHASH + sha256(path),
    }  # fmt: skip
    if columns:
        described["table:columns"] = [{"name": one.name, "type": one.type, "description": one.words} for one in columns]
    return described | (_grid(path) if path.suffix == ".tif" else {})


def _address(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder, with `/` and a leading dot."""
    relative = Path(os.path.relpath(path, folder)).as_posix()
    return relative if relative.startswith("..") else f"./{relative}"


def _moved(assets: StacObject, item: Path, folder: Path) -> StacObject:
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
    return {name: {**one, "href": _address(item.parent / one["href"], folder)} for name, one in assets.items()}


def _grid(path: Path) -> StacObject:
    """CRS, transform, shape and band names of a raster."""
    with rasterio.open(path) as raster:
        epsg = raster.crs.to_epsg() if raster.crs else None
        where = {"proj:code": f"EPSG:{epsg}"} if epsg else {"proj:wkt2": raster.crs.to_wkt() if raster.crs else None}
        return {
            **where, "proj:transform": list(raster.transform)[:6], "proj:shape": [raster.height, raster.width],
            "bands": [{"name": name or f"band {n}"} for n, name in enumerate(raster.descriptions, start=1)],
        }  # fmt: skip

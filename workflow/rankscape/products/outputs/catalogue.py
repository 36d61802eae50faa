"""A static STAC catalogue over the outputs of a run (STAC 1.1): catalogue, one collection, an item a map.

All addresses are relative, and nothing is copied: the catalogue works wherever the run's folder is copied to.
"""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import read_json, write_json
from rankscape.products.outputs.assets import FILE, PROJECTION, TABLE, address, asset, moved
from rankscape.products.outputs.citation import imagery_notice, title_of
from rankscape.products.outputs.columns import Column
from rankscape.products.outputs.run import Run
from rankscape.products.outputs.settings import PublishSettings
from rankscape.products.outputs.sources import Sources, Span

STAC = "1.1.0"
_JSON, _ITEM = "application/json", "application/geo+json"
_OF_ITEMS = ("type", "title", "roles")
"""What the collection says of the assets of its items."""

Document = dict[str, Any]


def write_catalogue(
    run: Run,
    chosen: PublishSettings,
    sources: Sources,
    tables: Mapping[str, Sequence[Column]],
    record: Document,
) -> None:
    """Write `catalog.json`, `catalog/collection.json` and `catalog/items/*.json`, the catalogue last.

    Items that no longer belong to the run are removed, so that the folder holds what the collection links.

    Args:
        run: The finished run, every other file written.
        chosen: Title, licence, keywords.
        sources: Days of the scenes.
        tables: Columns by path below the run's folder.
        record: Provenance.

    Raises:
        InputError: If a map's item is broken, or its files are missing or of another run.
    """
    folder = run.root / "catalog" / "items"
    items = [*_map_items(run, folder, sources), *_made_items(run, folder, sources, tables)]
    for item in items:
        write_json(folder / f"{item['id']}.json", _linked(item, run))
    for stale in set(folder.glob("*.json")) - {folder / f"{item['id']}.json" for item in items}:
        stale.unlink()
    write_json(run.root / "catalog" / "collection.json", _collection(run, chosen, sources, tables, items, record))
    write_json(run.root / "catalog.json", _catalogue(run, chosen))


def _map_items(run: Run, folder: Path, sources: Sources) -> list[Document]:
    """Copies of the items beside the maps, which the stages that draw them wrote."""
    found = []
    for _, names, path in run.shown("item"):
        item = read_json(path)
        try:
            item["assets"] = moved(item["assets"], path, folder)
            span = sources.spans.get(names["granule"]) if "granule" in names else sources.whole
            item["properties"] |= {} if span is None else _times(span)
        except KeyError as error:
            raise InputError(f"{path} is no STAC item of a map (it lacks {error}): make it again.") from None
        found.append(item)
    return found


def _made_items(run: Run, folder: Path, sources: Sources, tables: Mapping[str, Sequence[Column]]) -> list[Document]:
    """Items of districts and changes: the land of the region, and their files."""
    region = read_json(run.path("maps/region.json"))
    times = {key: region["properties"][key] for key in ("datetime", "start_datetime", "end_datetime")}
    times |= {} if sources.whole is None else _times(sources.whole)
    found = []
    for where, given, words in (("districts", run.districts, "Districts"), ("change", run.changes, "Change")):
        for name in given:
            files = [(kind.what, path) for kind, names, path in run.shown(where) if name in names.values()]
            assets = {
                path.name.removeprefix(f"{name}.").replace(".", "-") if path.stem == name else path.parent.name:
                asset(path, folder, what, tables.get(path.relative_to(run.root).as_posix(), ()))
                for what, path in files
            }  # fmt: skip
            found.append({
                "type": "Feature", "stac_version": STAC, "stac_extensions": _extensions(assets),
                "id": f"{where}-{name}", "geometry": region["geometry"], "bbox": region["bbox"],
                "properties": {"title": f"{words}: {name}", **times}, "links": [], "assets": assets,
            })  # fmt: skip
    return found


def _extensions(assets: Mapping[str, Document]) -> list[str]:
    """Extensions whose fields stand in assets; `table` wants an item's own columns, and is left out of items."""
    gridded = any(key.startswith("proj:") for one in assets.values() for key in one)
    return [FILE, *([PROJECTION] if gridded else [])]


def _times(span: Span) -> Document:
    return {"datetime": None, "start_datetime": _utc(span.start), "end_datetime": _utc(span.end)}


def _utc(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _linked(item: Document, run: Run) -> Document:
    links = [
        {"rel": "root", "href": "../../catalog.json", "type": _JSON},
        {"rel": "parent", "href": "../collection.json", "type": _JSON},
        {"rel": "collection", "href": "../collection.json", "type": _JSON},
    ]
    return {**item, "links": links, "collection": run.region}


def _collection(
    run: Run,
    chosen: PublishSettings,
    sources: Sources,
    tables: Mapping[str, Sequence[Column]],
    items: Sequence[Document],
    record: Document,
) -> Document:
    folder = run.root / "catalog"
    files = [(kind.what, path.relative_to(run.root).as_posix()) for kind, _, path in run.shown("region")]
    assets = {
        name.replace("/", "-"): asset(run.root / name, folder, what, tables.get(name, ())) for what, name in files
    }
    links = [
        {"rel": "root", "href": "../catalog.json", "type": _JSON, "title": title_of(run, chosen)},
        {"rel": "parent", "href": "../catalog.json", "type": _JSON},
        {"rel": "license", "href": "../NOTICE.txt", "type": "text/plain", "title": "Notice"},
        {"rel": "describedby", "href": "../README.txt", "type": "text/plain", "title": "What is what"},
        *({"rel": "item", "href": f"./items/{item['id']}.json", "type": _ITEM} for item in items),
    ]
    return {
        "type": "Collection", "stac_version": STAC, "stac_extensions": [FILE, TABLE], "id": run.region,
        "title": title_of(run, chosen), "description": _description(chosen, sources), "keywords": list(chosen.keywords),
        "license": chosen.licence or "other", "providers": _providers(chosen), "extent": _extent(sources, items),
        "summaries": _summaries(items), "item_assets": _item_assets(items), "assets": assets, "links": links,
        "provenance": record,
    }  # fmt: skip


def _description(chosen: PublishSettings, sources: Sources) -> str:
    return (
        "Development scores from 0 (least) to 1 (most developed) with their uncertainty, learned from satellite "
        "imagery by a network that respects a partial order of clusters of patches. Scores compare places of this run; "
        f"they are no income and no ground truth. {imagery_notice(chosen, sources)}"
    )


def _providers(chosen: PublishSettings) -> list[Document]:
    makers: list[Document] = [{"name": name, "roles": ["producer", "licensor"]} for name in chosen.authors]
    software: Document = {"name": "Rankscape", "roles": ["processor"], "description": "Software that made the run"}
    imagery: Document = {"name": "Copernicus Sentinel-2 (ESA)", "roles": ["producer"], "description": "Imagery"}
    return [*makers, software, *([imagery] if chosen.imagery == "sentinel-2" else [])]


def _extent(sources: Sources, items: Sequence[Document]) -> Document:
    boxes = [item["bbox"] for item in items]
    west, south = (min(box[side] for box in boxes) for side in (0, 1))
    east, north = (max(box[side] for box in boxes) for side in (2, 3))
    starts = min(item["properties"]["start_datetime"] for item in items)
    ends = None if sources.whole is None else _utc(sources.whole.end)
    return {"spatial": {"bbox": [[west, south, east, north]]}, "temporal": {"interval": [[starts, ends]]}}


def _summaries(items: Sequence[Document]) -> Document:
    codes = sorted({item["properties"]["proj:code"] for item in items if item["properties"].get("proj:code")})
    return {"proj:code": codes} if codes else {}


def _item_assets(items: Sequence[Document]) -> Document:
    """Every asset that an item has, without what differs from item to item."""
    found: Document = {}
    for item in items:
        for name, one in item["assets"].items():
            found.setdefault(name, {key: one[key] for key in _OF_ITEMS if key in one})
    return found


def _catalogue(run: Run, chosen: PublishSettings) -> Document:
    return {
        "type": "Catalog", "stac_version": STAC, "id": f"rankscape-{run.region}", "title": title_of(run, chosen),
        "description": "Outputs of a run of Rankscape. README.txt says what is what.",
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": _JSON},
            {"rel": "child", "href": address(run.root / "catalog/collection.json", run.root), "type": _JSON,
             "title": title_of(run, chosen)},
        ],
    }  # fmt: skip

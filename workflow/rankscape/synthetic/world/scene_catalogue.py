"""The static STAC catalogue of the synthetic scenes, with items as the Planetary Computer writes them."""

import datetime
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pystac
from affine import Affine
from pyproj import Transformer
from shapely.geometry import Polygon, box, mapping

from rankscape.foundation.files import write_json
from rankscape.foundation.progress import bar
from rankscape.foundation.provenance import KEY
from rankscape.scenes.cogs import write_cog
from rankscape.synthetic.world.land_cover import BANDS
from rankscape.synthetic.world.settlements import EARLIER_GRANULE
from rankscape.synthetic.world.simulation import World
from rankscape.synthetic.world.sky import CLASSES, EARLIER, PASSAGES, Passage, Recording, as_dn, coarse_classes, observe
from rankscape.synthetic.world.world_grid import CRS, GRANULES, PIXEL_M, WorldGrid

COLLECTION = "sentinel-2-l2a"
REPROCESSED = ("03TWF", "05.00", "2023-02-11T08:22:40.000Z")
"""Granule of the first passage that the catalogue holds twice, and baseline and time of its second processing."""
_EXTENSIONS = tuple(
    f"https://stac-extensions.github.io/{name}/v1.0.0/schema.json" for name in ("eo", "sat", "projection")
)
_DESCRIPTIONS = {
    "B02": ("Band 2 - Blue - 10m", "blue", 0.49, 0.098),
    "B03": ("Band 3 - Green - 10m", "green", 0.56, 0.045),
    "B04": ("Band 4 - Red - 10m", "red", 0.665, 0.038),
    "B08": ("Band 8 - NIR - 10m", "nir", 0.842, 0.145),
}
_LEVEL = 4


@dataclass(frozen=True)
class _Product:
    """One item of the catalogue."""

    granule: str
    passage: Passage
    layout: WorldGrid

    @property
    def id(self) -> str:
        """Id as the Planetary Computer forms it."""
        sensed, generated = (_compact(time) for time in (self.passage.sensed, self.passage.generated))
        mission = "S2" + self.passage.platform[-1]
        return f"{mission}_MSIL2A_{sensed}_R{self.passage.orbit:03}_T{self.granule}_{generated}"

    @property
    def uri(self) -> str:
        """Name of the product, with its baseline."""
        head, orbit, rest = self.id.partition(f"_R{self.passage.orbit:03}")
        return f"{head}_N{self.passage.baseline.replace('.', '')}{orbit}{rest}.SAFE"


def write_catalogue(
    path: Path, world: World, past: World, layout: WorldGrid, seed: int, record: dict[str, Any]
) -> None:
    """Write all scenes and the catalogue that lists them; `catalog.json` comes last, when all it names is there.

    Args:
        path: Final name of the catalogue; collection, items and images go to folders beside it.
        world: The synthetic world.
        past: The same world at an earlier date; one granule has a scene of it.
        layout: Its grid.
        seed: Seed of clouds and noise.
        record: Provenance, kept in the catalogue.
    """
    folder = path.parent / COLLECTION
    items: list[pystac.Item] = []
    with bar("scenes", unit="scene", total=len(PASSAGES) * len(GRANULES) + 2) as progress:
        for passage in PASSAGES:
            view = observe(world.reflectance, world.water, passage, layout, seed)
            for product in _products(passage, layout):
                items.append(_write_item(folder / product.id, product, view))
                progress.update()
        product = _Product(EARLIER_GRANULE, EARLIER, layout)
        view = observe(past.reflectance, past.water, EARLIER, layout, seed)
        items.append(_write_item(folder / product.id, product, view))
        progress.update()
    catalogue, collection = _assembled(items, path, record)
    for part in (*items, collection, catalogue):
        write_json(Path(str(part.get_self_href())), part.to_dict(include_self_link=False))


def _products(passage: Passage, layout: WorldGrid) -> list[_Product]:
    products = [_Product(granule, passage, layout) for granule in GRANULES]
    granule, baseline, generated = REPROCESSED
    if passage is PASSAGES[0]:
        products.append(_Product(granule, replace(passage, baseline=baseline, generated=generated), layout))
    return products


def _write_item(folder: Path, product: _Product, view: Recording) -> pystac.Item:
    window = product.layout.window(product.granule)
    dn, classes = as_dn(view, product.passage.offset_dn, window), coarse_classes(view, window)
    transform = product.layout.granule_transform(product.granule)
    footprint = _footprint(product)
    item = pystac.Item(
        product.id, mapping(footprint), list(footprint.bounds), _time(product.passage.sensed),
        _properties(product, dn[0], classes), stac_extensions=list(_EXTENSIONS), collection=COLLECTION,
    )  # fmt: skip
    item.set_self_href(str(folder / f"{product.id}.json"))
    for band, pixels in zip(BANDS, dn, strict=True):
        name = f"{band}.tif"
        write_cog(
            folder / name, pixels[None], crs=CRS, transform=transform, names=[band], nodata=0, level=_LEVEL,
        )  # fmt: skip
        item.add_asset(band, _asset(name, product, band, pixels.shape))
    name = "SCL.tif"
    write_cog(
        folder / name, classes[None], crs=CRS, transform=_scaled(transform, 2), names=["SCL"], nodata=0,
        level=_LEVEL, resampling="nearest",
    )  # fmt: skip
    item.add_asset("SCL", _asset(name, product, "SCL", classes.shape))
    return item


def _scaled(transform: Affine, factor: int) -> Affine:
    """Return the grid of pixels `factor` times as large with the same upper left corner."""
    side_m = PIXEL_M * factor
    return Affine(side_m, 0.0, transform.c, 0.0, -side_m, transform.f)


def _asset(name: str, product: _Product, band: str, shape: tuple[int, ...]) -> pystac.Asset:
    gsd_m = PIXEL_M * product.layout.granule_px / shape[0]
    left, bottom, right, top = product.layout.bounds(product.granule)
    fields: dict[str, Any] = {
        "gsd": gsd_m,
        "proj:shape": list(shape),
        "proj:bbox": [left, bottom, right, top],
        "proj:transform": [gsd_m, 0.0, left, 0.0, -gsd_m, top],
    }
    title = "Scene classification map (SCL)"
    if band in _DESCRIPTIONS:
        title, colour, wavelength, width = _DESCRIPTIONS[band]
        fields["eo:bands"] = [
            {"name": band, "common_name": colour, "center_wavelength": wavelength, "full_width_half_max": width}
        ]
    return pystac.Asset(f"./{name}", title, media_type=pystac.MediaType.COG, roles=["data"], extra_fields=fields)


def _properties(product: _Product, dn: np.ndarray, classes: np.ndarray) -> dict[str, Any]:
    """Properties of an item; shares of classes are computed from its pixels, over the area with data."""
    passage = product.passage
    valid = int((classes > 0).sum())
    shares = {
        f"s2:{name}_percentage": round(100 * int((classes == number).sum()) / max(valid, 1), 6)
        for name, number in CLASSES.items()
    }
    shares["s2:nodata_pixel_percentage"] = round(100 * float((dn == 0).mean()), 6)
    clouds = ("medium_proba_clouds", "high_proba_clouds", "thin_cirrus")
    return {
        "platform": passage.platform,
        "constellation": "Sentinel 2",
        "instruments": ["msi"],
        "proj:epsg": int(CRS.rpartition(":")[2]),
        "sat:orbit_state": "descending",
        "sat:relative_orbit": passage.orbit,
        "s2:mgrs_tile": product.granule,
        "s2:product_uri": product.uri,
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": passage.baseline,
        "s2:generation_time": passage.generated,
        "eo:cloud_cover": round(sum(shares[f"s2:{name}_percentage"] for name in clouds), 6),
        **shares,
    }


def _footprint(product: _Product) -> Polygon:
    """Outline of the area with data, in degrees."""
    layout = product.layout
    left, bottom, right, top = layout.bounds(product.granule)
    outline = box(left, bottom, right, top)
    if product.passage.edge is not None:
        rows, cols = layout.shape
        west, north = layout.transform.c, layout.transform.f
        south = north - rows * PIXEL_M
        upper, lower = (west + share * cols * PIXEL_M for share in product.passage.edge)
        outline = outline.intersection(Polygon([(west, north), (upper, north), (lower, south), (west, south)]))
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    return Polygon([to_degrees.transform(*corner) for corner in outline.exterior.coords])


def _assembled(
    items: list[pystac.Item], path: Path, record: dict[str, Any]
) -> tuple[pystac.Catalog, pystac.Collection]:
    """Link catalogue, collection and items; links are relative, so that the folder can be moved."""
    times = [item.datetime for item in items if item.datetime is not None]
    collection = pystac.Collection(
        COLLECTION,
        "Synthetic scenes in the form of Sentinel-2 Level-2A. No satellite saw them.",
        pystac.Extent(pystac.SpatialExtent([_around(items)]), pystac.TemporalExtent([[min(times), max(times)]])),
        title="Synthetic Sentinel-2 L2A",
        license="Apache-2.0",
    )
    catalogue = pystac.Catalog(
        "rankscape-demo",
        "The synthetic region of Rankscape's embedded default.",
        extra_fields={KEY: record},
        href=str(path),
        catalog_type=pystac.CatalogType.SELF_CONTAINED,
    )
    catalogue.add_child(collection)
    for item in items:
        collection.add_item(item)
    return catalogue, collection


def _around(items: list[pystac.Item]) -> list[float]:
    boxes = np.array([item.bbox for item in items])
    return [*boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist()]


def _compact(time: str) -> str:
    return _time(time).strftime("%Y%m%dT%H%M%S")


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)

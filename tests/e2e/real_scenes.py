"""A static STAC catalogue over two real Sentinel-2 scenes, and what a person sees on them.

Bolzano (2023, no offset in its numbers, classified) and the Dolomites beside Cortina (2022, offset of baseline 04.00
in its numbers, not classified). What the files lack, the items say. Both show one date: how change is measured on real
land, `pucallpa` has.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pystac
import rasterio
from e2e.real_land import SEEN as SEEN_BY_A_PERSON
from e2e.real_land import base_configuration, write_polygons
from pyproj import Transformer
from rasterio.shutil import copy as copy_raster
from shapely.geometry import Polygon, box, mapping

PATCH_PX = 32
BANDS = ("B04", "B03", "B02", "B08")

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of 10 m."""

LABELLED: dict[str, dict[str, list[Box]]] = {
    "32TPS": {
        "urban": [(384, 224, 640, 320), (288, 352, 480, 448), (320, 480, 448, 608), (544, 224, 640, 288)],
        "rural": [(0, 224, 160, 416), (0, 544, 128, 672), (704, 160, 896, 256), (128, 416, 256, 448)],
        "uninhabited": [(96, 96, 288, 160), (608, 480, 896, 672), (576, 0, 672, 64)],
    },
    "32TQS": {
        "urban": [(0, 864, 64, 928)],
        "rural": [(0, 736, 96, 832)],
        "uninhabited": [(224, 256, 672, 608), (928, 576, 1056, 896), (96, 288, 160, 416), (384, 832, 608, 928)],
    },
}
"""What one person saw in boxes of each scene; the labels of the patches inside."""

SEEN: dict[str, dict[str, list[Box]]] = {
    "32TPS": {
        "city": [(416, 320, 512, 384), (640, 256, 704, 320)],
        "industry": [(352, 416, 448, 480), (416, 512, 448, 640)],
        "village": [(192, 288, 256, 320), (32, 192, 96, 224), (416, 160, 512, 192)],
        "orchard": [(0, 352, 128, 448), (32, 608, 96, 672)],
        "forest": [(672, 416, 896, 480), (64, 160, 224, 192)],
    },
    "32TQS": {"rock": [(288, 192, 608, 256), (416, 608, 544, 640)], "forest": [(896, 320, 1024, 480)]},
}
"""Places of each kind that no label covers, to look at the map with."""

BUILT_UP = {"city": 3, "industry": 3, "village": 2, "orchard": 1, "forest": 0, "rock": 0}
"""How built-up the person found each kind: the reference that the score is compared with."""
CORNERS_M = {"32TPS": (674_990.0, 5_154_960.0), "32TQS": (740_350.0, 5_168_160.0)}
"""Upper left corner of each scene in UTM zone 32N."""
SIZES = {"32TPS": (705, 935), "32TQS": (934, 1059)}
"""Height and width of each scene in pixels."""
TOWNS_M = {"Bolzano": (680_300.0, 5_151_600.0), "Cortina": (740_700.0, 5_158_900.0)}
"""Middle of the towns, the second at the edge of its scene."""
_SQUARE_PX = 224


def inside(boxes: list[Box]) -> list[tuple[int, int]]:
    """Rows and columns of the patches that lie wholly in the boxes."""
    side = PATCH_PX
    return [
        (row, col)
        for left, top, right, bottom in boxes
        for row in range(-(-top // side), bottom // side)
        for col in range(-(-left // side), right // side)
    ]


def write_labels(path: Path) -> None:
    """Write the person's labels as a table of shares."""
    lines = ["patch_id,urban,rural,uninhabited"]
    for granule, kinds in LABELLED.items():
        for kind, boxes in kinds.items():
            shares = ",".join(str(int(name == kind)) for name in ("urban", "rural", "uninhabited"))
            lines += [f"{granule}_{row}_{col},{shares}" for row, col in dict.fromkeys(inside(boxes))]
    path.write_text("\n".join(lines) + "\n")


def write_seen(path: Path) -> None:
    """Write how built-up the person found places, as polygons."""
    found = [
        (BUILT_UP[kind], _polygon(granule, place))
        for granule, kinds in SEEN.items()
        for kind, places in kinds.items()
        for place in places
    ]
    write_polygons(path, "built_up", found, 32632)


def write_squares(path: Path) -> None:
    """Write squares of 2.2 km, for want of the borders of municipalities."""
    side = _SQUARE_PX
    found = [
        (f"{granule}-{top // side}-{left // side}",
         _polygon(granule, (left, top, min(left + side, width), min(top + side, height))))
        for granule, (height, width) in SIZES.items()
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]  # fmt: skip
    write_polygons(path, "code", found, 32632)


def write_surroundings(path: Path) -> None:
    """Write the distance of every patch to the nearest of the towns, and its scene."""
    side = 10 * PATCH_PX
    table = [
        {"patch_id": f"{granule}_{row}_{col}", "scene": granule,
         "town_m": round(min(np.hypot(left + side * (col + 0.5) - x, top - side * (row + 0.5) - y)
                             for x, y in TOWNS_M.values()), 1)}
        for granule, (left, top) in CORNERS_M.items()
        for row, col in np.ndindex(*(length // PATCH_PX for length in SIZES[granule]))
    ]  # fmt: skip
    pd.DataFrame(table).to_csv(path, index=False)


def write_cover(scenes: Path, path: Path) -> None:
    """Write the scene classification of Bolzano as a land cover of its own; the other scene has none."""
    with rasterio.open(scenes / "bolzano.tif") as raster:
        _write_cog(path, raster.read(5).astype("uint8"), raster.profile)


def _polygon(granule: str, place: Box) -> Polygon:
    (x, y), (left, top, right, bottom) = CORNERS_M[granule], place
    return box(x + 10 * left, y - 10 * bottom, x + 10 * right, y - 10 * top)


def build_catalogue(scenes: Path, folder: Path) -> Path:
    """Write the catalogue with an item a scene; return its catalog.json."""
    catalogue = pystac.Catalog("real-scenes", "Two real Sentinel-2 scenes")
    collection = pystac.Collection(
        "sentinel-2-l2a",
        "Sentinel-2 Level-2A",
        pystac.Extent(pystac.SpatialExtent([[10, 46, 13, 47]]), pystac.TemporalExtent([[None, None]])),
    )
    catalogue.add_child(collection)
    for item, bands in (_bolzano(scenes), _dolomites(scenes)):
        item_folder = folder / collection.id / item.id
        item_folder.mkdir(parents=True)
        for name, (pixels, profile) in bands.items():
            _write_cog(item_folder / f"{name}.tif", pixels, profile)
            item.add_asset(name, pystac.Asset(f"./{name}.tif", media_type=pystac.MediaType.COG, roles=["data"]))
        collection.add_item(item)
    catalogue.normalize_hrefs(str(folder))
    catalogue.save(pystac.CatalogType.SELF_CONTAINED)
    return folder / "catalog.json"


def _bolzano(scenes: Path):
    with rasterio.open(scenes / "bolzano.tif") as raster:
        pixels, profile = raster.read(), raster.profile
        item = _item("S2B_32TPS_20230715_0_L2A", "32TPS", "2023-07-15T10:16:01Z", raster, baseline="05.09")
    item.properties["earthsearch:boa_offset_applied"] = True
    item.properties["eo:cloud_cover"] = 0.0
    item.properties["s2:nodata_pixel_percentage"] = float(100 * (pixels[0] == 0).mean())
    names = (*BANDS, "SCL")
    return item, {
        name: (pixels[i].astype("uint8" if name == "SCL" else "uint16"), profile) for i, name in enumerate(names)
    }


def _dolomites(scenes: Path):
    bands = {}
    for name, number in zip(BANDS, (4, 3, 2, 8), strict=True):
        with rasterio.open(scenes / f"dolomites.b{number}.tif") as raster:
            bands[name] = (np.round(raster.read(1)).astype("uint16"), raster.profile)
            item = _item("S2A_32TQS_20220620_0_L2A", "32TQS", "2022-06-20T10:16:01Z", raster, baseline="04.00")
    item.properties["eo:cloud_cover"] = 1.0
    item.properties["s2:nodata_pixel_percentage"] = 0.0
    return item, bands


def _item(name: str, granule: str, time: str, raster, *, baseline: str) -> pystac.Item:
    corners = Transformer.from_crs(raster.crs, 4326, always_xy=True).transform_bounds(*raster.bounds)
    item = pystac.Item(name, mapping(box(*corners)), list(corners), pystac.utils.str_to_datetime(time), {})
    item.properties |= {
        "platform": f"sentinel-2{name[2].lower()}",
        "s2:mgrs_tile": granule,
        "s2:processing_baseline": baseline,
        "s2:generation_time": time,
        "sat:relative_orbit": 65,
        "proj:epsg": raster.crs.to_epsg(),
    }
    return item


def _write_cog(path: Path, pixels: np.ndarray, profile) -> None:
    flat = {"driver": "GTiff", "count": 1, "dtype": pixels.dtype, "nodata": 0}
    flat |= {key: profile[key] for key in ("crs", "transform", "width", "height")}
    with rasterio.MemoryFile() as memory:
        with memory.open(**flat) as raster:
            raster.write(pixels, 1)
        with memory.open() as raster:
            copy_raster(raster, path, driver="COG", compress="DEFLATE")


def configuration(catalogue: Path) -> str:
    """The region's configuration as JSON, which is YAML too."""
    bare = {
        "path": "cover.tif",
        "title": "Built-up or bare, by the scene classification",
        "classes": {2: None, 3: None, 4: 0, 5: 1, 6: 0, 7: None, 8: None, 9: None, 10: None, 11: 0},
    }
    distance = {
        "title": "Score and distance to a town",
        "tables": [{"path": "surroundings.csv", "key": "patch_id", "match": "patch_id"}],
        "outcomes": [{"column": "score"}],
        "explanatory": [{"column": "town_m", "transform": "log", "label": "Log distance to a town"}],
        "fixed_effects": "scene",
        "conley_m": 2000,
    }
    shared = base_configuration(
        "alps", 1500, "Squares of 2.2 km", regressions={"distance": distance},
        baselines={"cover-order": {"kind": "order", "reference": "bare"}},
    )  # fmt: skip
    own = {
        "references": {"seen": SEEN_BY_A_PERSON, "bare": bare},
        "search": {"kind": "static", "href": str(catalogue), "signing": "none"},
        "acquisitions": {"sentinel-2": {"product": "reflectance", "bands": BANDS}},
        "tile": {"patch_px": PATCH_PX},
        "report": {"title": "Bolzano and the Dolomites", "note": "The judge is a stand-in, no vision model."},
    }
    return json.dumps(shared | own, indent=1)


SHEET = (
    "granule\trole\tstart\tend\tmax_cloud_percent\n"
    "32TPS\tfit\t2023-07-01\t2023-07-31\t20\n"
    "32TQS\tfit\t2022-06-01\t2022-06-30\t20\n"
)

"""Rasters of yours that lie in several files: tiles of one mosaic, and the bands of a Sentinel-2 .SAFE folder.

They are joined as a GDAL virtual raster in memory: nothing is copied, and pixels of coarser bands are repeated.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import rasterio
from affine import Affine
from rasterio.errors import RasterioError

from rankscape.foundation.errors import RasterError
from rankscape.samples.listing import is_several, raster_files
from rankscape.scenes.granule_table import COLOURS
from rankscape.scenes.rasters import CLEAR, CLOUDY, NO_DATA, SCENE_CLASSES, SCENE_CLOUDS, brief, open_raster

_TYPES = {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32",
          "float32": "Float32", "float64": "Float64"}  # fmt: skip
_SIZES_M = (10, 20, 60)
_SCENE_CLASSES = "SCL"
_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""Bands by the `band_id` of the metadata."""
_MAX_METADATA_BYTES = 32 << 20
_TOLERANCE = 1e-3
"""Share of a pixel by which tiles may lie off one grid."""


class OpenedRaster(NamedTuple):
    """An open raster, and what its metadata says of it."""

    scene: Any
    """rasterio dataset."""
    quality: Any | None
    """rasterio dataset of 0 no data, 1 clear, 2 cloud or shadow; None where nothing is known."""
    scaled: tuple[float, float] | None
    """Scale and offset that make reflectance of its numbers; None where the settings say so, or nobody."""


class _Source(NamedTuple):
    """One band of one file, and where it lies in the whole, in pixels."""

    path: Path
    band: int
    size: tuple[int, int]
    place: tuple[float, float, float, float]


@contextlib.contextmanager
def open_own_raster(path: Path, bands: Sequence[str], beside: Path | None = None) -> Iterator[OpenedRaster]:
    """Open a raster of the granule table: a file, tiles of one mosaic (a pattern with `*`), or a .SAFE folder.

    Args:
        path: What the granule table names.
        bands: Bands to read of a .SAFE folder, red, green and blue first; default: these three.
        beside: Image of another sensor on the same grid, whose bands stand behind those of the first.

    Raises:
        RasterError: If nothing is there, tiles are of several kinds, metadata or a band is missing, or two sensors lie
            on different grids.
    """
    if beside is not None:
        with _open(_beside(path, beside), path) as scene:
            yield OpenedRaster(scene, None, None)
        return
    if not is_several(str(path)):
        with open_raster(path) as scene:
            yield OpenedRaster(scene, None, None)
        return
    is_safe = path.suffix.upper() == ".SAFE"
    documents, scaled = _safe(path, bands or COLOURS) if is_safe else ([_mosaic(path)], None)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(_open(document, path)) for document in documents]
        yield OpenedRaster(opened[0], opened[1] if len(opened) > 1 else None, scaled)


@contextlib.contextmanager
def _open(document: str, path: Path) -> Iterator[Any]:
    try:
        with rasterio.MemoryFile(document.encode(), ext=".vrt") as memory, memory.open(driver="VRT") as dataset:
            yield dataset
    except RasterioError as error:
        raise RasterError(f"{path} cannot be read as one raster ({brief(error)}): get its files again.") from None


def _mosaic(path: Path) -> str:
    files = raster_files(str(path))
    kinds = {}
    for file in files:
        with open_raster(file) as one:
            kinds_of_radar = tuple(one.tags().get(tag) for tag in _RADAR_TAGS)
            facts = (one.crs, one.res, one.dtypes, one.descriptions, one.nodata, kinds_of_radar)
            kinds[file] = (facts, one.transform, one.width, one.height)
    first = next(iter(kinds.values()))
    for file, (facts, *_) in kinds.items():
        differing = [name for name, one, other in zip(_FACTS, facts, first[0], strict=True) if one != other]
        if differing:
            raise RasterError(
                f"{file} and {files[0]} differ in {', '.join(differing)}: they are no tiles of one mosaic."
            )
    (crs, (wide, high), dtypes, names, nodata, _), transform = first[0], first[1]
    if transform.b or transform.d or transform.e >= 0:
        raise RasterError(f"{files[0]} is turned or mirrored: make it north up (gdalwarp).")
    left = min(one[1].c for one in kinds.values())
    top = max(one[1].f for one in kinds.values())
    places = {}
    for file, (_, own, width, height) in kinds.items():
        col, row = (own.c - left) / wide, (top - own.f) / high
        if max(abs(col - round(col)), abs(row - round(row))) > _TOLERANCE:
            raise RasterError(f"{file} and {files[0]} lie on different grids: no tiles of one mosaic.")
        places[file] = (round(col), round(row), width, height)
    size = (max(p[0] + p[2] for p in places.values()), max(p[1] + p[3] for p in places.values()))
    bands = [
        (
            names[number] or "",
            dtypes[number],
            [_Source(file, number + 1, place[2:], place) for file, place in places.items()],
        )
        for number in range(len(dtypes))
    ]
    return _document(crs, Affine(wide, 0, left, 0, -high, top), size, bands, nodata)


def _beside(path: Path, other: Path) -> str:
    """A virtual raster of the bands of two images."""
    with open_raster(path) as one, open_raster(other) as two:
        for fact, ours, theirs in (
            ("CRS", one.crs, two.crs),
            ("place or pixel size", one.transform, two.transform),
            ("size", one.shape, two.shape),
            ("type", one.dtypes[0], two.dtypes[0]),
        ):
            if ours != theirs:
                raise RasterError(
                    f"{path} and {other} differ in {fact}, {_said(ours)} and {_said(theirs)}: two sensors side "
                    "by side need one grid and type: compose both of the same granule."
                )
        size = (one.width, one.height)
        bands = [
            (dataset.descriptions[number] or "", dataset.dtypes[number],
             [_Source(file, number + 1, size, (0, 0, *size))])
            for file, dataset in ((path, one), (other, two))
            for number in range(dataset.count)
        ]  # fmt: skip
        return _document(one.crs, one.transform, size, bands, one.nodata)


def _said(fact: Any) -> str:
    return ", ".join(f"{value:g}" for value in tuple(fact)[:6]) if isinstance(fact, Affine) else str(fact)


_FACTS = ("CRS", "pixel size", "type or number of bands", "band names", "nodata value", "backscatter or orbit")
_RADAR_TAGS = ("BACKSCATTER", "UNIT", "ORBITS")
"""What composed images of radar say of themselves: kinds and directions are not put side by side."""


def _safe(folder: Path, wanted: Sequence[str]) -> tuple[list[str], tuple[float, float]]:
    """Virtual rasters of the bands and, at level 2A, of cloud; and what makes reflectance of the bands."""
    files = raster_files(str(folder))
    chosen = {name: _band_file(folder, files, name) for name in wanted}
    grids = {}
    for name, file in chosen.items():
        with open_raster(file) as one:
            grids[name] = (one.crs, one.transform, one.width, one.height, one.dtypes[0])
    crs, transform, width, height, dtype = min(grids.values(), key=lambda one: one[1].a)
    bands = [(name, dtype, [_Source(chosen[name], 1, grids[name][2:4], (0, 0, width, height))]) for name in wanted]
    documents = [_document(crs, transform, (width, height), bands, 0)]
    classes = [file for file in files if f"_{_SCENE_CLASSES}_" in file.name]
    if classes:
        finest = min(classes, key=_size_m)
        with open_raster(finest) as one:
            source = _Source(finest, 1, (one.width, one.height), (0, 0, width, height))
        table = [(number, CLOUDY if number in SCENE_CLOUDS else CLEAR) for number in SCENE_CLASSES]
        table[0] = (0, NO_DATA)
        documents.append(_document(crs, transform, (width, height), [("quality", "uint8", [source])], None, table))
    return documents, _scale(folder, wanted)


def _size_m(file: Path) -> int:
    return next((size for size in _SIZES_M if f"_{size}m" in file.name), _SIZES_M[0])


def _band_file(folder: Path, files: Sequence[Path], name: str) -> Path:
    """The finest file of a band."""
    found = [file for file in files if f"_{name}_" in file.name or file.stem.endswith(f"_{name}")]
    if not found:
        there = sorted({part for file in files for part in file.stem.split("_") if part in _BANDS})
        raise RasterError(f"{folder} has no band {name}, which tile.bands names; it has {', '.join(there) or 'none'}.")
    return min(found, key=_size_m)


def _scale(folder: Path, wanted: Sequence[str]) -> tuple[float, float]:
    """Scale and offset of reflectance, as the product's metadata states them (0 before baseline 04.00)."""
    found = sorted(folder.glob("MTD_MSIL*.xml"))
    if len(found) != 1 or found[0].stat().st_size > _MAX_METADATA_BYTES:
        raise RasterError(
            f"{folder} has {len(found)} files MTD_MSIL1C.xml or MTD_MSIL2A.xml; one is needed: unpack it again."
        )
    try:
        root = ElementTree.fromstring(found[0].read_bytes())
    except ElementTree.ParseError as error:
        raise RasterError(f"{found[0]} is no whole XML ({error}): unpack the product again.") from None
    numbers = [one for one in root.iter() if one.tag in ("BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE")]
    if not numbers:
        raise RasterError(f"{found[0]} states no quantification value, so its numbers are no reflectance.")
    quantification = float(numbers[0].text or "nan")
    stated = {
        _BANDS[int(one.get("band_id", "-1"))]: float(one.text or "nan")
        for one in root.iter()
        if one.tag in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")
    }
    offsets = {stated.get(name, 0.0) for name in wanted}
    if len(offsets) > 1:
        raise RasterError(f"{found[0]} states different offsets for {', '.join(wanted)}: read bands of one offset.")
    return 1 / quantification, offsets.pop() / quantification


def _document(
    crs: Any, transform: Affine, size: tuple[int, int], bands: Sequence[tuple[str, str, Sequence[_Source]]],
    nodata: float | None, table: Sequence[tuple[int, int]] = (),
) -> str:  # fmt: skip
    """The text of a virtual raster."""
    corners = ", ".join(repr(float(value)) for value in transform.to_gdal())
    parts = [f'<VRTDataset rasterXSize="{size[0]}" rasterYSize="{size[1]}">']
    parts += [f"<SRS>{escape(crs.to_wkt())}</SRS>" if crs else "", f"<GeoTransform>{corners}</GeoTransform>"]
    for number, (name, dtype, sources) in enumerate(bands, 1):
        parts.append(f'<VRTRasterBand dataType="{_TYPES[dtype]}" band="{number}">')
        parts.append(f"<Description>{escape(name)}</Description>" if name else "")
        parts.append("" if nodata is None else f"<NoDataValue>{nodata!r}</NoDataValue>")
        for source in sources:
            kind = "ComplexSource" if table or nodata is not None else "SimpleSource"
            left, top, width, height = source.place
            parts += [
                f'<{kind} resampling="near"><SourceFilename relativeToVRT="0">{escape(str(source.path.resolve()))}'
                f"</SourceFilename><SourceBand>{source.band}</SourceBand>",
                f'<SrcRect xOff="0" yOff="0" xSize="{source.size[0]}" ySize="{source.size[1]}"/>',
                f'<DstRect xOff="{left}" yOff="{top}" xSize="{width}" ySize="{height}"/>',
                "" if nodata is None else f"<NODATA>{nodata!r}</NODATA>",
                f"<LUT>{','.join(f'{key}:{value}' for key, value in table)}</LUT>" if table else "",
                f"</{kind}>",
            ]
        parts.append("</VRTRasterBand>")
    return "".join([*parts, "</VRTDataset>"])

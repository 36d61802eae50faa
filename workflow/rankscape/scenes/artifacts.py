"""Files of scenes: what was found, what was taken, and the image that was made of it."""

from typing import Any

from rankscape.artifacts import Document, DocumentKeys, Keys, Raster


class SceneKeys(Keys):
    """One scene that was taken."""

    item_id: str
    """Id of the scene in its catalogue."""
    datetime: str | None = None
    """Moment that it was taken, UTC."""
    platform: str | None = None
    """Satellite."""
    processing_baseline: str | None = None
    """Processing baseline, such as 04.00."""
    offset_dn: int | None = None
    """Offset of its digital numbers; null where it has none."""
    offset_from: str | None = None
    """What says so."""
    backscatter: str | None = None
    """Of radar: `gamma0` or `sigma0`."""
    orbit_direction: str | None = None
    """Of radar: `ascending` or `descending`."""
    season: str | None = None
    """Season that it is composed for; null where there are none."""
    fills: bool | None = None
    """Whether it only fills what scenes of the other direction of the orbit leave empty."""
    source: str | None = None
    """Address of the catalogue that it was found in."""
    assets: dict[str, Any] = {}
    """Its files by name: path, address, bytes, SHA-256."""


class DownloadKeys(DocumentKeys):
    """What was fetched for a granule."""

    granule: str
    """Granule."""
    sensor: str
    """Sensor of the scenes."""
    product: str
    """What the scenes are: `visual` or `reflectance`, `gamma0` or `sigma0`."""
    bands: list[str] = []
    """Bands of the image, in order; with seasons, of each season."""
    seasons: list[str] = []
    """Names of the seasons, in the order of the year; empty where there are none."""
    missing_seasons: list[str] = []
    """Seasons without a scene."""
    scenes: list[SceneKeys]
    """Scenes, best first."""


CANDIDATES = Document("scenes/{acquisition}/{granule}/candidates.json", "search", "Scenes that were found, best first")
DOWNLOAD = Document(
    "scenes/{acquisition}/{granule}/download.json", "fetch", "Scenes that were taken: days, sizes, checksums",
    model=DownloadKeys,
)  # fmt: skip
SCENE = Raster("scenes/{acquisition}/{granule}/scene.tif", "compose", "The image that is looked at")
QUALITY = Raster("scenes/{acquisition}/{granule}/quality.tif", "compose", "Cloud and valid pixels of the image")

"""What an acquisition asks of a sensor, and the sensors by their names.

A sensor says which collection and assets an acquisition needs, how an item is read, how raw numbers become physical
values, and which pixels are valid and clear. A new sensor is one module beside this one with a `SENSOR` in it.
"""

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, cast

import numpy as np

from rankscape.foundation.errors import InputError
from rankscape.foundation.package_files import lazy_folder

Item = Mapping[str, Any]
"""A STAC item as a catalogue gave it."""


@dataclass(frozen=True)
class Product:
    """One kind of image that a sensor gives."""

    bands: tuple[str, ...]
    """Bands that may be chosen."""
    default_bands: tuple[str, ...]
    """Bands where none are chosen, in the order of the image."""
    display_bands: tuple[str, ...]
    """Bands that show as red, green, blue, with which an image begins; none of a product that has no colours."""
    dtype: str
    """Type of the composed image."""
    value_range: tuple[float, float]
    """Least and greatest value of the composed image."""
    nodata: float | None
    """Value of pixels without data; None where the mask alone says so."""
    file_types: tuple[str, ...]
    """Types that an asset's raw numbers may have."""
    whole_asset: str | None = None
    """Asset that holds all bands in one file; None where each band is an asset of its own."""
    collection: str | None = None
    """STAC collection, where it is another than the sensor's."""

    def assets(self, bands: Sequence[str]) -> list[str]:
        """Return the assets that an image of these bands is made of."""
        return [self.whole_asset] if self.whole_asset else list(bands)

    @property
    def file_bands(self) -> int:
        """Bands in each file."""
        return len(self.bands) if self.whole_asset else 1


@dataclass(frozen=True)
class SceneFacts:
    """One STAC item and the facts by which it is chosen."""

    item: dict[str, Any]
    """The item as the catalogue gave it."""
    id: str
    """Id of the item."""
    collection: str | None
    """Collection of the item; None where it names none."""
    granule: str | None
    """MGRS granule; None where the item does not say."""
    sensed: datetime.datetime
    """Sensing time, UTC."""
    platform: str
    """Satellite, lower case."""
    orbit: int | None
    """Relative orbit."""
    baseline: tuple[int, int] | None
    """Processing baseline, such as (5, 10)."""
    generated: datetime.datetime
    """When the product was made; the earliest time there is where the item does not say."""
    cloud_percent: float | None
    """Cloud share of the area with data."""
    nodata_percent: float | None
    """Share of pixels without data."""
    direction: str | None = None
    """`ascending` or `descending`; None where the item does not say."""


class Decoder(Protocol):
    """Turns the raw numbers of one scene into physical values, window by window."""

    def decode(self, dn: Sequence[np.ndarray], nodata: Sequence[float | None]) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels and where there is data.

        Args:
            dn: Raw numbers of each file in one window, shape (file bands, rows, columns).
            nodata: Each file's mark of no data.

        Returns:
            Pixels of the product's type, shape (bands, rows, columns), and bool, shape (rows, columns).
        """
        ...

    def doubts(self) -> str | None:
        """Return what speaks against the item's word once all windows are decoded; None where nothing does."""
        ...


class Sensor(Protocol):
    """What every acquisition asks of its sensor."""

    name: str
    """Name in the configuration."""
    title: str
    """Name for people."""
    products: Mapping[str, Product]
    """Products by name, the default one first."""
    quality_classes: Mapping[int, str]
    """Classes of what a pixel may show, such as cloud; empty where nothing says so."""
    cloud_classes: tuple[int, ...]
    """Classes that count as cloud or cloud shadow unless an acquisition says otherwise."""


class ArchiveSensor(Sensor, Protocol):
    """A sensor whose scenes lie in catalogues."""

    collection: str
    """STAC collection."""
    asset_hosts: Mapping[str, tuple[str, ...]]
    """Hosts of the assets of each public catalogue, by the catalogue's host."""
    quality_asset: str | None
    """Asset that says what each pixel shows; None where there is none."""
    swath: bool
    """Whether a scene is a piece of a swath, chosen by where it lies and resampled, and not a granule of its own."""

    def query(self, catalogue: str, granule: str, max_cloud_percent: float) -> dict[str, Any]:
        """Return the filter with which a catalogue is asked; a server may ignore it."""
        ...

    def read_item(self, item: dict[str, Any]) -> SceneFacts:
        """Read the facts by which an item is chosen.

        Raises:
            ValueError: If the item is of no use; the message is a few words.
        """
        ...

    def asset(self, item: Item, name: str) -> Mapping[str, Any] | None:
        """Return the asset of a band, or the quality asset, whatever the catalogue calls it; None if missing."""
        ...

    def origin(self, item: Item, product: str) -> dict[str, Any]:
        """Return what a decoder has to know of an item; the record of the download keeps it.

        Raises:
            RasterError: If the item does not tell how its numbers are to be read.
        """
        ...

    def empty_percent(
        self, item: Item, asset: str, origin: Mapping[str, Any], tolerance_percent: float
    ) -> float | None:
        """Return the share of an asset's pixels that must be 0; None where nothing can be held against it."""
        ...

    def decoder(self, label: str, product: str, origin: Mapping[str, Any]) -> Decoder:
        """Return the decoder of one scene; `label` names it in messages."""
        ...

    def finish(self, pixels: np.ndarray) -> np.ndarray:
        """Return composed pixels as they are stored: of radar, which is averaged as power, decibels."""
        ...

    def clear(self, seen: np.ndarray, quality: np.ndarray | None, cloud_classes: Collection[int]) -> np.ndarray:
        """Return where a scene shows neither cloud nor cloud shadow, bool.

        Args:
            seen: bool; where there is data.
            quality: Raw numbers of the quality asset, of the same shape, or None: all that was seen counts as clear.
            cloud_classes: Classes that count as cloud or cloud shadow.
        """
        ...


EARLIEST = datetime.datetime.min.replace(tzinfo=datetime.UTC)
"""The time of what does not say when."""


def moment_of(value: Any) -> datetime.datetime | None:
    """Read a time of an item, UTC; None where it is none."""
    try:
        time = datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return time.astimezone(datetime.UTC) if time.tzinfo else time.replace(tzinfo=datetime.UTC)


SENSORS = lazy_folder(__file__, __package__)
"""Modules of the sensors, each with its `SENSOR`, by name in the configuration."""


@cache
def sensor_named(name: str) -> Sensor:
    """Return a sensor by its name in the configuration; only its own module is imported.

    Raises:
        ValueError: If there is none of that name; the message names those that there are.
    """
    if name not in SENSORS:
        raise ValueError(f"{name!r} is no known sensor; there are {', '.join(SENSORS)}")
    sensor: Sensor = SENSORS[name].SENSOR
    return sensor


def archive_sensor(name: str) -> ArchiveSensor:
    """Return a sensor whose scenes lie in catalogues.

    Raises:
        InputError: If the sensor's images are named by the granule table instead.
    """
    sensor = sensor_named(name)
    if not hasattr(sensor, "collection"):
        raise InputError(f"{sensor.title} are in no catalogue: the granule table must name them for every granule.")
    return cast(ArchiveSensor, sensor)

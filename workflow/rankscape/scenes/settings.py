"""Settings of scenes: where they are looked for, and what an acquisition takes of them (docs/methods/scenes.md)."""

import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from rankscape.foundation.settings import Identifier, Section, worded
from rankscape.scenes.sensors.protocol import Product, Sensor, sensor_named

Percent = Annotated[float, Field(ge=0, le=100)]
HostName = Annotated[
    str,
    Field(
        pattern=worded(
            r"^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
            "the name of a host without https:// and path, such as data.example.org or *.example.org",
        )
    ),
]


Orbit = Literal["descending", "ascending", "either"]
MonthDay = Annotated[
    str, Field(pattern=worded(r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", "month and day, such as 03-01"))
]
Seasons = Annotated[dict[Identifier, tuple[MonthDay, MonthDay]], Field(min_length=1)]
FOUR_SEASONS = {
    "spring": ("03-01", "06-01"), "summer": ("06-01", "09-01"), "autumn": ("09-01", "12-01"),
    "winter": ("12-01", "03-01"),
}  # fmt: skip
"""First day of each northern season, and the day after its last; winter ends in the next year."""


class CatalogueSettings(Section):
    """One catalogue of scenes."""

    kind: Literal["stac-api", "static"] = "stac-api"
    """`stac-api`: a STAC API that is asked; `static`: a catalogue of files on disk or behind HTTP that is read."""
    href: str = "https://planetarycomputer.microsoft.com/api/stac/v1"
    """Address of the API, or path or address of a static `catalog.json`; a path is seen from the working folder."""
    collection: str | None = None
    """STAC collection; default: that of the acquisition's sensor, such as sentinel-2-l2a."""
    signing: Literal["none", "planetary-computer"] = "planetary-computer"
    """How asset addresses are signed right before they are read; no signature is ever written to a file."""


class SearchSettings(CatalogueSettings):
    """Where scenes are looked for, and which are good enough."""

    fallback: CatalogueSettings | None = None
    """A second catalogue, for where the first does not answer, has no scene, or cannot give the assets of one."""
    max_nodata_percent: Percent = 60.0
    """Scenes with a larger share of pixels without data are left out."""

    def of_collection(self, collection: str | None) -> "SearchSettings":
        """Return the settings with the collection that an acquisition names for all catalogues; None leaves theirs."""
        if collection is None:
            return self
        second = self.fallback and self.fallback.model_copy(update={"collection": collection})
        return self.model_copy(update={"collection": collection, "fallback": second})

    def catalogues(self) -> tuple["SearchSettings", ...]:
        """Return the settings of every catalogue, the first one first, each as if it were the only one."""
        alone = self.model_copy(update={"fallback": None})
        return (alone,) if self.fallback is None else (alone, alone.model_copy(update=dict(self.fallback)))


class SensorSettings(Section):
    """Whose scenes are taken."""

    sensor: str = "sentinel-2"
    """Sensor whose scenes are taken: `sentinel-2`, `sentinel-1`, or `local` where the granule table names images of
    its own."""

    @field_validator("sensor")
    @classmethod
    def _sensor_known(cls, name: str) -> str:
        sensor_named(name)
        return name

    @property
    def sensor_facts(self) -> Sensor:
        """What is known of the sensor."""
        return sensor_named(self.sensor)


class SoughtSettings(SensorSettings):
    """Which scenes are looked for."""

    collection: str | None = None
    """STAC collection; default: of radar that of the product, else `search.collection`, else that of the sensor."""
    orbit: Orbit | None = None
    """Of radar: which passes. `either` takes descending ones, and ascending ones where those leave more than 5 %
    empty; default: `descending`."""
    seasons: Seasons | None = None
    """One image a season: names, and first day and the day after the last, such as {dry: [05-01, 10-01]}. `four` means
    northern spring, summer, autumn and winter. A season belongs to the row of the granule table in whose dates it
    begins, and may end after them."""

    @field_validator("seasons", mode="before", json_schema_input_type=Literal["four"] | Seasons | None)
    @classmethod
    def _seasons_written_out(cls, seasons: Any) -> Any:
        if isinstance(seasons, str) and seasons != "four":
            raise ValueError(
                f"{seasons!r} names no seasons: write four, or names with first day and day after the last"
            )
        return dict(FOUR_SEASONS) if seasons == "four" else seasons

    @field_validator("seasons")
    @classmethod
    def _seasons_last(cls, seasons: Any) -> Any:
        for name, (first, end) in (seasons or {}).items():
            if first == end:
                raise ValueError(f"season {name} begins and ends on {first}: it has no day")
            for day in (first, end):
                try:
                    datetime.date.fromisoformat(f"2023-{day}")
                except ValueError:
                    raise ValueError(f"season {name}: {day} is no day of every year") from None
        return seasons

    @model_validator(mode="after")
    def _known_to_sensor(self) -> "SoughtSettings":
        archive = hasattr(self.sensor_facts, "collection")
        if not archive and (self.seasons or self.collection):
            key = "seasons" if self.seasons else "collection"
            raise ValueError(f"{key} goes with a sensor of a catalogue, and {self.sensor} is none: leave it out")
        if self.orbit and not getattr(self.sensor_facts, "swath", False):
            raise ValueError(f"orbit = {self.orbit!r} goes with radar (sentinel-1), not {self.sensor}: leave it out")
        return self

    @property
    def windows(self) -> dict[str, tuple[str, str]]:
        """First day, and the day after the last, of each season, in the order of the year; empty without seasons."""
        return dict(sorted((self.seasons or {}).items(), key=lambda season: (season[1], season[0])))


class FetchSettings(SensorSettings):
    """Which assets of the candidates are downloaded."""

    product: str = ""
    """Product of the sensor; default: its first. Of Sentinel-2 `visual`, the 8-bit true-colour asset, or `reflectance`,
    the bands listed below. Of Sentinel-1 `gamma0` (terrain flattened) or `sigma0`."""
    bands: tuple[str, ...] = ()
    """Bands in the order of the image, red, green, blue first; default: those alone. Of Sentinel-1 VV and VH."""
    max_scenes: Annotated[int, Field(ge=1, le=24)] = 1
    """So many of the best candidates, in each season, are downloaded; more than one lets compose fill holes. Default:
    1; with seasons, and of radar, 6."""
    hosts: tuple[HostName, ...] = ()
    """Hosts that assets may come from besides their catalogue's own; `*.example.org`: all below example.org."""
    nodata_tolerance_percent: Percent = 1.0
    """An asset whose share of pixels without data differs from its item's by more percentage points is not used."""

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, values: Any) -> Any:
        """Fill in product and bands of the sensor, so that the settings say the same however short they are written."""
        return {**values, **_chosen(cls, values)} if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _bands_usable(self) -> "FetchSettings":
        product = self.product_facts
        if len(set(self.bands)) != len(self.bands):
            raise ValueError(f"a band is listed twice in {list(self.bands)}")
        unknown = [band for band in self.bands if band not in product.bands]
        if unknown:
            raise ValueError(f"bands {unknown} are none of {list(product.bands)}, the bands of {self.product}")
        if self.bands[: len(product.display_bands)] != product.display_bands:
            raise ValueError(
                f"the first three bands must be {', '.join(product.display_bands)}: judges and contact sheets show "
                "them as red, green, blue"
            )
        if getattr(self.sensor_facts, "swath", False) and len(self.bands) < len(product.bands):
            raise ValueError(f"bands = {list(self.bands)}: both polarisations {list(product.bands)} are needed")
        if product.whole_asset and self.bands != product.bands:
            raise ValueError(f"product {self.product} has the bands {list(product.bands)}: leave `bands` out")
        return self

    @property
    def product_facts(self) -> Product:
        """What is known of the product."""
        return self.sensor_facts.products[self.product]


def _chosen(section: type[FetchSettings], values: dict[str, Any]) -> dict[str, Any]:
    name = values.get("sensor", section.model_fields["sensor"].default)
    try:
        sensor = sensor_named(name)
    except (ValueError, TypeError, AttributeError):
        return {}  # the sensor's own validation says so
    kinds = [
        name for name, product in sensor.products.items() if product.nodata is not None or not values.get("seasons")
    ]
    product = values.get("product") or next(iter(kinds or sensor.products))
    if product not in sensor.products:
        raise ValueError(f"product = {product!r} is none of {list(sensor.products)}, the products of {sensor.title}")
    return {"product": product, "bands": values.get("bands") or sensor.products[product].default_bands}


class ComposeSettings(Section):
    """How downloaded scenes become one image a granule."""

    composite: Literal["best", "median"] = "best"
    """`best`: the best scene, its holes filled from the next ones; `median`: per-pixel median of clear observations.
    Default: `best`; with seasons, and of radar, `median`."""
    cloud_classes: tuple[int, ...] | None = None
    """Classes of the sensor's pixel classification that count as cloud or cloud shadow; default: those of the sensor,
    for Sentinel-2 cloud shadow, cloud of medium and high probability, and thin cirrus of the SCL: 3, 8, 9, 10."""


_OF_SEVERAL = {"max_scenes": 6, "composite": "median"}
"""Defaults of seasons, and of radar, whose speckle one scene alone does not lose."""


class AcquisitionSettings(FetchSettings, SoughtSettings, ComposeSettings):
    """One kind of image of the region's granules: sensor, product, bands, and how scenes become one image."""

    beside: Identifier | None = None
    """Another acquisition, such as one of radar, whose bands stand behind these in every patch; on the same grid."""

    @model_validator(mode="before")
    @classmethod
    def _with_several(cls, values: Any) -> Any:
        """Fill in how many scenes make an image, and how, where one is not enough."""
        if not isinstance(values, dict):
            return values
        try:
            swath = getattr(sensor_named(values.get("sensor", "sentinel-2")), "swath", False)
        except (ValueError, TypeError, AttributeError):
            return values  # the sensor's own validation says so
        return {**_OF_SEVERAL, **values} if swath or values.get("seasons") else values

    @model_validator(mode="after")
    def _seasons_can_miss(self) -> "AcquisitionSettings":
        if self.seasons and self.product_facts.nodata is None:
            raise ValueError(f"seasons may be missing, which product {self.product} cannot say: take reflectance")
        return self

    @model_validator(mode="after")
    def _classes_known(self) -> "AcquisitionSettings":
        known = self.sensor_facts.quality_classes
        unknown = [number for number in self.cloud_classes or () if number not in known]
        if unknown:
            raise ValueError(f"cloud_classes {unknown} are none of {sorted(known)}, the classes of {self.sensor}")
        return self

    def sought(self) -> SoughtSettings:
        """Return what the stage search reads: bands and composites do not ask a catalogue again."""
        chosen = self.model_dump(include=set(SoughtSettings.model_fields))
        return SoughtSettings(**{**chosen, "collection": self.collection or self.product_facts.collection})

    def fetched(self) -> FetchSettings:
        """Return what the stage fetch reads: no other change of the acquisition downloads again."""
        return FetchSettings(**self.model_dump(include=set(FetchSettings.model_fields)))

    def composed(self) -> ComposeSettings:
        """Return what the stage compose reads; the record of the download says the rest."""
        return ComposeSettings(**self.model_dump(include=set(ComposeSettings.model_fields)))


Intermediate = Literal["assets", "scenes", "tiles", "features"]
"""Large files between stages: assets as delivered; composed scenes and their quality; patches; features."""


class StorageSettings(Section):
    """Which large intermediate files are removed as soon as nothing that is planned needs them."""

    drop: tuple[Intermediate, ...] = ()
    """What is removed: `assets`, `scenes`, `tiles`, `features`; a later job that needs one makes it again."""

"""Settings of scenes: where they are looked for, and what an acquisition takes of them (docs/methods/scenes.md)."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from rankscape.foundation.settings import Section, worded
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

    def catalogues(self) -> tuple["SearchSettings", ...]:
        """Return the settings of every catalogue, the first one first, each as if it were the only one."""
        alone = self.model_copy(update={"fallback": None})
        return (alone,) if self.fallback is None else (alone, alone.model_copy(update=dict(self.fallback)))


class FetchSettings(Section):
    """Which assets of the candidates are downloaded."""

    sensor: str = "sentinel-2"
    """Sensor whose scenes are taken: `sentinel-2`, or `local` where the granule table names images of its own."""
    product: str = ""
    """Product of the sensor; default: its first. Of Sentinel-2 `visual`, the 8-bit true-colour asset, or `reflectance`,
    the bands listed below."""
    bands: tuple[str, ...] = ()
    """Bands in the order of the image, red, green, blue first; default: those alone."""
    max_scenes: Annotated[int, Field(ge=1, le=24)] = 1
    """So many of the best candidates are downloaded; more than one lets compose fill holes."""
    hosts: tuple[HostName, ...] = ()
    """Hosts that assets may come from besides their catalogue's own; `*.example.org`: all below example.org."""
    nodata_tolerance_percent: Percent = 1.0
    """An asset whose share of pixels without data differs from its item's by more percentage points is not used."""

    @field_validator("sensor")
    @classmethod
    def _sensor_known(cls, name: str) -> str:
        sensor_named(name)
        return name

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
        if self.bands[:3] != product.display_bands:
            raise ValueError(
                f"the first three bands must be {', '.join(product.display_bands)}: judges and contact sheets show "
                "them as red, green, blue"
            )
        if product.whole_asset and self.bands != product.bands:
            raise ValueError(f"product {self.product} has the bands {list(product.bands)}: leave `bands` out")
        return self

    @property
    def sensor_facts(self) -> Sensor:
        """What is known of the sensor."""
        return sensor_named(self.sensor)

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
    product = values.get("product") or next(iter(sensor.products))
    if product not in sensor.products:
        raise ValueError(f"product = {product!r} is none of {list(sensor.products)}, the products of {sensor.title}")
    return {"product": product, "bands": values.get("bands") or sensor.products[product].default_bands}


class ComposeSettings(Section):
    """How downloaded scenes become one image a granule."""

    composite: Literal["best", "median"] = "best"
    """`best`: the best scene, its holes filled from the next ones; `median`: per-pixel median of clear observations."""
    cloud_classes: tuple[int, ...] | None = None
    """Classes of the sensor's pixel classification that count as cloud or cloud shadow; default: those of the sensor,
    for Sentinel-2 cloud shadow, cloud of medium and high probability, and thin cirrus of the SCL: 3, 8, 9, 10."""


class AcquisitionSettings(FetchSettings, ComposeSettings):
    """One kind of image of the region's granules: sensor, product, bands, and how scenes become one image."""

    @model_validator(mode="after")
    def _classes_known(self) -> "AcquisitionSettings":
        known = self.sensor_facts.quality_classes
        unknown = [number for number in self.cloud_classes or () if number not in known]
        if unknown:
            raise ValueError(f"cloud_classes {unknown} are none of {sorted(known)}, the classes of {self.sensor}")
        return self

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

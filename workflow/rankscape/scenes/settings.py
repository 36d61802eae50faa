"""Settings of the stages that fetch scenes: search, fetch, compose (docs/scenes.md)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rankscape.foundation.settings import Section

Percent = Annotated[float, Field(ge=0, le=100)]
BandName = Annotated[str, Field(pattern=r"^B(0[1-9]|1[0-2]|8A)$")]


HostName = Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")]


class CatalogueSettings(Section):
    """One catalogue of scenes."""

    kind: Literal["stac-api", "static"] = "stac-api"
    """`stac-api`: a STAC API that is asked; `static`: a catalogue of files on disk or behind HTTP that is read."""
    href: str = "https://planetarycomputer.microsoft.com/api/stac/v1"
    """Address of the API, or path or address of a static `catalog.json`; a path is seen from the working folder."""
    collection: str = "sentinel-2-l2a"
    """STAC collection."""
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

    product: Literal["visual", "reflectance"] = "visual"
    """`visual`: the 8-bit true-colour asset; `reflectance`: the bands listed below."""
    bands: tuple[BandName, ...] = ("B04", "B03", "B02")
    """Sentinel-2 bands of product `reflectance`, in the order of the image; red, green, blue first."""
    max_scenes: Annotated[int, Field(ge=1, le=24)] = 1
    """So many of the best candidates are downloaded; more than one lets compose fill holes."""
    hosts: tuple[HostName, ...] = ()
    """Hosts that assets may come from besides their catalogue's own; `*.example.org`: all below example.org."""
    nodata_tolerance_percent: Percent = 1.0
    """An asset whose share of pixels without data differs from its item's by more percentage points is not used."""

    @model_validator(mode="after")
    def _bands_differ(self) -> "FetchSettings":
        if len(set(self.bands)) != len(self.bands):
            raise ValueError(f"a band is listed twice in {list(self.bands)}")
        if self.product == "reflectance" and self.bands[:3] != ("B04", "B03", "B02"):
            raise ValueError(
                "the first three bands must be B04, B03, B02: judges and sheets show them as red, green, blue"
            )
        return self


class ComposeSettings(Section):
    """How downloaded scenes become one image a granule."""

    composite: Literal["best", "median"] = "best"
    """`best`: the best scene, its holes filled from the next ones; `median`: per-pixel median of clear observations."""
    cloud_classes: tuple[Annotated[int, Field(ge=0, le=11)], ...] = (3, 8, 9, 10)
    """Classes of the scene classification (SCL) that count as cloud or cloud shadow."""

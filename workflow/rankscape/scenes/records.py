"""The record of what fetch brought: read back, checked against the files that lie there."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankscape.foundation.errors import InputError, RasterError
from rankscape.foundation.files import read_json
from rankscape.scenes.layers import Layers
from rankscape.scenes.parts import note_of


@dataclass(frozen=True)
class Download:
    """What fetch brought of one granule."""

    granule: str
    """MGRS granule."""
    product: str
    """`visual` or `reflectance`."""
    bands: tuple[str, ...]
    """Bands of the image, in order."""
    scenes: tuple[Layers, ...]
    """Files of each scene, best first."""
    origins: tuple[Mapping[str, Any], ...]
    """What the record says of each scene: item_id, datetime, platform, processing_baseline, offset_dn, offset_from."""


def read_download(path: Path) -> Download:
    """Read the record of fetch, and check that its assets are there with the right size.

    Args:
        path: The record; asset paths in it are relative to its folder.

    Raises:
        InputError: If the record lacks what fetch writes, or names an asset outside of its folder.
        RasterError: If an asset is missing or has another size.
    """
    record = read_json(path)
    try:
        product, bands = record["product"], tuple(record["bands"])
        names = ("visual",) if product == "visual" else bands
        scenes = tuple(_layers(path.parent, scene, names) for scene in record["scenes"])
        return Download(record["granule"], product, bands, scenes, tuple(record["scenes"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} lacks {error}: run the stage fetch again.") from None


def drop_download(path: Path, record: Download) -> None:
    """Remove the record of fetch, then its assets: killed in between, fetch finds no record and starts anew."""
    path.unlink(missing_ok=True)
    for scene in record.scenes:
        for asset in (*scene.bands, *([scene.classes] if scene.classes is not None else [])):
            asset.unlink(missing_ok=True)
            note_of(asset).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other assets may still lie there
                asset.parent.rmdir()


def _layers(folder: Path, scene: Mapping[str, Any], names: tuple[str, ...]) -> Layers:
    assets = scene["assets"]
    return Layers(
        label=scene["item_id"],
        bands=tuple(_present(folder, assets[name]) for name in names),
        classes=_present(folder, assets["SCL"]) if "SCL" in assets else None,
        offset_dn=scene["offset_dn"],
    )


def _present(folder: Path, asset: Mapping[str, Any]) -> Path:
    path: Path = folder / asset["path"]
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{folder}: the asset {asset['path']!r} lies outside of this folder: run the stage fetch again."
        )
    size_bytes = path.stat().st_size if path.is_file() else None
    if size_bytes != asset["bytes"]:
        found = "is missing" if size_bytes is None else f"has {size_bytes} bytes"
        raise RasterError(f"{path} {found}, fetch brought {asset['bytes']} bytes: run the stage fetch again.")
    return path

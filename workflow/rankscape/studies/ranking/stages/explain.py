"""Show why images got their scores, or why a score changed between two dates.

For any images and a trained model: Grad-CAM, drawn beside the image, with the numbers. The workflow shows it for
chosen patches with `inspection-sheets`.
"""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rankscape.foundation.errors import InputError
from rankscape.foundation.files import write_bytes, write_json
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.learning.processes import use_device
from rankscape.samples.rendering import as_png, as_rgb
from rankscape.stages.options import Gpus, Threads, WhiteReflectance
from rankscape.studies.ranking.explanations import saliency
from rankscape.studies.ranking.explanations.overlays import NOTE, draw_change, draw_saliency
from rankscape.studies.ranking.scoring.images import read_image
from rankscape.studies.ranking.scoring.model import read_model
from rankscape.studies.ranking.scoring.prediction import exposure_of

NUMBERS = "explained.json"
"""Name of the document with the numbers."""


def explain(
    images: Annotated[list[Path] | None, Parameter(help="Images (png, jpg, webp, tif).")] = None,
    /,
    *,
    model: Annotated[Path, Parameter(help="Score model: score.safetensors.")],
    out: Annotated[Path, Parameter(help="Folder to write: a PNG for each image, and explained.json.")],
    before: Annotated[Path | None, Parameter(help="Earlier image of one place; with --after.")] = None,
    after: Annotated[Path | None, Parameter(help="Later image of the same place, of the same size.")] = None,
    white_reflectance: WhiteReflectance = None,
    gpus: Gpus = 0,
    threads: Threads = 1,
) -> None:
    """Show what raises and what lowers the scores of images, or made a score change between two dates."""
    given = _check(images or [], before, after)
    device = use_device(gpus, threads)
    networks = read_model(model, device)
    exposure = exposure_of(networks, white_reflectance)
    pixels = [exposure(read_image(path), str(path)) for path in given]
    document: dict[str, Any]
    if before is not None and after is not None:
        change = saliency.explain_change(networks, pixels[0], pixels[1], device)
        drawing = draw_change((before.name, after.name), (as_rgb(pixels[0]), as_rgb(pixels[1])), change)
        write_bytes(out / "change.png", as_png(drawing))
        document = {
            "change": {"before": str(before), "after": str(after), "file": "change.png", **change.to_document()}
        }
    else:
        found = saliency.explain(networks, pixels, device)
        names = _names(given)
        for name, path, picture, why in zip(names, given, pixels, found, strict=True):
            write_bytes(out / name, as_png(draw_saliency(path.name, as_rgb(picture), why)))
        entries = zip(given, names, found, strict=True)
        document = {"images": [{"image": str(p), "file": n, **why.to_document()} for p, n, why in entries]}
    inputs = {"model": model, **{f"picture {number}": path for number, path in enumerate(given, 1)}}
    origin = provenance("ranking explain", None, inputs, seed=networks.seed, backend=device.type)
    options = {"white_reflectance": white_reflectance}
    write_json(out / NUMBERS, {**document, "note": NOTE, "options": options, "provenance": origin})
    say(f"{out}: {len(given)} images explained, the numbers in {NUMBERS}")


def _check(images: list[Path], before: Path | None, after: Path | None) -> list[Path]:
    """Return the images to read: some, or two dates."""
    if (before is None) != (after is None):
        raise InputError("--before and --after go together: give both dates of one place.")
    if before is not None and after is not None:
        if images:
            raise InputError(f"{images[0]} is given beside --before and --after: explain either images or a change.")
        return [before, after]
    if not images:
        raise InputError("Nothing to explain: give images, or --before and --after.")
    missing = [path for path in images if not path.is_file()]
    if missing:
        raise InputError(f"{missing[0]} is no file: give images (png, jpg, webp, tif).")
    return images


def _names(images: list[Path]) -> list[str]:
    """Names of the drawings; images of one name in several folders are numbered."""
    stems = [path.stem for path in images]
    return [f"{stem}.png" if stems.count(stem) == 1 else f"{stem}-{number}.png" for number, stem in enumerate(stems, 1)]

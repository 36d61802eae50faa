"""Reading the requests that reach the stand-in judge: images, a prompt, the form of the answer, the patches shown."""

import base64
import binascii
import hashlib
import io
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

_PAPER = 255
_GAP_PX = 6
"""Narrower stripes of paper are part of a patch."""


def halves(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Part an image of two groups at the widest stripe of paper from top to bottom.

    Args:
        image: uint8, shape (height, width, 3).

    Returns:
        What is left and what is right of it; twice the whole image where nothing parts it.
    """
    runs = _runs(_inked(image), 0)
    if len(runs) < 2:
        return image, image
    gaps = [(after[0] - before[1], before[1], after[0]) for before, after in pairwise(runs)]
    _, end, begin = max(gaps)
    return image[:, :end], image[:, begin:]


def patches_of(image: np.ndarray) -> list[np.ndarray]:
    """Find the patches on a sheet, row by row; what is much smaller than the largest of them is a title.

    Args:
        image: uint8, shape (height, width, 3).

    Returns:
        uint8, each of shape (height, width, 3); the image itself where there is only paper.
    """
    found = _blocks(image)
    largest = max((min(block.shape[:2]) for block in found), default=0)
    return [block for block in found if 2 * min(block.shape[:2]) >= largest] or [image]


def _blocks(image: np.ndarray) -> list[np.ndarray]:
    """Cut rows, then columns, at stripes of paper until nothing can be cut."""
    inked = _inked(image)
    blocks = []
    for top, bottom in _runs(inked, 1):
        for left, right in _runs(inked[top:bottom], 0):
            part = image[top:bottom, left:right]
            blocks += [part] if part.shape == image.shape else _blocks(part)
    return blocks


def _inked(image: np.ndarray) -> np.ndarray:
    """Where there is no paper; bool, shape (height, width)."""
    return np.asarray(image.min(axis=2) < _PAPER)


def _runs(inked: np.ndarray, across: int) -> list[tuple[int, int]]:
    """Begins and ends of stretches of rows (across 1) or columns (0) with ink; narrow gaps do not part them."""
    places = np.flatnonzero(np.any(inked, axis=across))
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) > _GAP_PX)
    begins, ends = places[np.append(0, breaks + 1)], places[np.append(breaks, len(places) - 1)] + 1
    return [(int(begin), int(end)) for begin, end in zip(begins, ends, strict=True)]


_PREFIX = "data:image/png;base64,"
_SMALLEST_PX, _LARGEST_PX = 8, 4096
_PAIR = ("first", "second", "tie")

Wanted = Literal["score", "name", "pair", "tiers"]
"""What an answer is: a number, one of several names, the higher of two groups, or all groups in tiers."""


class RequestError(Exception):
    """A request that cannot be answered; the message says why."""


@dataclass(frozen=True)
class StandInQuestion:
    """What the stand-in uses of a request."""

    images: tuple[np.ndarray, ...]
    """uint8, each of shape (height, width, 3)."""
    prompt: str
    """All text that asks."""
    seed: int
    temperature: float
    key: str
    """Key of the answer."""
    options: tuple[str, ...]
    """Values that the answer may take, or names of the groups; empty where a number is wanted."""
    wanted: Wanted = "score"
    """What the answer is."""
    afterwards: str = ""
    """Text of the conversation since the first answer, where the stand-in is asked to mend it."""

    @property
    def seen(self) -> bytes:
        """All pixels, to seed chance with."""
        return b"".join(image.tobytes() for image in self.images)


def read_question(body: bytes) -> StandInQuestion:
    """Read the body of a chat completion request.

    Raises:
        RequestError: If it is no JSON object, holds no text, not as many PNG images as data URIs as its form of
            answer needs, or asks for what the stand-in does not do.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError("The body is no JSON.") from None
    if not isinstance(request, dict):
        raise RequestError("The body must be a JSON object.")
    if request.get("stream"):
        raise RequestError("stream: the stand-in answers in one piece.")
    asking, afterwards = _turns(request.get("messages"))
    parts = _parts(asking)
    texts = _texts(parts)
    if not any(text.strip() for text in texts):
        raise RequestError("messages: there is no text that asks something.")
    images = [part.get("image_url") for part in parts if part.get("type") == "image_url"]
    wanted, key, options = _form(request.get("response_format"))
    _check_count(len(images), wanted, options)
    return StandInQuestion(
        images=tuple(map(_image, images)),
        prompt="\n".join(texts),
        seed=int(_number(request, "seed", 0)),
        temperature=_number(request, "temperature", 1.0),
        key=key,
        options=options,
        wanted=wanted,
        afterwards="\n".join(_texts(_parts(afterwards))) if afterwards else "",
    )


def digest(prompt: str, image: bytes, seed: int) -> int:
    """Return a number that a prompt, an image and a seed always give, to seed chance with."""
    parts = (prompt.encode(), image, str(seed).encode())
    return int.from_bytes(hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()[:8])


def _turns(messages: Any) -> tuple[list[Any], list[Any]]:
    """Part the messages that ask from those that follow the first answer."""
    if not isinstance(messages, list) or not messages:
        raise RequestError("messages must be a list with at least one message.")
    answers = [place for place, one in enumerate(messages) if isinstance(one, dict) and one.get("role") == "assistant"]
    end = answers[0] if answers else len(messages)
    return messages[:end], messages[end:]


def _texts(parts: list[dict[str, Any]]) -> list[str]:
    return [part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str)]


def _check_count(images: int, wanted: Wanted, options: tuple[str, ...]) -> None:
    allowed = {"pair": {1, 2}, "tiers": {len(options)}}.get(wanted, {1})
    if images not in allowed:
        needs = {"pair": "one or two", "tiers": f"{len(options)}, one a letter,"}.get(wanted, "exactly one")
        raise RequestError(f"messages: {images} images; the stand-in looks at {needs} for this answer.")


def _parts(messages: list[Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            parts.append({"type": "text", "text": content})
        elif isinstance(content, list):
            parts += [part for part in content if isinstance(part, dict)]
        else:
            raise RequestError("messages: every message needs content, text or a list of parts.")
    return parts


def _image(image_url: Any) -> np.ndarray:
    url = image_url.get("url") if isinstance(image_url, dict) else image_url
    if not isinstance(url, str) or not url.startswith(_PREFIX):
        raise RequestError(f"image_url: the stand-in opens no address; give the image itself as {_PREFIX}...")
    try:
        data = base64.b64decode(url[len(_PREFIX) :], validate=True)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if not all(_SMALLEST_PX <= side <= _LARGEST_PX for side in image.size):
                raise RequestError(f"image_url: the image has {image.size} pixels, {_SMALLEST_PX} to {_LARGEST_PX}.")
            return np.asarray(image.convert("RGB"))
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise RequestError(f"image_url: no whole PNG in base64 ({error}).") from None


def _form(response_format: Any) -> tuple[Wanted, str, tuple[str, ...]]:
    """What is wanted under which key, from the JSON schema; any number under `score` without one."""
    if not isinstance(response_format, dict) or response_format.get("type") != "json_schema":
        return "score", "score", ()
    schema = (response_format.get("json_schema") or {}).get("schema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or len(properties) != 1:
        raise RequestError("response_format: the schema must be an object with one property.")
    ((key, form),) = properties.items()
    tiers = _tier_form(form)
    holder = tiers if tiers is not None else form
    options = holder.get("enum", []) if isinstance(holder, dict) else []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise RequestError(f"response_format: the enum of {key!r} must list names.")
    if tiers is not None:
        return "tiers", key, tuple(options)
    return "pair" if tuple(options) == _PAIR else "name" if options else "score", key, tuple(options)


def _tier_form(form: Any) -> Any:
    """What stands in the lists of a list of lists; None for any other form."""
    for _ in range(2):
        if not isinstance(form, dict) or form.get("type") != "array":
            return None
        form = form.get("items")
    return form


def _number(request: dict[str, Any], name: str, default: float) -> float:
    value = request.get(name, default)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63:
        raise RequestError(f"{name} = {value!r} must be a number, 0 or more.")
    return value

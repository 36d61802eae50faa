"""Reading the requests that reach the stand-in judge: one PNG picture, a prompt, and the form of the answer."""

import base64
import binascii
import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

_PREFIX = "data:image/png;base64,"
_SMALLEST_PX, _LARGEST_PX = 8, 4096


class RequestError(Exception):
    """A request that cannot be answered; the message says why."""


@dataclass(frozen=True)
class Question:
    """What the stand-in uses of a request."""

    picture: np.ndarray
    """uint8, shape (height, width, 3)."""
    prompt: str
    """All text of the request."""
    seed: int
    temperature: float
    key: str
    """Key of the answer."""
    options: tuple[str, ...]
    """Values that the answer may take; empty where a number is wanted."""


def read_question(body: bytes) -> Question:
    """Read the body of a chat completion request.

    Raises:
        RequestError: If it is no JSON object, holds no text, not exactly one PNG picture as a data URI, or asks for
            what the stand-in does not do.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError("The body is no JSON.") from None
    if not isinstance(request, dict):
        raise RequestError("The body must be a JSON object.")
    if request.get("stream"):
        raise RequestError("stream: the stand-in answers in one piece.")
    parts = _parts(request.get("messages"))
    texts = [part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str)]
    pictures = [part.get("image_url") for part in parts if part.get("type") == "image_url"]
    if not any(text.strip() for text in texts):
        raise RequestError("messages: there is no text that asks something.")
    if len(pictures) != 1:
        raise RequestError(f"messages: {len(pictures)} pictures; the stand-in looks at exactly one.")
    key, options = _form(request.get("response_format"))
    return Question(
        picture=_picture(pictures[0]),
        prompt="\n".join(texts),
        seed=int(_number(request, "seed", 0)),
        temperature=_number(request, "temperature", 1.0),
        key=key,
        options=options,
    )


def digest(prompt: str, picture: bytes, seed: int) -> int:
    """Return a number that a prompt, a picture and a seed always give, to seed chance with."""
    parts = (prompt.encode(), picture, str(seed).encode())
    return int.from_bytes(hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()[:8])


def _parts(messages: Any) -> list[dict[str, Any]]:
    if not isinstance(messages, list) or not messages:
        raise RequestError("messages must be a list with at least one message.")
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


def _picture(image_url: Any) -> np.ndarray:
    url = image_url.get("url") if isinstance(image_url, dict) else image_url
    if not isinstance(url, str) or not url.startswith(_PREFIX):
        raise RequestError(f"image_url: the stand-in opens no address; give the picture itself as {_PREFIX}...")
    try:
        data = base64.b64decode(url[len(_PREFIX) :], validate=True)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if not all(_SMALLEST_PX <= side <= _LARGEST_PX for side in image.size):
                raise RequestError(f"image_url: the picture has {image.size} pixels, {_SMALLEST_PX} to {_LARGEST_PX}.")
            return np.asarray(image.convert("RGB"))
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise RequestError(f"image_url: no whole PNG in base64 ({error}).") from None


def _form(response_format: Any) -> tuple[str, tuple[str, ...]]:
    """Key of the answer and the values that it may take, from the JSON schema; `score` and any number without one."""
    if not isinstance(response_format, dict) or response_format.get("type") != "json_schema":
        return "score", ()
    schema = (response_format.get("json_schema") or {}).get("schema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or len(properties) != 1:
        raise RequestError("response_format: the schema must be an object with one property.")
    ((key, form),) = properties.items()
    options = form.get("enum", []) if isinstance(form, dict) else []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise RequestError(f"response_format: the enum of {key!r} must list names.")
    return key, tuple(options)


def _number(request: dict[str, Any], name: str, default: float) -> float:
    value = request.get(name, default)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63:
        raise RequestError(f"{name} = {value!r} must be a number, 0 or more.")
    return value

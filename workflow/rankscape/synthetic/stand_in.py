"""The stand-in judge of the demo: speaks the OpenAI protocol in process, measures pixels, and is no vision model.

It sees the images and the prompt of a request, and nothing else: no file, no place, no truth. Its answers differ
from reply to reply, prompts change what it weighs, it likes what it is shown first, and now and then it gives no usable
answer, as real judges do.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from scipy import ndimage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from rankscape.synthetic.stand_in_requests import (
    RequestError,
    StandInQuestion,
    digest,
    halves,
    patches_of,
    read_question,
)

_BLOCK_PX = 4
_CLOUD_PX = 7
"""White squares of this side are cloud; at 10 m a pixel the widest halls are narrower."""
_LARGEST_FACTOR = 64
_FAINT = 0.02
"""Mean gradient of brightness at which order counts half: faint edges show no order."""


@dataclass(frozen=True)
class Looks:
    """Aspects of an image, each from 0 to 1."""

    roofs: float
    """White and red surfaces, as roofs are."""
    close: float
    """How fine the structure is: contrast between single pixels against contrast of any size."""
    order: float
    """How far edges run along one direction and the one across it, as streets and surveyed fields do."""
    mixture: float
    """How much green differs within the image: fields, gardens and built land side by side."""
    crops: float
    """Bright green, as irrigated crops are."""
    worked: float
    """Contrast within squares of four pixels."""
    pasture: float
    """Olive green, as grazed grassland is."""
    woods: float
    """Dark green, as forest is."""
    rough: float
    """Contrast between squares of four pixels, as relief and shadow make it."""
    stone: float
    """Dark grey, as shaded rock and water are."""


def look(image: np.ndarray) -> Looks:
    """Measure an image; enlarging it by repeating its pixels changes nothing.

    Args:
        image: uint8, shape (height, width, 3).
    """
    colour = native(image).astype(np.float64) / 255
    red, green, blue = np.moveaxis(colour, -1, 0)
    total = colour.sum(-1) + 1e-3
    greenness, warmth, brightness = (2 * green - red - blue) / total, (red - blue) / total, total / 3
    grey = (np.abs(greenness) < 0.07) & (warmth < 0.10)
    red_roofs, white_roofs = (greenness < -0.06) & (warmth > 0.12), _without_clouds(grey & (brightness > 0.72))
    within, between = _contrast_by_size(brightness)
    fine, order = _structure(brightness)
    return Looks(
        roofs=_ramp(_share(red_roofs) + _share(white_roofs), 0, 0.12),
        close=_ramp(fine, 1.35, 2.1),
        order=_ramp(order, 0.04, 0.30),
        mixture=_ramp(float(greenness.std()), 0.03, 0.16),
        crops=_ramp(_share((greenness > 0.25) & (brightness > 0.115) & (brightness < 0.22)), 0, 0.45),
        worked=_ramp(within, 0.015, 0.08),
        pasture=_ramp(_share((greenness > 0.14) & (greenness < 0.30) & (brightness > 0.2)), 0, 0.8),
        woods=_ramp(_share((greenness > 0.2) & (brightness <= 0.115)), 0, 0.5),
        rough=_ramp(between, 0.03, 0.14),
        stone=_ramp(_share(grey & (brightness <= 0.22)), 0, 0.25),
    )


def native(image: np.ndarray) -> np.ndarray:
    """Undo an enlargement by a whole factor: return the smallest image whose repeated pixels make up this one."""
    sides = np.gcd(*image.shape[:2])
    for factor in range(min(int(sides), _LARGEST_FACTOR), 1, -1):
        if sides % factor == 0 and min(image.shape[:2]) // factor >= _BLOCK_PX:
            small = image[::factor, ::factor]
            if np.array_equal(small.repeat(factor, 0).repeat(factor, 1), image):
                return small
    return image


def _without_clouds(white: np.ndarray) -> np.ndarray:
    """Leave out white areas so wide that no roof fills them."""
    square = np.ones((_CLOUD_PX, _CLOUD_PX), bool)
    return np.asarray(white & ~ndimage.binary_opening(white, square))


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0, 1))


def _share(mask: np.ndarray) -> float:
    return float(mask.mean())


def _contrast_by_size(brightness: np.ndarray) -> tuple[float, float]:
    """Standard deviation within squares of a few pixels, and of the squares' means."""
    rows, cols = (side // _BLOCK_PX for side in brightness.shape)
    blocks = brightness[: rows * _BLOCK_PX, : cols * _BLOCK_PX].reshape(rows, _BLOCK_PX, cols, _BLOCK_PX)
    means = blocks.mean((1, 3), keepdims=True)
    return float((blocks - means).std()), float(means.std())


def _structure(brightness: np.ndarray) -> tuple[float, float]:
    """Fineness (Laplacian against gradient), and agreement of edges' directions up to quarter turns, 0 to 1."""
    down, across = np.gradient(brightness)
    strength = np.hypot(down, across)
    inner = brightness[1:-1, 1:-1]
    around = brightness[2:, 1:-1] + brightness[:-2, 1:-1] + brightness[1:-1, 2:] + brightness[1:-1, :-2]
    laplacian = np.abs(4 * inner - around).mean()
    turned = np.abs((strength * np.exp(4j * np.arctan2(down, across))).sum())
    return float(laplacian / (strength.mean() + 0.003)), float(turned / (strength.sum() + _FAINT * strength.size))


MODEL = "stand-in"
_WEIGHTS = {
    "roofs": 45.0, "close": 25.0, "order": 24.0, "mixture": 22.0, "crops": 12.0, "worked": 9.0, "pasture": 11.0,
    "woods": -36.0, "rough": -15.0, "stone": -6.0,
}  # fmt: skip
"""Points for each aspect: fitted to the truth of two other seeds, rounded, then mended with the demo's land in view."""
_BASE = 7.0
_TASTE = 0.18
"""Spread of the factors by which a prompt changes the weights (standard deviation of their logarithm)."""
_MISJUDGED, _WAVERING = 6.0, 12.0
"""Points by which an answer is wrong: alike in all replies to one image and prompt; and, at temperature 1, anew."""
_LIKES_FIRST = 4.0
"""Points by which the group shown first seems higher; of many groups, falling to none for the last."""
_ALIKE, _TIER = 7.0, 12.0
"""Points up to which two groups are a tie; width of a tier."""
_UNUSABLE = 0.015
"""Share of replies without a usable answer."""
_LOOKED_AT: dict[int, list["Group"]] = {}
_KINDS: dict[str, tuple[tuple[str, ...], Callable[[Looks], float]]] = {
    "built": (("urban", "city", "town", "built"), lambda seen: seen.roofs + seen.close + 0.5 * seen.order - 0.6),
    "farmed": (("rural", "farm", "crop", "village"), lambda seen: seen.mixture + seen.crops + 0.5 * seen.order),
    "grass": (("highland", "plateau", "grass", "pasture"), lambda seen: 1.6 * seen.pasture - 0.4 * seen.mixture),
    "wild": (
        ("uninhabited", "mountain", "forest", "water", "wild", "rock"),
        lambda seen: 1.5 * seen.woods + 0.5 * seen.rough + seen.stone + 0.3 - 0.5 * seen.mixture,
    ),
}
"""Words in the names of land categories, and how much an image looks like each kind."""


@dataclass(frozen=True)
class Group:
    """Patches that stand for one kind of place."""

    looks: tuple[Looks, ...]
    """What was measured in each patch."""
    name: bytes
    """Hash of all pixels, to seed chance with."""


def create_app() -> Starlette:
    """Return the ASGI application: `POST /v1/chat/completions` and `GET /v1/models`."""
    return Starlette(
        routes=[
            Route("/v1/chat/completions", _complete, methods=["POST"]),
            Route("/v1/models", _models, methods=["GET"]),
        ]
    )


async def _models(_: Request) -> JSONResponse:
    return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "rankscape-demo"}]})


async def _complete(request: Request) -> JSONResponse:
    try:
        question = read_question(await request.body())
    except RequestError as error:
        fault = {"message": str(error), "type": "invalid_request_error", "param": None, "code": None}
        return JSONResponse({"error": fault}, status_code=400)
    content, refusal, finish_reason = answer(question)
    said = content or refusal or ""
    pixels = sum(image.size for image in question.images)
    tokens = {"prompt_tokens": len(question.prompt) + pixels // 300, "completion_tokens": len(said)}
    return JSONResponse(
        {
            "id": f"chatcmpl-{digest(question.prompt, question.seen, question.seed):016x}",
            "object": "chat.completion",
            "created": 0,
            "model": MODEL,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content, "refusal": refusal},
                    "finish_reason": finish_reason,
                }
            ],
            "usage": {**tokens, "total_tokens": sum(tokens.values())},
        }
    )


def answer(question: StandInQuestion) -> tuple[str | None, str | None, str]:
    """Answer a question; the same question gets the same answer.

    Returns:
        Content, refusal, finish reason; exactly one of content and refusal is given.
    """
    asked = question.prompt + question.afterwards
    chance = np.random.default_rng(digest(asked, question.seen, question.seed))
    if chance.random() < _UNUSABLE:
        return _unusable(int(chance.integers(4)))
    return json.dumps({question.key: _said(question, chance)}, ensure_ascii=False), None, "stop"


def _said(question: StandInQuestion, chance: np.random.Generator) -> str | float | list[list[str]]:
    if question.wanted == "pair":
        return pair(question, chance)
    if question.wanted == "tiers":
        return tiers(question, chance)
    seen = look(question.images[0])
    if question.wanted == "name":
        return category(seen, question.options, chance)
    return round(score(seen, question, chance))


def score(seen: Looks, question: StandInQuestion, chance: np.random.Generator) -> float:
    """Return a score from 0 to 100: weighted aspects, by the prompt's taste, with a judge's errors."""
    points = _points(seen, question.prompt) + _misjudged(question.prompt, question.seen)
    return float(np.clip(points + _wavering(question, chance), 0, 100))


def pair(question: StandInQuestion, chance: np.random.Generator) -> str:
    """Return which of two groups of patches seems higher: `first`, `second`, or `tie` where they seem alike."""
    together = len(question.images) == 1
    groups = [group for image in question.images for group in _groups(image, together=together)]
    first, second = (_impression(group, question, chance) for group in groups)
    lead = first + _LIKES_FIRST - second
    return "tie" if abs(lead) <= _ALIKE else "first" if lead > 0 else "second"


def tiers(question: StandInQuestion, chance: np.random.Generator) -> list[list[str]]:
    """Return the names of all groups, sorted into tiers of about the same points, the highest first."""
    liking = np.linspace(_LIKES_FIRST, 0, len(question.images))
    sorted_into: dict[int, list[str]] = {}
    for name, image, liked in zip(question.options, question.images, liking, strict=True):
        points = _impression(_groups(image, together=False)[0], question, chance) + float(liked)
        sorted_into.setdefault(int(points // _TIER), []).append(name)
    return [sorted_into[tier] for tier in sorted(sorted_into, reverse=True)]


def _groups(image: np.ndarray, *, together: bool) -> list[Group]:
    """What an image shows: one group, or two side by side; measured once for all replies that see it."""
    name = digest(str(together), image.tobytes(), image.shape[1])
    if name not in _LOOKED_AT:
        _LOOKED_AT[name] = [_group(part) for part in (halves(image) if together else (image,))]
    return _LOOKED_AT[name]


def _group(image: np.ndarray) -> Group:
    patches = patches_of(image)
    return Group(tuple(map(look, patches)), hashlib.sha256(b"".join(patch.tobytes() for patch in patches)).digest())


def _impression(group: Group, question: StandInQuestion, chance: np.random.Generator) -> float:
    """What a group of patches seems worth: the mean of its patches, with a judge's errors."""
    points = float(np.mean([_points(seen, question.prompt) for seen in group.looks]))
    return points + _misjudged(question.prompt, group.name) + _wavering(question, chance)


def _points(seen: Looks, prompt: str) -> float:
    taste = np.random.default_rng(digest(prompt, b"taste", 0))
    factors = np.exp(taste.normal(0, _TASTE, len(_WEIGHTS)))
    aspects = asdict(seen)
    weighed = zip(_WEIGHTS.items(), factors, strict=True)
    return float(_BASE + sum(weight * factor * aspects[name] for (name, weight), factor in weighed))


def _misjudged(prompt: str, pixels: bytes) -> float:
    return float(np.random.default_rng(digest(prompt, pixels, -1)).normal(0, _MISJUDGED))


def _wavering(question: StandInQuestion, chance: np.random.Generator) -> float:
    return float(chance.normal(0, _WAVERING * min(question.temperature, 2.0)))


def category(seen: Looks, options: tuple[str, ...], chance: np.random.Generator) -> str:
    """Return the option whose name and looks fit best; names that say nothing are hardly ever chosen."""
    fits = [max([0.05, *_fits(seen, option)]) + chance.normal(0, 0.08) for option in options]
    return options[int(np.argmax(fits))]


def _fits(seen: Looks, option: str) -> list[float]:
    # The longest word wins, so that "uninhabited" or "suburban forest" is read once.
    name = option.lower()
    known = [(len(word), kind) for kind, (words, _) in _KINDS.items() for word in words if word in name]
    return [_KINDS[max(known)[1]][1](seen)] if known else []


def _unusable(kind: int) -> tuple[str | None, str | None, str]:
    return (
        ('{"sco', None, "length"),
        ("The picture shows fields and a few houses; it is hard to say more.", None, "stop"),
        (None, "I cannot judge this picture.", "stop"),
        ("", None, "stop"),
    )[kind]

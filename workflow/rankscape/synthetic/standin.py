"""The stand-in judge of the demo: speaks the OpenAI protocol in process, measures pixels, and is no vision model.

It sees the pictures and the prompt of a request, and nothing else: no file, no place, no truth. Its answers differ
from reply to reply, prompts change what it weighs, it likes what it is shown first, and now and then it gives no usable
answer, as real judges do.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from rankscape.synthetic.looks import Looks, look
from rankscape.synthetic.questions import Question, RequestError, digest, read_question
from rankscape.synthetic.sheets import halves, patches_of

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
"""Points by which an answer is wrong: alike in all replies to one picture and prompt; and, at temperature 1, anew."""
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
"""Words in the names of land categories, and how much a picture looks like each kind."""


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
    pixels = sum(picture.size for picture in question.pictures)
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


def answer(question: Question) -> tuple[str | None, str | None, str]:
    """Answer a question; the same question gets the same answer.

    Returns:
        Content, refusal, finish reason; exactly one of content and refusal is given.
    """
    asked = question.prompt + question.afterwards
    chance = np.random.default_rng(digest(asked, question.seen, question.seed))
    if chance.random() < _UNUSABLE:
        return _unusable(int(chance.integers(4)))
    return json.dumps({question.key: _said(question, chance)}, ensure_ascii=False), None, "stop"


def _said(question: Question, chance: np.random.Generator) -> str | float | list[list[str]]:
    if question.wanted == "pair":
        return pair(question, chance)
    if question.wanted == "tiers":
        return tiers(question, chance)
    seen = look(question.pictures[0])
    if question.wanted == "name":
        return category(seen, question.options, chance)
    return round(score(seen, question, chance))


def score(seen: Looks, question: Question, chance: np.random.Generator) -> float:
    """Return a score from 0 to 100: weighted aspects, by the prompt's taste, with a judge's errors."""
    points = _points(seen, question.prompt) + _misjudged(question.prompt, question.seen)
    return float(np.clip(points + _wavering(question, chance), 0, 100))


def pair(question: Question, chance: np.random.Generator) -> str:
    """Return which of two groups of patches seems higher: `first`, `second`, or `tie` where they seem alike."""
    together = len(question.pictures) == 1
    groups = [group for picture in question.pictures for group in _groups(picture, together=together)]
    first, second = (_impression(group, question, chance) for group in groups)
    lead = first + _LIKES_FIRST - second
    return "tie" if abs(lead) <= _ALIKE else "first" if lead > 0 else "second"


def tiers(question: Question, chance: np.random.Generator) -> list[list[str]]:
    """Return the names of all groups, sorted into tiers of about the same points, the highest first."""
    liking = np.linspace(_LIKES_FIRST, 0, len(question.pictures))
    sorted_into: dict[int, list[str]] = {}
    for name, picture, liked in zip(question.options, question.pictures, liking, strict=True):
        points = _impression(_groups(picture, together=False)[0], question, chance) + float(liked)
        sorted_into.setdefault(int(points // _TIER), []).append(name)
    return [sorted_into[tier] for tier in sorted(sorted_into, reverse=True)]


def _groups(picture: np.ndarray, *, together: bool) -> list[Group]:
    """What a picture shows: one group, or two side by side; measured once for all replies that see it."""
    name = digest(str(together), picture.tobytes(), picture.shape[1])
    if name not in _LOOKED_AT:
        _LOOKED_AT[name] = [_group(part) for part in (halves(picture) if together else (picture,))]
    return _LOOKED_AT[name]


def _group(picture: np.ndarray) -> Group:
    patches = patches_of(picture)
    return Group(tuple(map(look, patches)), hashlib.sha256(b"".join(patch.tobytes() for patch in patches)).digest())


def _impression(group: Group, question: Question, chance: np.random.Generator) -> float:
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


def _wavering(question: Question, chance: np.random.Generator) -> float:
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

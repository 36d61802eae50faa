"""Settings of judges and of rounds (docs/methods/ranking.md)."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rankscape.foundation.settings import Section, parse_json, worded

ModeName = Literal["scores", "pairs", "tiers"]
LIMITS = (
    "key_variable", "concurrency", "requests_per_minute", "tokens_per_minute", "timeout_s", "attempts",
    "price_in", "price_out", "currency", "budget", "start_timeout_s", "key_header",
)  # fmt: skip
"""What a judge's replies do not depend on: how often and how fast it may be asked, and what that may cost."""
FORM = ("answer_form", "omit", "extra")
"""How a request departs from the usual; a judge that sets none of these has the name and the replies it always had."""
_OWN_KEYS = frozenset(
    {
        "model",
        "messages",
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "seed",
        "response_format",
        "stream",
        "n",
    }
)
"""Keys of a request that other settings choose, or that would make an answer that is not read."""
SERVED = "{port}"
"""Stands for a judge's command where replies are named: how a judge is started changes none of them."""


class JudgeSettings(Section):
    """One judge: a vision-language model behind an OpenAI-style endpoint, or the demo's stand-in."""

    kind: Literal["endpoint", "stand-in"] = "endpoint"
    """`stand-in` is the demo's own: it measures pixels, speaks the same protocol in process, and is no vision model."""
    base_url: str = "https://api.openai.com/v1"
    """Address of the endpoint."""
    model: str
    """Model name as the endpoint knows it."""
    key_variable: str | None = None
    """Environment variable that holds the key; the key itself is in no file."""
    key_header: Annotated[str, Field(pattern=worded(r"^[A-Za-z0-9-]+$", "letters, digits and hyphens"))] | None = None
    """Header that carries the key alone, such as `api-key` at Azure; null sends `Authorization: Bearer`."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Sampling temperature."""
    max_tokens: Annotated[int, Field(ge=16, le=131_072)] = 256
    """Longest reply, thoughts included; small, so that endless replies end. Models that think need thousands."""
    tokens_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the endpoint calls the longest reply; OpenAI's newer models know `max_completion_tokens` only."""
    detail: Literal["high", "low", "auto"] = "high"
    """Size at which images are read; some endpoints take `auto` as low, and shrink the images."""
    answer_form: Literal["json_schema", "json_object", "text"] = "json_schema"
    """How the form of answers is asked for: by a schema that the endpoint keeps, as some JSON object, or in words
    alone. For the last two the schema is written below the question."""
    omit: tuple[Literal["seed", "temperature", "max_tokens", "response_format", "strict", "detail"], ...] = ()
    """Keys that the request leaves out, for endpoints that refuse them."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Keys that are added to the request, such as `reasoning_effort`."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    """Most requests under way at once."""
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Requests that the endpoint allows in a minute; null where it is not known."""
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Tokens that the endpoint allows in a minute, questions and answers together; null where it is not known."""
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    """Longest wait for one reply."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    """Tries of one request that meets 408, 409, 429, 5xx or a broken connection."""
    repairs: Annotated[int, Field(ge=0, le=5)] = 1
    """Times that a judge is asked again, in the same conversation, when its answer cannot be read."""
    price_in: Annotated[float, Field(ge=0)] | None = None
    """Price of a million tokens of questions; null where nothing is paid."""
    price_out: Annotated[float, Field(ge=0)] | None = None
    """Price of a million tokens of answers; null where nothing is paid."""
    currency: Annotated[str, Field(pattern=worded(r"^[A-Z]{3}$", "three capital letters, such as USD"))] = "USD"
    """Currency of prices and budget, ISO 4217."""
    budget: Annotated[float, Field(gt=0)] | None = None
    """Most money that this judge may cost in this region; a request that could exceed it is not sent."""
    command: str | None = None
    """Line that starts the judge on the node, with `{port}` and, if wanted, `{model}`; `base_url` is then not read."""
    start_timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 1800.0
    """Longest wait until the command's endpoint answers."""

    @property
    def asked(self) -> str:
        """What the judge's replies depend on, as canonical JSON; a judge of its own command has no lasting address."""
        values = self.model_dump(mode="json", exclude={*LIMITS, *FORM}) | self.form
        if self.command is not None:
            values |= {"command": SERVED, "base_url": type(self).model_fields["base_url"].default}
        return json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @property
    def form(self) -> dict[str, Any]:
        """Return how the request departs from the usual; empty for most judges."""
        values = self.model_dump(mode="json", include=set(FORM), exclude_defaults=True)
        return {key: sorted(value) if key == "omit" else value for key, value in values.items() if value}

    @property
    def limits(self) -> str:
        """What the judge's replies do not depend on, as canonical JSON."""
        values = self.model_dump(mode="json", include=set(LIMITS))
        return json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    def limited(self, limits: str, name: str) -> "JudgeSettings":
        """Return these settings with the limits of `--limits`, a JSON object; empty text changes nothing.

        Raises:
            SettingsError: If a key or value is wrong.
        """
        given = parse_json(limits, f"ranking.judges.{name}", "--limits") if limits.strip() else {}
        return type(self).checked({**self.model_dump(), **given}, "--limits", f"ranking.judges.{name}")

    @model_validator(mode="after")
    def _command_usable(self) -> "JudgeSettings":
        if self.command is not None and "{port}" not in self.command:
            raise ValueError(f"command = {self.command!r} has no {{port}}: the workflow chooses a free one")
        if self.command is not None and self.kind == "stand-in":
            raise ValueError("a stand-in answers in process: it needs no command")
        return self

    @model_validator(mode="after")
    def _request_usable(self) -> "JudgeSettings":
        if own := sorted(_OWN_KEYS & set(self.extra)):
            raise ValueError(
                f"extra has {own[0]}, which the request has already: use the setting of that name, or omit"
            )
        if self.budget is not None and "max_tokens" in self.omit:
            raise ValueError("budget cannot be kept where omit leaves max_tokens out: answers have no longest length")
        if self.key_header is not None and self.key_variable is None:
            raise ValueError(f"key_header = {self.key_header!r} has nothing to carry: name the key_variable too")
        return self

    @model_validator(mode="after")
    def _budget_has_prices(self) -> "JudgeSettings":
        if self.budget is not None and (self.price_in is None or self.price_out is None):
            raise ValueError(f"budget = {self.budget:g} cannot be kept without price_in and price_out")
        return self


class SampleSettings(Section):
    """Which patches a round shows, and as what images."""

    images_per_cluster: Annotated[int, Field(ge=1, le=100)] = 3
    """Patches drawn from each cluster in each round."""
    min_image_px: Annotated[int, Field(ge=1, le=2048)] = 224
    """Smaller patches are shown enlarged by a whole factor to at least this side: models read 14 to 28 px at once."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the sampling, used together with the round's number; the replies' seeds follow from it."""


class RateSettings(Section):
    """How one round asks one judge with one prompt."""

    rounds: Annotated[int, Field(ge=1, le=1000)] = 10
    """Rounds of every judge with every prompt."""
    mode: ModeName = "scores"
    """What a judge is asked: a score of each patch, the higher of two clusters, or all clusters in tiers; a prompt may
    name another."""
    replies: Annotated[int, Field(ge=1, le=20)] = 3
    """Replies to each patch, to each pair in each order of showing, or sortings of all clusters into tiers."""
    pairs_per_cluster: Annotated[int, Field(ge=2, le=1000)] | None = None
    """Mode pairs: other clusters that each is compared with in a round, drawn anew each round; null takes all."""
    pair_images: Literal["side-by-side", "two"] = "side-by-side"
    """Mode pairs: one image that holds both clusters, which any endpoint takes, or two images."""
    quorum: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of a cluster's replies that must be usable; below it the round fails and names the clusters."""

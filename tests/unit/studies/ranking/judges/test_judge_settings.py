"""A judge's settings in two parts: what its replies depend on, and its limits."""

import json
from typing import Any

import pytest
from rankscape.config import check_config
from rankscape.foundation.errors import SettingsError
from rankscape.studies.ranking.judges.settings import FORM, LIMITS, JudgeSettings

WHOLE = JudgeSettings(
    model="m",
    base_url="http://127.0.0.1:8/v1",
    key_variable="KEY",
    price_in=1.0,
    price_out=2.0,
    budget=3.0,
    requests_per_minute=60,
    timeout_s=9,
)


def test_the_two_parts_are_the_whole() -> None:
    asked, limits = json.loads(WHOLE.asked), json.loads(WHOLE.limits)
    assert set(limits) == set(LIMITS)
    assert set(asked) | set(limits) | set(FORM) == set(JudgeSettings.model_fields)
    assert not set(asked) & set(limits)
    assert JudgeSettings.from_text(WHOLE.asked, "judges.anna").limited(WHOLE.limits, "anna") == WHOLE


def test_limits_change_nothing_that_is_asked() -> None:
    assert WHOLE.model_copy(update={"budget": 9.0, "key_variable": None, "concurrency": 1}).asked == WHOLE.asked
    assert WHOLE.model_copy(update={"temperature": 0.0}).asked != WHOLE.asked
    assert WHOLE.limited("", "anna") == WHOLE


def test_the_form_of_requests_is_asked_only_where_it_is_chosen() -> None:
    usual = WHOLE.model_copy(update={"answer_form": "json_schema", "omit": (), "extra": {}})
    assert usual.asked == WHOLE.asked
    assert not set(FORM) & set(json.loads(WHOLE.asked))
    own = JudgeSettings(model="m", omit=("temperature", "seed"), extra={"top_p": 0.5}, answer_form="text")
    assert own.form == {"answer_form": "text", "omit": ["seed", "temperature"], "extra": {"top_p": 0.5}}
    assert JudgeSettings.from_text(own.asked, "judges.anna").form == own.form


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extra": {"seed": 1}}, "extra has seed"),
        ({"extra": {"stream": True}}, "extra has stream"),
        ({"omit": ["max_tokens"], "budget": 1, "price_in": 1, "price_out": 1}, "budget cannot be kept"),
        ({"omit": ["messages"]}, "omit"),
        ({"key_header": "api-key"}, "name the key_variable"),
        ({"key_header": "api key", "key_variable": "KEY"}, "letters, digits and hyphens"),
        ({"answer_form": "xml"}, "answer_form"),
    ],
)
def test_forms_that_no_request_has(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        JudgeSettings.checked({"model": "m", **changes}, "config.yaml", "ranking.judges.anna")


def test_how_a_judge_is_started_is_not_asked() -> None:
    one = JudgeSettings(model="m", command="vllm serve m --port {port}", base_url="http://a/v1")
    other = JudgeSettings(model="m", command="FOO=1 python -m vllm {port} {model}", start_timeout_s=5)
    assert one.asked == other.asked
    assert JudgeSettings(model="m").asked != one.asked
    assert JudgeSettings.from_text(one.asked, "judges.own").command is not None


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ('{"budget": -1}', r"--limits: ranking\.judges\.anna\.budget = -1(\.0)? is refused"),
        ('{"speed": 1}', r"judges\.anna\.speed is no known key"),
        ("[1]", r"--limits of ranking\.judges\.anna must be a JSON object"),
        ("{", r"--limits of ranking\.judges\.anna is no valid JSON"),
    ],
)
def test_wrong_limits_are_named(limits: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        WHOLE.limited(limits, "anna")


def test_a_started_judge_labels_nothing() -> None:
    values = {
        "region": "small",
        "granules": "x.tsv",
        "ranking": {
            "judges": {"own": {"model": "m", "command": "vllm serve m --port {port}"}},
            "prompts": ["roads"],
            "label": {"source": "judge", "judge": "own", "categories": ["urban", "rural"]},
        },
    }
    with pytest.raises(SettingsError, match=r"label\.judge = 'own' is started for rounds only: name an endpoint"):
        check_config(values, "config.yaml")

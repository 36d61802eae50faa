"""Images of a round, whole rounds over HTTP and what is kept of them, ties of scores."""

import asyncio
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rankscape.foundation.errors import BudgetError, JudgeError, TableError
from rankscape.samples.rendering import enlarged
from rankscape.studies.ranking.judges.asking import Heard, check_quorum, reply_seeds
from rankscape.studies.ranking.judges.client import open_judge
from rankscape.studies.ranking.judges.modes import MODES
from rankscape.studies.ranking.judges.prompts import Prompt
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.judges.round_samples import RoundSample, load_images, sample_patches
from rankscape.studies.ranking.judges.rounds import ask_round, round_text, to_document, to_times
from rankscape.studies.ranking.judges.settings import JudgeSettings, RateSettings, SampleSettings
from rankscape.studies.ranking.orders.order_from_values import order_of_scores

from ..conftest import JudgeServer, Region, completion

PROMPT = Prompt("who", "How developed?", "0")
TABLE = pd.DataFrame({"patch_id": [f"p{i:02}" for i in range(20)], "cluster": [0] * 10 + [1] * 8 + [2] * 2})


def test_the_sample_depends_on_seed_and_round_alone() -> None:
    settings = SampleSettings(images_per_cluster=3)
    sample = sample_patches(TABLE, (0, 1, 2), settings, 1)
    assert {cluster: len(patches) for cluster, patches in sample.items()} == {0: 3, 1: 3, 2: 2}
    shuffled = TABLE.sample(frac=1, random_state=0)
    assert sample_patches(shuffled, (0, 1, 2), settings, 1) == sample
    assert sample_patches(TABLE, (0, 1, 2), settings, 2) != sample
    assert sample_patches(TABLE, (0, 1, 2), settings.model_copy(update={"seed": 9}), 1) != sample
    assert sample_patches(TABLE, (1,), settings, 1) == {1: sample[1]}
    members = TABLE.groupby("cluster")["patch_id"].agg(set)
    assert all(set(patches) <= members[cluster] for cluster, patches in sample.items())


def test_a_cluster_without_patches() -> None:
    with pytest.raises(TableError, match=r"clusters \[7\] have no patch"):
        sample_patches(TABLE, (0, 7), SampleSettings(), 1)


def test_every_patch_is_sampled_sooner_or_later() -> None:
    settings = SampleSettings(images_per_cluster=3)
    seen = {patch for number in range(1, 40) for patch in sample_patches(TABLE, (0,), settings, number)[0]}
    assert len(seen) == 10


def test_images_are_enlarged_without_smoothing(region: Region) -> None:
    images = load_images([region.tiles], [region.ids[0][0], region.ids[3][2]], 30)
    assert list(images) == [region.ids[0][0], region.ids[3][2]]
    image = np.asarray(Image.open(io.BytesIO(images[region.ids[0][0]])))
    assert image.shape == (32, 32, 3)
    patches = np.load(region.tiles)
    np.testing.assert_array_equal(image[::4, ::4], patches[0])
    np.testing.assert_array_equal(image[3::4, 3::4], patches[0])


@pytest.mark.parametrize(("side", "least", "shown"), [(8, 8, 8), (8, 9, 16), (343, 224, 343), (32, 224, 224)])
def test_whole_factors(side: int, least: int, shown: int) -> None:
    assert enlarged(np.zeros((side, side, 3), np.uint8), least).shape == (shown, shown, 3)


def test_a_patch_that_is_nowhere(region: Region) -> None:
    with pytest.raises(TableError, match=r"Patch 99XXX_0_0 .* none of the patch arrays"):
        load_images([region.tiles], ["99XXX_0_0"], 8)


def test_seeds_of_replies_differ() -> None:
    samples = [RoundSample(number, 0, "f", {}) for number in (1, 2)]
    seeds = [seed for sample in samples for place in range(30) for seed in reply_seeds(sample, 5, place)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert reply_seeds(samples[0], 5, 0)[:2] == reply_seeds(samples[0], 2, 0)


def about(endpoint: JudgeServer, **judge: Any) -> JudgeSettings:
    return JudgeSettings(**{"model": "tester", "base_url": endpoint.url, "attempts": 3, **judge})


def run_round(
    judge: JudgeSettings,
    region: Region,
    settings: RateSettings,
    *,
    images: int = 3,
    store: Path | None = None,
    number: int = 1,
) -> list[Heard]:
    table = pd.read_parquet(region.clusters)
    sample = sample_patches(table, region.ranked, SampleSettings(images_per_cluster=images), number)
    images = load_images([region.tiles], [p for own in sample.values() for p in own], 32)
    sample = RoundSample(number, 0, "f", {cluster: {p: images[p] for p in own} for cluster, own in sample.items()})

    async def run() -> list[Heard]:
        async with open_judge("anna", judge, ReplyStore(store) if store else None) as open_one:
            return await ask_round(open_one, PROMPT, MODES[settings.mode], sample, settings)

    return asyncio.run(run())


def test_a_whole_round_over_http(endpoint: JudgeServer, region: Region) -> None:
    settings = RateSettings(replies=3)
    heard = run_round(about(endpoint), region, settings, images=2)
    assert len(heard) == 4 * 2
    assert all(len(one.replies) == 3 for one in heard)
    assert len(endpoint.bodies) == 24
    assert len({body["seed"] for body in endpoint.bodies}) == 24
    assert {body["messages"][0]["content"][0]["text"] for body in endpoint.bodies} == {"How developed?"}
    images = [body["messages"][0]["content"][1]["image_url"]["url"] for body in endpoint.bodies]
    assert len(set(images)) == 8
    assert MODES["scores"].score(heard, "x") == dict.fromkeys(region.ranked, 50.0)


@pytest.mark.parametrize(
    ("settings", "requests", "images", "said"),
    [
        (RateSettings(mode="pairs", replies=1), 12, 1, '{"answer": "first"}'),
        (RateSettings(mode="pairs", replies=2, pair_images="two"), 24, 2, '{"answer": "tie"}'),
        (RateSettings(mode="pairs", replies=1, pairs_per_cluster=2), 8, 1, '{"answer": "second"}'),
        (RateSettings(mode="tiers", replies=2), 2, 4, '{"tiers": [["B"], ["A", "D"], ["C"]]}'),
    ],
)
def test_pairs_and_tiers_over_http(
    endpoint: JudgeServer, region: Region, settings: RateSettings, requests: int, images: int, said: str
) -> None:
    endpoint.answer = lambda number, body: completion(said)
    heard = run_round(about(endpoint), region, settings, images=2)
    assert sum(len(one.replies) for one in heard) == len(endpoint.bodies) == requests
    check_quorum(heard, 1.0, "x")
    mode = MODES[settings.mode]
    assert set(mode.score(heard, "x")) == set(region.ranked)
    for body in endpoint.bodies:
        parts = body["messages"][0]["content"]
        assert parts[0]["text"] == round_text(PROMPT, mode, settings)
        assert sum(part["type"] == "image_url" for part in parts) == images
        assert body["response_format"]["json_schema"]["schema"] in [one.shown.schema for one in heard]


def test_a_round_that_is_repeated_makes_no_request(endpoint: JudgeServer, region: Region) -> None:
    store, settings = region.folder / "replies", RateSettings(mode="pairs", replies=1)
    endpoint.answer = lambda number, body: completion('{"answer": "first"}')
    first = run_round(about(endpoint), region, settings, store=store)
    assert len(endpoint.bodies) == 12
    again = run_round(about(endpoint), region, settings, store=store)
    assert len(endpoint.bodies) == 12
    assert [one.readings for one in again] == [one.readings for one in first]
    assert [one.keys for one in again] == [one.keys for one in first]
    assert all(reply.stored for one in again for reply in one.replies)
    more = run_round(about(endpoint), region, RateSettings(mode="pairs", replies=2), store=store)
    assert len(endpoint.bodies) == 24, "only the second replies are new"
    assert sum(reply.stored for one in more for reply in one.replies) == 12
    run_round(about(endpoint), region, settings, store=store, number=2)
    assert len(endpoint.bodies) == 36, "another round is asked by itself"


def test_answers_in_another_form_are_mended_once(endpoint: JudgeServer, region: Region) -> None:
    def answer(number: int, body: dict[str, Any]) -> Any:
        return completion("The first, I think." if len(body["messages"]) == 1 else '{"answer": "first"}')

    endpoint.answer = answer
    heard = run_round(about(endpoint), region, RateSettings(mode="pairs", replies=1))
    assert len(endpoint.bodies) == 24
    document = to_document(heard, {}, about(endpoint))
    assert (document["usage"]["usable"], document["usage"]["repaired"]) == (12, 12)
    assert document["questions"][0]["replies"][0]["repairs"] == 1


def test_the_document_keeps_replies_as_received(endpoint: JudgeServer, region: Region) -> None:
    said = itertools.cycle(['{"score": 10}', '{"score": 150}'])
    endpoint.answer = lambda number, body: completion(next(said))
    judge = about(endpoint, concurrency=1, repairs=0, price_in=2.0, price_out=10.0, currency="EUR")
    heard = run_round(judge, region, RateSettings(replies=2), images=1)
    document = to_document(heard, {3: 4.0, 0: 10.0}, judge)
    assert list(document["scores"].items()) == [("0", 10.0), ("3", 4.0)]
    assert len(document["questions"]) == 4
    question = document["questions"][0]
    assert (question["clusters"], len(question["patches"]), len(question["patches"][0])) == ([0], 1, 1)
    first, second = question["replies"]
    key = first.pop("key")
    assert len(key) == 64
    assert first == {
        "text": '{"score": 10}',
        "answer": 10.0,
        "missing": None,
        "finish_reason": "stop",
        "prompt_tokens": 150,
        "completion_tokens": 7,
        "repairs": 0,
    }
    assert (second["text"], second["answer"]) == ('{"score": 150}', None)
    assert second["missing"] == "the score is outside 0 to 100"
    usage = document["usage"]
    assert usage.pop("cost") == pytest.approx(8 * (150 * 2 + 7 * 10) / 1e6)
    assert usage == {
        "questions": 4,
        "replies": 8,
        "usable": 4,
        "missing": 4,
        "repaired": 0,
        "prompt_tokens": 1200,
        "completion_tokens": 56,
        "currency": "EUR",
    }
    times = to_times(heard)
    assert times["seconds"] == pytest.approx(sum(reply["seconds"] for reply in times["replies"]), abs=1e-6)
    assert len(times["replies"]) == 8
    assert times["replies"][0] == {"key": key, "seconds": times["replies"][0]["seconds"], "attempts": 1}
    assert all(reply["seconds"] > 0 for reply in times["replies"])


def test_without_prices_there_is_no_cost(endpoint: JudgeServer, region: Region) -> None:
    heard = run_round(about(endpoint), region, RateSettings(replies=1), images=1)
    assert to_document(heard, {}, about(endpoint))["usage"]["cost"] is None


def test_a_judge_that_answers_nonsense_to_everything(endpoint: JudgeServer, region: Region) -> None:
    nonsense = itertools.cycle(["吃了吗", '{"score": "high"}', "85/100"])
    endpoint.answer = lambda number, body: completion(next(nonsense))
    heard = run_round(about(endpoint, repairs=0), region, RateSettings())
    with pytest.raises(JudgeError, match=r"clusters 0 \(0 of 9\), 1 \(0 of 9\), 2 \(0 of 9\), 3 \(0 of 9\)") as error:
        check_quorum(heard, 0.5, "Round 1")
    assert len(endpoint.bodies) == 36
    assert "no JSON object in the reply (24)" in str(error.value)
    assert "the score is text, not a number (12)" in str(error.value)


def test_a_model_that_the_endpoint_does_not_have(endpoint: JudgeServer, region: Region) -> None:
    from starlette.responses import JSONResponse

    endpoint.answer = lambda number, body: JSONResponse({"error": {"message": f"no model {body['model']}"}}, 404)
    with pytest.raises(JudgeError, match=r"Judge anna cannot be asked at .*HTTP 404: no model tester"):
        run_round(about(endpoint), region, RateSettings())


def test_a_budget_ends_the_round_before_it_is_exceeded(endpoint: JudgeServer, region: Region) -> None:
    judge = about(endpoint, price_in=1000.0, price_out=1000.0, budget=3.0, concurrency=1)
    with pytest.raises(BudgetError, match="anna"):
        run_round(judge, region, RateSettings(), store=region.folder / "replies")
    assert 0 < len(endpoint.bodies) < 36


def test_scores_and_margins() -> None:
    scores = {0: 14.0, 1: 30.0, 2: 6.0, 3: 22.0}
    assert order_of_scores(scores, 10, "leader").to_text() == "1=3>0=2"
    assert order_of_scores(scores, 10, "chain").to_text() == "0=1=2=3"
    interval = order_of_scores(scores, 10, "interval")
    assert interval.levels() is None
    assert interval.relation(1, 3) == interval.relation(3, 0) == interval.relation(0, 2) == "equal"
    assert interval.relation(1, 0) == interval.relation(1, 2) == interval.relation(3, 2) == "higher"
    assert order_of_scores(scores, 0, "leader").to_text() == "1>3>0>2"


@pytest.mark.parametrize("ties", ["leader", "chain", "interval"])
def test_the_margin_itself_is_a_tie(ties: Any) -> None:
    assert order_of_scores({0: 30.1, 1: 20.1}, 10, ties).relation(0, 1) == "equal"
    assert order_of_scores({0: 30.2, 1: 20.1}, 10, ties).relation(0, 1) == "higher"


def test_a_cluster_without_a_score_is_incomparable_not_last() -> None:
    order = order_of_scores({0: 80.0, 1: None, 2: 20.0}, 10, "leader")
    assert order.relation(0, 2) == "higher"
    assert order.relation(1, 2) == order.relation(1, 0) == "incomparable"

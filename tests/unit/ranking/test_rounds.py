"""Rounds: which patches are shown, how replies become scores, ties of scores."""

import asyncio
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rankscape.foundation.errors import JudgeError, PromptError, TableError
from rankscape.foundation.settings.ranking import DrawSettings, JudgeSettings, RateSettings
from rankscape.ranking.draws import Draw
from rankscape.ranking.judges import Reply, open_judge
from rankscape.ranking.pictures import enlarged, load_pictures, sample_patches
from rankscape.ranking.prompts import Prompt, read_prompt
from rankscape.ranking.rounds import Viewed, ask_round, cluster_scores, reply_seeds, to_document
from rankscape.ranking.ties import order_of_scores

from .conftest import Endpoint, Region, completion

ROOT = Path(__file__).parents[3]
TABLE = pd.DataFrame({"patch_id": [f"p{i:02}" for i in range(20)], "cluster": [0] * 10 + [1] * 8 + [2] * 2})


def reply(score: Any) -> Reply:
    if score is None:
        return Reply("", "", 0, 0, 0.1, "HTTP 500: boom")
    return Reply(f'{{"score": {score}}}', "stop", 10, 2, 0.25, None)


def viewed(cluster: int, *patches: list[Any]) -> list[Viewed]:
    return [Viewed(cluster, f"{cluster}-{i}", tuple(map(reply, own))) for i, own in enumerate(patches)]


def test_the_sample_depends_on_seed_and_round_alone() -> None:
    settings = DrawSettings(images_per_cluster=3)
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
        sample_patches(TABLE, (0, 7), DrawSettings(), 1)


def test_every_patch_is_drawn_sooner_or_later() -> None:
    settings = DrawSettings(images_per_cluster=3)
    seen = {patch for number in range(1, 40) for patch in sample_patches(TABLE, (0,), settings, number)[0]}
    assert len(seen) == 10


def test_seeds_of_replies_differ() -> None:
    draws = [Draw(number, 0, "f", {}) for number in (1, 2)]
    seeds = [seed for draw in draws for place in range(30) for seed in reply_seeds(draw, 5, place)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert reply_seeds(draws[0], 5, 0)[:2] == reply_seeds(draws[0], 2, 0)


def test_pictures_are_enlarged_without_smoothing(region: Region) -> None:
    pictures = load_pictures([region.tiles], [region.ids[0][0], region.ids[3][2]], 30)
    assert list(pictures) == [region.ids[0][0], region.ids[3][2]]
    picture = np.asarray(Image.open(io.BytesIO(pictures[region.ids[0][0]])))
    assert picture.shape == (32, 32, 3)
    patches = np.load(region.tiles)
    np.testing.assert_array_equal(picture[::4, ::4], patches[0])
    np.testing.assert_array_equal(picture[3::4, 3::4], patches[0])


@pytest.mark.parametrize(("side", "least", "shown"), [(8, 8, 8), (8, 9, 16), (343, 224, 343), (32, 224, 224)])
def test_whole_factors(side: int, least: int, shown: int) -> None:
    assert enlarged(np.zeros((side, side, 3), np.uint8), least).shape == (shown, shown, 3)


def test_a_patch_that_is_nowhere(region: Region) -> None:
    with pytest.raises(TableError, match=r"Patch 99XXX_0_0 .* none of the patch arrays"):
        load_pictures([region.tiles], ["99XXX_0_0"], 8)


def test_means_of_means() -> None:
    patches = [*viewed(0, [10, 20, None], [90, None, None], [None, None, None]), *viewed(1, [0, 0, 0])]
    scores = cluster_scores(patches, RateSettings(quorum=0.3), "Round 1")
    assert scores == {0: (15 + 90) / 2, 1: 0.0}


def test_below_the_quorum_the_round_fails() -> None:
    patches = [*viewed(0, [50, 50, 50]), *viewed(3, [50, None, 101]), *viewed(7, [None, None, None])]
    with pytest.raises(JudgeError) as error:
        cluster_scores(patches, RateSettings(quorum=0.5), "Round 2 of judge anna")
    message = str(error.value)
    assert message.startswith("Round 2 of judge anna: too few usable replies (quorum 0.5) for the clusters 3 (1 of 3)")
    assert "7 (0 of 3)" in message
    assert "HTTP 500: boom (4); the score is outside 0 to 100 (1)" in message
    assert " 0 (" not in message


def test_one_usable_reply_is_the_least() -> None:
    with pytest.raises(JudgeError, match=r"clusters 0 \(0 of 3\)"):
        cluster_scores(viewed(0, [None, None, None]), RateSettings(quorum=0.01), "Round 1")


def test_the_document_keeps_replies_as_received() -> None:
    patches = viewed(4, [10, 150])
    document = to_document(patches, {4: 10.0})
    assert document["scores"] == {"4": 10.0}
    first, second = document["images"][0]["replies"]
    assert first == {
        "text": '{"score": 10}',
        "score": 10.0,
        "missing": None,
        "finish_reason": "stop",
        "prompt_tokens": 10,
        "completion_tokens": 2,
        "seconds": 0.25,
    }
    assert (second["text"], second["score"]) == ('{"score": 150}', None)
    assert document["usage"] == {
        "replies": 2,
        "usable": 1,
        "missing": 1,
        "prompt_tokens": 20,
        "completion_tokens": 4,
    }


def run_round(
    endpoint: Endpoint, region: Region, settings: RateSettings, images: int = 3, **judge: Any
) -> list[Viewed]:
    table = pd.read_parquet(region.clusters)
    sample = sample_patches(table, region.ranked, DrawSettings(images_per_cluster=images), 1)
    pictures = load_pictures([region.tiles], [p for own in sample.values() for p in own], 224)
    draw = Draw(1, 0, "f", {cluster: {p: pictures[p] for p in own} for cluster, own in sample.items()})
    about = JudgeSettings(**{"model": "tester", "base_url": endpoint.url, "attempts": 3, **judge})

    async def run() -> list[Viewed]:
        async with open_judge("anna", about) as open_one:
            return await ask_round(open_one, Prompt("who", "How developed?", "0"), draw, settings)

    return asyncio.run(run())


def test_a_whole_round_over_http(endpoint: Endpoint, region: Region) -> None:
    settings = RateSettings(replies=3)
    patches = run_round(endpoint, region, settings, images=2)
    assert len(patches) == 4 * 2
    assert all(len(patch.replies) == 3 for patch in patches)
    assert len(endpoint.bodies) == 24
    assert len({body["seed"] for body in endpoint.bodies}) == 24
    pictures = [body["messages"][0]["content"][1]["image_url"]["url"] for body in endpoint.bodies]
    assert len(set(pictures)) == 8
    assert cluster_scores(patches, settings, "x") == dict.fromkeys(region.ranked, 50.0)


def test_a_judge_that_answers_nonsense_to_everything(endpoint: Endpoint, region: Region) -> None:
    endpoint.answer = lambda number, body: completion(["吃了吗", '{"score": "high"}', "85/100"][number % 3])
    settings = RateSettings()
    with pytest.raises(JudgeError, match=r"clusters 0 \(0 of 9\), 1 \(0 of 9\), 2 \(0 of 9\), 3 \(0 of 9\)") as error:
        cluster_scores(run_round(endpoint, region, settings), settings, "Round 1")
    assert "no JSON object in the reply (24)" in str(error.value)
    assert "the score is text, not a number (12)" in str(error.value)


def test_a_model_that_the_endpoint_does_not_have(endpoint: Endpoint, region: Region) -> None:
    from starlette.responses import JSONResponse

    endpoint.answer = lambda number, body: JSONResponse({"error": {"message": f"no model {body['model']}"}}, 404)
    with pytest.raises(JudgeError, match=r"Judge anna cannot be asked at .*HTTP 404: no model tester"):
        run_round(endpoint, region, RateSettings())


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


def test_prompts(tmp_path: Path) -> None:
    path = tmp_path / "who.md"
    path.write_text("\n\ufeffHow developed?\n\n", encoding="utf-8")
    path.write_bytes("\ufeff  这里多发达？\n".encode())
    prompt = read_prompt(path)
    assert (prompt.name, prompt.text) == ("who", "这里多发达？")
    assert len(prompt.sha256) == 64


@pytest.mark.parametrize(
    ("content", "said"), [(None, "does not exist"), (b" \n\n", "is empty"), (b"\xff\xfe\x00", "is no UTF-8 text")]
)
def test_bad_prompts(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "who.md"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PromptError, match=said):
        read_prompt(path)


@pytest.mark.parametrize(
    "name", ["remote-sensing-expert-zh", "local-resident-zh", "development-economist-zh", "economics-student-en"]
)
def test_the_prompts_that_come_with_rankscape(name: str) -> None:
    prompt = read_prompt(ROOT / "config" / "prompts" / f"{name}.md")
    assert '"score"' in prompt.text
    assert "JSON" in prompt.text
    assert (sum("\u4e00" <= letter <= "\u9fff" for letter in prompt.text) > 100) == name.endswith("-zh")
    # Only the ends of the scale are named: a judge that is told ranges of classes repeats them.
    import re

    assert set(re.findall(r"\d+", prompt.text)) == {"0", "100"}

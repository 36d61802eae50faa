"""The stand-in judge: the protocol of real judges, and no knowledge but the picture and the prompt."""

import asyncio
import base64
import io
import json
from collections.abc import Callable

import httpx2
import numpy as np
import pytest
from PIL import Image
from rankscape.samples.pixel_statistics import STATISTICS, patch_statistics
from rankscape.samples.rendering import as_png, enlarged
from rankscape.studies.ranking.judges.round_samples import montage, side_by_side
from rankscape.synthetic.stand_in import MODEL, answer, create_app, look, native
from rankscape.synthetic.stand_in_requests import RequestError, StandInQuestion, halves, patches_of, read_question
from scipy import stats
from unit.synthetic.conftest import pictures, reflectance_patches, truth_of_patches

PAIR = ("first", "second", "tie")
PROMPT = "How developed is this place? Answer with a JSON object with the key score, 0 to 100."
SCORE = {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]}


def picture(seed: int = 0, side: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)


def image(pixels: np.ndarray) -> dict:
    url = "data:image/png;base64," + base64.b64encode(as_png(pixels)).decode()
    return {"type": "image_url", "image_url": {"url": url, "detail": "high"}}


def wish(value: object) -> dict:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"properties": {"key": value}}}}


def tier_form(letters: str) -> dict:
    return {"type": "array", "items": {"type": "array", "items": {"type": "string", "enum": list(letters)}}}


def request(pixels: np.ndarray | list | None = None, **changes: object) -> dict:
    shown = [picture()] if pixels is None else pixels if isinstance(pixels, list) else [pixels]
    parts = [{"type": "text", "text": PROMPT}, *map(image, shown)]
    body = {
        "model": MODEL, "messages": [{"role": "user", "content": parts}], "temperature": 0.7, "seed": 1,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCORE}},
    }  # fmt: skip
    return {**body, **changes}


def send(*bodies: object, path: str = "/v1/chat/completions") -> list[httpx2.Response]:
    async def run() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app=create_app())
        async with httpx2.AsyncClient(transport=transport, base_url="http://stand-in.invalid") as client:
            return [
                await client.post(path, content=body if isinstance(body, bytes) else json.dumps(body).encode())
                for body in bodies
            ]

    return asyncio.run(run())


def question(pixels: np.ndarray, seed: int = 0, **changes: object) -> StandInQuestion:
    given = {"prompt": PROMPT, "temperature": 0.7, "key": "score", "options": ()} | changes
    given = {"wanted": "name" if given["options"] else "score"} | given
    return StandInQuestion(images=(pixels,), seed=seed, **given)


def said(asked: StandInQuestion) -> object:
    """The value that a usable answer gives; None for one that is not usable."""
    content, _, _ = answer(asked)
    try:
        return json.loads(content or "")[asked.key]
    except ValueError:
        return None


def score_of(asked: StandInQuestion) -> float:
    value = said(asked)
    return np.nan if value is None else float(value)


def test_a_score_comes_back_as_a_chat_completion():
    (response,) = send(request())
    document = response.json()
    assert response.status_code == 200
    assert document["object"] == "chat.completion"
    assert document["model"] == MODEL
    (choice,) = document["choices"]
    assert choice["finish_reason"] == "stop"
    assert set(json.loads(choice["message"]["content"])) == {"score"}
    assert 0 <= json.loads(choice["message"]["content"])["score"] <= 100
    usage = document["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


def test_models_lists_the_stand_in_by_its_name():
    async def run() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=create_app())
        async with httpx2.AsyncClient(transport=transport, base_url="http://stand-in.invalid") as client:
            return await client.get("/v1/models")

    assert [model["id"] for model in asyncio.run(run()).json()["data"]] == ["stand-in"]


def test_the_same_request_gets_the_same_answer_and_another_seed_another():
    first, again, other = (response.json() for response in send(request(), request(), request(seed=2)))
    assert first == again
    assert first["id"] != other["id"]
    scores = {score_of(question(painted((80, 86, 50)), seed)) for seed in range(12)}
    assert len(scores) > 4


def test_at_temperature_0_only_missing_answers_differ():
    scores = [score_of(question(painted((80, 86, 50)), seed, temperature=0.0)) for seed in range(40)]
    assert len({score for score in scores if np.isfinite(score)}) == 1


def test_without_a_schema_a_number_is_wanted():
    for form in (None, {"type": "json_object"}, {"type": "text"}):
        (response,) = send(request(response_format=form))
        assert "score" in json.loads(response.json()["choices"][0]["message"]["content"])


def without(part: str) -> dict:
    body = request()
    kept = [one for one in body["messages"][0]["content"] if one["type"] != part]
    return {**body, "messages": [{"role": "user", "content": kept}]}


def with_image(entry: object) -> dict:
    return {
        **request(),
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": PROMPT}, {"type": "image_url", "image_url": entry}]}
        ],
    }


def form(schema: object) -> dict:
    return request(response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}})


def encoded(data: bytes) -> dict:
    return {"url": "data:image/png;base64," + base64.b64encode(data).decode()}


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "no JSON": (lambda: b"score please", "no JSON"),
    "no object": (lambda: [1, 2], "JSON object"),
    "no messages": (lambda: {"model": MODEL}, "messages"),
    "empty messages": (lambda: request(messages=[]), "messages"),
    "a message without content": (lambda: request(messages=[{"role": "user"}]), "content"),
    "a message that is none": (lambda: request(messages=["hello"]), "content"),
    "no picture": (lambda: without("image_url"), "0 images"),
    "no prompt": (lambda: without("text"), "no text"),
    "two pictures": (
        lambda: request(messages=[*request()["messages"], *request()["messages"]]), "2 images",
    ),
    "an address": (lambda: with_image({"url": "https://example.com/a.png"}), "opens no address"),
    "a file": (lambda: with_image({"url": "file:///etc/passwd"}), "opens no address"),
    "a JPEG": (lambda: with_image({"url": "data:image/jpeg;base64,AAAA"}), "image_url"),
    "no base64": (lambda: with_image({"url": "data:image/png;base64,%%%"}), "base64"),
    "no PNG": (lambda: with_image(encoded(b"GIF89a")), "PNG"),
    "half a PNG": (
        lambda: with_image(encoded(as_png(picture())[:900])), "PNG",
    ),
    "three groups of a pair": (
        lambda: request([picture()] * 3, response_format=wish({"type": "string", "enum": list(PAIR)})), "one or two",
    ),
    "fewer pictures than letters": (
        lambda: request([picture()] * 2, response_format=wish(tier_form("ABC"))), "3, one a letter",
    ),
    "a tiny picture": (lambda: request(picture(side=4)), "pixels"),
    "a stream": (lambda: request(stream=True), "stream"),
    "a seed that is text": (lambda: request(seed="one"), "seed"),
    "a temperature below 0": (lambda: request(temperature=-1), "temperature"),
    "a schema of two keys": (lambda: form({"properties": {"a": {}, "b": {}}}), "one property"),
    "a schema that is none": (lambda: form("number"), "one property"),
    "an enum of numbers": (lambda: form({"properties": {"a": {"enum": [1, 2]}}}), "enum"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_requests_are_answered_with_400(name):
    body, words = WRONG[name]
    (response,) = send(body())
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert words in error["message"]


def test_only_the_protocol_is_spoken():
    (response,) = send(request(), path="/v1/embeddings")
    assert response.status_code == 404


def test_text_may_stand_in_several_messages():
    body = request()
    body["messages"] = [{"role": "system", "content": "You are a judge."}, *body["messages"]]
    assert read_question(json.dumps(body).encode()).prompt == f"You are a judge.\n{PROMPT}"
    plain = read_question(json.dumps(request(seed=None, temperature=None)).encode())
    assert (plain.seed, plain.temperature) == (0, 1.0)
    with pytest.raises(RequestError, match="one property"):
        read_question(json.dumps(form({"properties": {}})).encode())


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_enlarging_a_picture_changes_no_measure(factor, small_land, small_layout):
    for pixels in pictures(small_land, small_layout, "03TWF")[::9]:
        large = enlarged(pixels, 32 * factor)
        assert large.shape == (32 * factor, 32 * factor, 3)
        assert np.array_equal(native(large), pixels)
        assert look(large) == look(pixels)


def test_native_leaves_pictures_alone_that_were_not_enlarged():
    assert native(picture()).shape == (32, 32, 3)
    assert native(picture(side=37)).shape == (37, 37, 3)
    assert min(native(np.zeros((64, 64, 3), np.uint8)).shape[:2]) >= 4


def painted(colour: tuple[int, int, int], spread: float = 3.0) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, spread, (32, 32, 1))
    return (np.array(colour) + noise).clip(0, 255).astype(np.uint8)


def test_aspects_are_what_they_are_called():
    forest, crops, pasture = painted((19, 34, 19)), painted((34, 70, 32)), painted((80, 86, 50))
    assert look(forest).woods == 1
    assert look(crops).crops == 1
    assert look(pasture).pasture == 1
    assert look(painted((20, 20, 20))).stone == 1
    white = painted((120, 110, 90))
    white[4:10, 4:28] = 240
    assert look(white).roofs == 1
    assert look(forest).roofs == look(crops).woods == look(pasture).crops == 0


def test_a_cloud_is_no_roof():
    land = painted((120, 110, 90))
    cloud, halls = land.copy(), land.copy()
    cloud[4:20, 4:18] = 250
    halls[4:10, 4:16] = halls[14:20, 4:16] = 250
    assert look(cloud).roofs == 0
    assert look(halls).roofs == 1


def test_order_is_that_of_streets_whatever_their_direction():
    row, col = np.indices((128, 128)) / 4
    for angle in (0.0, 0.4, 1.1):
        u, v = row * np.cos(angle) + col * np.sin(angle), col * np.cos(angle) - row * np.sin(angle)
        fine = np.where((u % 9 < 2) | (v % 7 < 2), 60, 180)
        streets = fine.reshape(32, 4, 32, 4).mean((1, 3)).astype(np.uint8)
        assert look(np.stack([streets] * 3, -1)).order > 0.3
    assert look(picture(5)).order < 0.2


def test_a_flat_picture_is_measured_too():
    for value in (0, 128, 255):
        seen = look(np.full((32, 32, 3), value, np.uint8))
        assert all(0 <= aspect <= 1 for aspect in vars(seen).values())


def test_now_and_then_an_answer_is_unusable():
    pixels = picture()
    answers = [answer(question(pixels, seed)) for seed in range(1500)]
    usable = [content is not None and content.startswith('{"score": ') for content, _, _ in answers]
    assert 0.003 < 1 - np.mean(usable) < 0.04
    refusals = [refusal for _, refusal, _ in answers if refusal]
    cut = [content for content, _, reason in answers if reason == "length"]
    assert refusals
    assert all(text == '{"sco' for text in cut)
    assert all((content is None) == (refusal is not None) for content, refusal, _ in answers)


def test_categories_are_answered_from_the_schema(small_land, small_layout):
    options = ["urban", "rural", "highland", "uninhabited"]
    body = form({"type": "object", "properties": {"category": {"type": "string", "enum": options}}})
    (response,) = send({**body, "seed": 3})
    assert json.loads(response.json()["choices"][0]["message"]["content"])["category"] in options
    shown = pictures(small_land, small_layout, "03TWF")
    named = {said(question(pixels, key="category", options=tuple(options))) for pixels in shown}
    assert {"urban", "rural", "uninhabited"} <= named


def test_categories_go_by_looks_and_unknown_names_are_hardly_ever_chosen():
    options = ("urban", "farmland", "grassland", "forest", "thing")
    for pixels, expected in ((painted((19, 34, 19)), "forest"), (painted((80, 86, 50)), "grassland")):
        named = {said(question(pixels, seed, key="c", options=options)) for seed in range(5)}
        assert named - {None} == {expected}


@pytest.fixture(scope="module")
def judged(full_land, full_layout) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of one prompt's and another's single replies, and the truth, of some patches of the apply granule."""
    places = np.random.default_rng(0).choice(1024, 300, replace=False)
    shown = pictures(full_land, full_layout, "03TXG")[places]
    truth = truth_of_patches(full_land, full_layout, "03TXG")[places]
    prompts = (PROMPT, "请根据影像判断发展水平。")
    scores = np.array([[score_of(question(pixels, 5, prompt=prompt)) for pixels in shown] for prompt in prompts])
    return scores[0], scores[1], truth


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    return float(stats.spearmanr(first, second, nan_policy="omit").statistic)


def test_one_reply_is_right_but_not_exactly(judged, full_land, full_layout):
    first, second, truth = judged
    for scores in (first, second):
        assert 0.65 < spearman(scores, truth) < 0.90
    patches = reflectance_patches(full_land, full_layout, "03TXG")
    statistics = patch_statistics(patches, np.ones(len(patches), bool))
    whole = truth_of_patches(full_land, full_layout, "03TXG")
    assert spearman(first, truth) > max(abs(spearman(statistics[name].to_numpy(), whole)) for name in STATISTICS)


def test_prompts_weigh_things_differently_but_agree_on_the_whole(judged):
    first, second, truth = judged
    assert not np.array_equal(first, second)
    assert spearman(first, second) > 0.6
    assert spearman((first + second) / 2, truth) >= min(spearman(first, truth), spearman(second, truth))


def test_the_judge_reads_no_position_and_no_name():
    body = request()
    named = {**body, "user": "03TXG_4_5", "metadata": {"granule": "03TXG", "truth": 0.9}}
    first, second = send(body, named)
    assert first.json() == second.json()


FOREST, FIELDS, TOWN = painted((19, 34, 19)), painted((60, 70, 40), 12), painted((120, 110, 90), 25)
TOWN[4:28:3, 4:28] = 235


def sheets(*groups: np.ndarray, patches: int = 3) -> list[np.ndarray]:
    return [np.asarray(Image.open(io.BytesIO(montage([as_png(enlarged(one, 224))] * patches)))) for one in groups]


def titled(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    both = ([as_png(enlarged(one, 224))] * 3 for one in (first, second))
    return np.asarray(Image.open(io.BytesIO(side_by_side(*both, ("first", "second")))))


def asked(shown: list[np.ndarray], wanted: str, options: tuple, seed: int = 0, **changes: object) -> StandInQuestion:
    given = {"prompt": PROMPT, "temperature": 0.7, "key": "answer"} | changes
    return StandInQuestion(images=tuple(shown), seed=seed, options=options, wanted=wanted, **given)


def test_patches_are_found_on_a_sheet_and_on_both_sides_of_the_gap():
    (one,) = sheets(TOWN, patches=5)
    found = patches_of(one)
    assert len(found) == 5
    assert all(np.array_equal(patch, enlarged(TOWN, 224)) for patch in found)
    left, right = halves(titled(FOREST, TOWN))
    assert [np.array_equal(patch, enlarged(FOREST, 224)) for patch in patches_of(left)] == [True] * 3
    assert [np.array_equal(patch, enlarged(TOWN, 224)) for patch in patches_of(right)] == [True] * 3


def test_sheets_without_patches_are_looked_at_whole():
    paper = np.full((64, 64, 3), 255, np.uint8)
    assert patches_of(paper)[0] is paper
    assert halves(paper) == (paper, paper)
    assert halves(FOREST)[1] is FOREST


@pytest.mark.parametrize("shape", ["two", "one"])
def test_of_two_groups_the_higher_one_is_named_and_the_first_is_liked(shape):
    def share(first: np.ndarray, second: np.ndarray, wanted: str) -> float:
        shown = sheets(first, second) if shape == "two" else [titled(first, second)]
        answers = [said(asked(shown, "pair", PAIR, seed)) for seed in range(80)]
        return np.mean([one == wanted for one in answers if one is not None])

    assert share(TOWN, FOREST, "first") > 0.9
    assert share(FOREST, TOWN, "second") > 0.9
    assert share(FIELDS, FIELDS, "first") > share(FIELDS, FIELDS, "second") + 0.1
    assert share(FIELDS, FIELDS, "tie") > 0.15


def test_tiers_hold_every_letter_once_with_the_town_on_top():
    shown = sheets(FOREST, TOWN, FIELDS, FOREST)
    answers = [said(asked(shown, "tiers", tuple("ABCD"), seed, temperature=0.2)) for seed in range(30)]
    usable = [one for one in answers if one is not None]
    assert len(usable) > 24
    assert all(sorted(letter for tier in one for letter in tier) == list("ABCD") for one in usable)
    assert all(one[0] == ["B"] for one in usable)
    assert len({json.dumps(one) for one in usable}) > 1


def test_pairs_and_tiers_over_the_protocol():
    pair, tiers = send(
        request(sheets(TOWN, FOREST), response_format=wish({"type": "string", "enum": list(PAIR)})),
        request(sheets(TOWN, FOREST, FIELDS), response_format=wish(tier_form("ABC"))),
    )
    assert json.loads(pair.json()["choices"][0]["message"]["content"])["key"] in PAIR
    found = json.loads(tiers.json()["choices"][0]["message"]["content"])["key"]
    assert sorted(letter for tier in found for letter in tier) == ["A", "B", "C"]


def test_asked_to_mend_an_answer_it_answers_the_same_question_anew():
    body = request(painted((80, 86, 50)))
    mend = [{"role": "assistant", "content": "?"}, {"role": "user", "content": "That answer cannot be used."}]
    body["messages"] += mend
    found = read_question(json.dumps(body).encode())
    assert (found.prompt, found.afterwards) == (PROMPT, "?\nThat answer cannot be used.")
    first, mended = (score_of(one) for one in (question(found.images[0], 1), found))
    assert first != mended
    assert abs(first - mended) < 60

import asyncio
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import uvicorn
from PIL import Image
from rankscape.__main__ import main
from rankscape.foundation.errors import JudgeError, SettingsError, TableError
from rankscape.foundation.tables import read_metadata, read_table
from rankscape.samples.patches import open_patches
from rankscape.studies.ranking.clusters.category_labels import (
    Answer,
    Sample,
    ask_labels,
    prompt,
    read_answer,
    sample_patches,
    schema,
)
from rankscape.studies.ranking.clusters.settings import LabelSettings
from rankscape.studies.ranking.stages.label import label
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

CATEGORIES = ("town", "country")


def judged(**values: object) -> LabelSettings:
    return LabelSettings(source="judge", judge="critic", categories=CATEGORIES, **values)


def says(category: str) -> Answer:
    return Answer(json.dumps({"category": category}), None)


def ask_all(sample: Sample, ask: Callable[[bytes, int], Answer], settings: LabelSettings):
    async def answer(image: bytes, seed: int) -> Answer:
        return ask(image, seed)

    return asyncio.run(ask_labels(sample, answer, settings, 2))


def test_the_share_of_the_usable_answers_is_the_label(region):
    settings = judged(sample=10, replies=4, seed=5)
    sample = sample_patches([open_patches(path) for path in region.tiles], settings)
    by_seed = {5: says("town"), 6: says("town"), 7: says("country"), 8: Answer("I cannot tell", None)}
    found = ask_all(sample, lambda image, seed: by_seed[seed], settings)
    assert found.table["town"].to_list() == pytest.approx([2 / 3] * 10)
    assert list(found.table["patch_id"]) == list(sample.ids)
    assert (found.asked, found.usable) == (40, 30)


def test_patches_without_an_answer_are_left_out_and_half_are_enough(region):
    settings = judged(sample=10, replies=1)
    sample = sample_patches([open_patches(path) for path in region.tiles], settings)
    answers = iter([says("town"), Answer("", "no reply within 1 s")] * 5)
    found = ask_all(sample, lambda image, seed: next(answers), settings)
    assert list(found.table["patch_id"]) == list(sample.ids[::2])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer("", "HTTP 500: out of order"), "out of order"),
        (Answer("It is lovely.", None), "It is lovely."),
        (Answer('{"category": "village"}', None), "village"),
    ],
)
def test_a_judge_without_usable_answers_is_an_error_that_shows_one(region, answer, said):
    settings = judged(sample=5, replies=2)
    sample = sample_patches([open_patches(path) for path in region.tiles], settings)
    with pytest.raises(JudgeError, match="critic named a category for 0 of 5 patches") as caught:
        ask_all(sample, lambda image, seed: answer, settings)
    assert said in str(caught.value)


def test_the_draw_is_seeded_skips_unusable_patches_and_counts_a_place_once(region):
    granules = [open_patches(path) for path in region.tiles]
    first = sample_patches(granules, judged(sample=60, seed=1))
    assert first.ids == sample_patches(granules[::-1], judged(sample=60, seed=1)).ids
    assert first.ids != sample_patches(granules, judged(sample=60, seed=2)).ids
    everything = sample_patches(granules, judged(sample=100_000))
    usable = [one.index.loc[one.index["usable"], ["patch_id", "row", "col"]] for one in granules]
    assert set(everything.ids) < {patch for part in usable for patch in part["patch_id"]}
    # Column 8 of the first granule and column 0 of the second are the same land.
    kept = set(everything.ids)
    assert not any(f"03TVF_{row}_8" in kept and f"03TWF_{row}_0" in kept for row in range(12))


def test_the_image_is_the_patch(region):
    granules = [open_patches(path) for path in region.tiles]
    sample = sample_patches(granules, judged(sample=3))
    image = sample.image(0)
    assert image.startswith(b"\x89PNG")
    granule, position = sample.places[0]
    shown = np.asarray(Image.open(io.BytesIO(image)))
    assert shown.shape == (224, 224, 3)
    assert np.array_equal(shown[::28, ::28], granule.array[position])


def test_no_usable_patch_is_an_error(patch_store):
    path = patch_store("03TVF", pixels=np.zeros((8, 8, 3), np.uint8), usable=np.zeros(1, bool))
    with pytest.raises(TableError, match="No patch is usable"):
        sample_patches([open_patches(path)], judged())


def test_the_question_names_the_categories_and_the_schema_allows_nothing_else():
    assert "town, country" in prompt(CATEGORIES)
    assert schema(CATEGORIES)["properties"]["category"]["enum"] == ["town", "country"]


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ('{"category": "town"}', "town"),
        ('```json\n{"category": "country"}\n```', "country"),
        ('{"category": "Town"}', None),
        ('{"category": ["town"]}', None),
        ('{"kind": "town"}', None),
        ("town", None),
        ("[1]", None),
        ('{"category": "town"', None),
        ("", None),
    ],
)
def test_a_reply_names_one_of_the_list_or_nothing(text, category):
    assert read_answer(text, CATEGORIES) == category


@contextmanager
def endpoint(answer: Callable[[dict], JSONResponse]) -> Iterator[str]:
    """Serve an OpenAI-style endpoint on a free loopback port."""

    async def complete(request: Request) -> JSONResponse:
        return answer(await request.json())

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        application = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        server.should_exit = True
        thread.join()


def completion(text: str) -> JSONResponse:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return JSONResponse({"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage})


def test_stage_asks_a_judge_over_the_network(region, tmp_path):
    seen = []

    def answer(body: dict) -> JSONResponse:
        seen.append(body)
        return completion('{"category": "town"}' if body["seed"] == 0 else '{"category": "country"}')

    settings = judged(sample=6, replies=2).canonical()
    out = tmp_path / "labels.parquet"
    with endpoint(answer) as url:
        label(
            settings=settings,
            patches=region.tiles,
            out=out,
            judge_settings=json.dumps({"model": "eye", "base_url": url}),
        )
    table = read_table(out)
    assert len(table) == 6
    assert (table[["town", "country"]] == 0.5).all(axis=None)
    about = read_metadata(out, "label")
    assert (about["asked"], about["usable"], about["judge"]["model"]) == (12, 12, "eye")
    assert seen[0]["response_format"]["json_schema"]["schema"] == schema(CATEGORIES)


def test_stage_ends_with_one_line_when_the_endpoint_refuses(region, tmp_path, capfd):
    settings = judged(sample=4).canonical()
    tiles = [str(path) for path in region.tiles]
    with endpoint(lambda body: JSONResponse({"error": {"message": "bad key"}}, 401)) as url:
        judge = json.dumps({"model": "eye", "base_url": url})
        arguments = ["ranking", "label", "--settings", settings, "--judge-settings", judge, "--patches", *tiles]
        with pytest.raises(SystemExit) as caught:
            main([*arguments, "--out", str(tmp_path / "labels.parquet")])
    assert caught.value.code == 1
    said = capfd.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("rankscape: Judge critic cannot be asked")
    assert "401" in said
    assert not (tmp_path / "labels.parquet").exists()


def test_stage_ends_when_the_judge_answers_nonsense(region, tmp_path):
    settings = judged(sample=4).canonical()
    with endpoint(lambda body: completion("What a nice day")) as url, pytest.raises(JudgeError, match="What a nice"):
        label(
            settings=settings,
            patches=region.tiles,
            out=tmp_path / "l.parquet",
            judge_settings=json.dumps({"model": "eye", "base_url": url}),
        )


@pytest.mark.parametrize(
    ("judge", "said"),
    [("", "--judge-settings"), ('{"kind": "stand-in", "model": "m"}', "stand-in"), ("{}", "model is missing")],
)
def test_stage_needs_the_settings_of_a_judge_that_can_label(region, tmp_path, judge, said):
    with pytest.raises(SettingsError, match=said):
        label(settings=judged().canonical(), patches=region.tiles, out=tmp_path / "l.parquet", judge_settings=judge)

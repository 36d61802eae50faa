"""Modes of asking: what is shown, how answers are read, what scores follow."""

import io
import json
import re
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rankscape.foundation.errors import InputError, JudgeError
from rankscape.samples.rendering import as_png
from rankscape.studies.ranking.judges.asking import Heard, Mode, Shown, check_quorum, reply_seeds
from rankscape.studies.ranking.judges.modes import MODES, SCORES, TIERS, mode_of, names
from rankscape.studies.ranking.judges.pairs import PAIRS, counts, pair_design
from rankscape.studies.ranking.judges.prompts import Prompt
from rankscape.studies.ranking.judges.questions import Reply
from rankscape.studies.ranking.judges.round_samples import PAPER, RoundSample, montage, side_by_side
from rankscape.studies.ranking.judges.rounds import questions_of, round_text
from rankscape.studies.ranking.judges.settings import RateSettings

COLOURS = [(20, 30, 40), (90, 60, 30), (60, 120, 60), (200, 30, 30), (30, 30, 200), (120, 120, 20)]


def png(colour: tuple[int, int, int], side: int = 24) -> bytes:
    return as_png(np.full((side, side, 3), colour, np.uint8))


def sample(clusters: int = 4, images: int = 3, number: int = 1, seed: int = 0) -> RoundSample:
    images = {c: {f"{c}-{i}": png(COLOURS[c % len(COLOURS)]) for i in range(images)} for c in range(clusters)}
    return RoundSample(number, seed, "f", images)


def reply(text: str, finish_reason: str = "stop", error: str | None = None) -> Reply:
    return Reply(text, finish_reason, 100, 5, 0.1, error)


def hear(mode: Mode, sampled: RoundSample, rate: RateSettings, say: Callable[[Shown], Any]) -> list[Heard]:
    """A round in which `say` answers every question."""
    heard = []
    for shown in mode.show(sampled, rate):
        replies = tuple(reply(text) if (text := say(shown)) is not None else reply("") for _ in shown.seeds)
        heard.append(Heard(shown, replies, tuple(mode.read(one, shown) for one in replies)))
    return heard


def noiseless(mode: Mode, worth: dict[int, float]) -> Callable[[Shown], str]:
    """A judge who knows what every cluster is worth."""

    def say(shown: Shown) -> str:
        values = [worth[cluster] for cluster in shown.clusters]
        if mode is SCORES:
            return json.dumps({"score": values[0]})
        if mode is PAIRS:
            answer = "tie" if values[0] == values[1] else "first" if values[0] > values[1] else "second"
            return json.dumps({"answer": answer})
        letters = names(len(values))
        tiers = [[n for n, v in zip(letters, values, strict=True) if v == level] for level in sorted(set(values))[::-1]]
        return json.dumps({"tiers": tiers})

    return say


WORTHS = st.lists(st.integers(0, 100), min_size=2, max_size=7)


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
@settings(max_examples=25, deadline=None)
@given(worth=WORTHS)
def test_every_mode_recovers_the_order_of_a_noiseless_judge(mode: Mode, worth: list[int]) -> None:
    values = {cluster: float(value) for cluster, value in enumerate(worth)}
    found = mode.score(hear(mode, sample(len(worth), 1), RateSettings(replies=2), noiseless(mode, values)), "Round 1")
    assert set(found) == set(values)
    assert all(0 <= score <= 100 for score in found.values())
    for one, other in combinations(values, 2):
        gap = found[one] - found[other]
        assert np.sign(np.round(gap, 6)) == np.sign(values[one] - values[other])


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
@settings(max_examples=15, deadline=None)
@given(worth=WORTHS, chance=st.randoms(use_true_random=False))
def test_other_names_of_clusters_change_nothing(mode: Mode, worth: list[int], chance: Any) -> None:
    names_now = list(range(len(worth)))
    chance.shuffle(names_now)
    values = {cluster: float(value) for cluster, value in enumerate(worth)}
    renamed = {names_now[cluster]: value for cluster, value in values.items()}
    rate, sampled = RateSettings(replies=1), sample(len(worth), 1)
    before = mode.score(hear(mode, sampled, rate, noiseless(mode, values)), "x")
    after = mode.score(hear(mode, sampled, rate, noiseless(mode, renamed)), "x")
    assert {names_now[cluster]: pytest.approx(score, abs=1e-6) for cluster, score in before.items()} == after


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
def test_two_rounds_alike_ask_alike_and_all_requests_differ(mode: Mode) -> None:
    rate = RateSettings(replies=3)
    shown = mode.show(sample(5), rate)
    assert shown == mode.show(sample(5), rate)
    asked = [question for one in shown for question in questions_of(one, "How?", 1)]
    assert len({(q.images, q.prompt, q.number, q.seed, q.labels) for q in asked}) == len(asked)
    other = [question for one in mode.show(sample(5, number=2), rate) for question in questions_of(one, "How?", 2)]
    assert not {(q.number, q.seed) for q in asked} & {(q.number, q.seed) for q in other}


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
def test_images_hold_pixels_and_nothing_else(mode: Mode) -> None:
    for pair_images in ("side-by-side", "two"):
        for shown in mode.show(sample(3), RateSettings(replies=1, pair_images=pair_images)):
            images = shown.paint()
            assert len(shown.labels) in {0, len(images)}
            for image in images:
                with Image.open(io.BytesIO(image)) as opened:
                    assert (opened.format, opened.info) == ("PNG", {})


def test_scores_show_one_patch_and_send_the_prompt_alone() -> None:
    sampled = sample(2, images=2)
    shown = SCORES.show(sampled, RateSettings(replies=3))
    assert [one.clusters for one in shown] == [(0,), (0,), (1,), (1,)]
    assert shown[3].paint() == (sampled.images[1]["1-1"],)
    assert [one.seeds for one in shown] == [reply_seeds(sampled, 3, place) for place in range(4)]
    assert round_text(Prompt("who", "How developed?", ""), SCORES, RateSettings()) == "How developed?"


def test_scores_are_means_of_means_of_usable_replies() -> None:
    def say(shown: Shown) -> str | None:
        return {"0-0": '{"score": 10}', "0-1": '{"score": 20}', "0-2": None}.get(shown.patches[0][0], '{"score": 7}')

    heard = hear(SCORES, sample(2), RateSettings(replies=2), say)
    first = heard[0]
    heard[0] = Heard(first.shown, first.replies, (first.readings[0], SCORES.read(reply("85/100"), first.shown)))
    assert SCORES.score(heard, "x") == {0: 15.0, 1: 7.0}


def test_pairs_are_shown_in_both_orders() -> None:
    shown = PAIRS.show(sample(4), RateSettings(replies=2))
    assert [one.clusters for one in shown[:4]] == [(0, 1), (1, 0), (0, 2), (2, 0)]
    assert len(shown) == 12
    assert shown[1].patches == (("1-0", "1-1", "1-2"), ("0-0", "0-1", "0-2"))
    assert all(len(one.seeds) == 2 for one in shown)
    assert len({seed for one in shown for seed in one.seeds}) == 24


def test_side_by_side_is_one_image_with_a_gap_and_titles() -> None:
    rate = RateSettings()
    (image,) = PAIRS.show(sample(3), rate)[2].paint()
    pixels = np.asarray(Image.open(io.BytesIO(image)))
    left, right = (np.flatnonzero((pixels == COLOURS[c]).all(-1).any(axis=0)) for c in (0, 2))
    assert left.max() + 90 < right.min()
    assert (pixels[:, left.max() + 10 : right.min() - 20] == PAPER).all()
    titles = pixels[:35].min(axis=(0, 2))
    assert (titles[: left.max()] < 100).any()
    assert (titles[right.min() :] < 100).any()
    assert '{"answer": "tie"}' in PAIRS.form(rate)
    assert "left" in PAIRS.form(rate)


def test_two_images_are_the_clusters_own_sheets() -> None:
    rate = RateSettings(pair_images="two")
    shown = PAIRS.show(sample(3), rate)[2]
    first, second = shown.paint()
    assert first == montage([png(COLOURS[0])] * 3)
    assert second == montage([png(COLOURS[2])] * 3)
    assert shown.labels == ("first:", "second:")
    assert "two pictures" in PAIRS.form(rate)
    assert "left" not in PAIRS.form(rate)


def test_no_patch_is_made_smaller() -> None:
    large = np.random.default_rng(0).integers(0, 255, (343, 343, 3), dtype=np.uint8)
    for image in (montage([as_png(large)] * 3), side_by_side([as_png(large)], [as_png(large)] * 4, ("a", "b"))):
        pixels = np.asarray(Image.open(io.BytesIO(image)))
        windows = [pixels[top : top + 343, 8 : 8 + 343] for top in range(pixels.shape[0] - 342)]
        assert any(np.array_equal(window, large) for window in windows)


@pytest.mark.parametrize(
    ("text", "answer", "missing"),
    [
        ('{"answer": "first"}', "first", None),
        ('Sure:\n```json\n{"answer": "tie"}\n```', "tie", None),
        ('{"answer": "second"} {"answer": "second"}', "second", None),
        ('{"answer": "first"} {"answer": "second"}', None, "several different answers in one reply"),
        ('{"answer": "left"}', None, "the answer is none of first, second and tie"),
        ('{"answer": "First"}', None, "the answer is none of first, second and tie"),
        ('{"answer": 1}', None, "the answer is a number, not first, second or tie"),
        ('{"answer": ["first"]}', None, "the answer is a list, not first, second or tie"),
        ('{"answer": {"answer": "first"}}', None, "the answer is an object, not first, second or tie"),
        ('{"score": 100}', None, "a JSON object without the key `answer`"),
        ("first", None, "no JSON object in the reply"),
        ("", None, "empty reply"),
        ('{"answer": "first"', None, "broken JSON in the reply"),
    ],
)
def test_answers_to_pairs(text: str, answer: Any, missing: Any) -> None:
    shown = PAIRS.show(sample(2), RateSettings())[0]
    found = PAIRS.read(reply(text), shown)
    assert (found.answer, found.missing) == (answer, missing)


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
def test_replies_that_are_no_answers(mode: Mode) -> None:
    shown = mode.show(sample(3), RateSettings())[0]
    good = noiseless(mode, {0: 1.0, 1: 2.0, 2: 3.0})(shown)
    assert mode.read(reply(good), shown).missing is None
    assert mode.read(reply(good, "length"), shown).missing == "cut off at max_tokens"
    assert "filter" in str(mode.read(reply(good, "content_filter"), shown).missing)
    assert mode.read(reply(good, error="HTTP 500"), shown).missing == "HTTP 500"


@settings(max_examples=200, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["A", "B", "first"]),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.sampled_from(["tiers", "answer", "score", "x"]), inner, max_size=2)
            ),
            max_leaves=12,
        ).map(json.dumps),
    )
)
def test_no_text_crashes_a_reader(text: str) -> None:
    for mode in MODES.values():
        shown = mode.show(sample(3, 1), RateSettings())[0]
        found = mode.read(reply(text), shown)
        assert (found.answer is None) != (found.missing is None)


def mutated(text: str, chance: np.random.Generator) -> str:
    """The text with a few characters lost, doubled, exchanged or replaced."""
    letters = list(text)
    for _ in range(chance.integers(0, 5)):
        place = int(chance.integers(len(letters) + 1))
        how = chance.integers(4)
        if how == 0 and letters:
            del letters[min(place, len(letters) - 1)]
        elif how == 1:
            letters.insert(place, str(chance.choice(list('"{}[],:\\AB1一二first tie null NaN'))))
        elif how == 2:
            letters[place:place] = letters[place : place + 12]
        elif letters:
            letters[min(place, len(letters) - 1)] = str(chance.choice(list('"]}9。')))
    return "".join(letters)


@pytest.mark.parametrize("mode", [PAIRS, TIERS], ids=["pairs", "tiers"])
def test_of_ten_thousand_broken_answers_none_is_guessed(mode: Mode) -> None:
    chance = np.random.default_rng(3)
    shown = mode.show(sample(3, 1), RateSettings())[0]
    whole = [noiseless(mode, dict(enumerate(map(float, chance.permutation(3)))))(shown) for _ in range(6)]
    usable = 0
    for _ in range(10_000):
        text = mutated(str(chance.choice(whole)), chance)
        found = mode.read(reply(text), shown)
        assert (found.answer is None) != (found.missing is None)
        if found.answer is None:
            continue
        usable += 1
        if mode is PAIRS:
            assert set(re.findall(r'"answer"\s*:\s*"([^"]*)"', text)) == {found.answer}
        else:
            inner = text[text.index("{") : text.rindex("}") + 1]
            said = re.findall(r'"([A-Z])"', inner)
            assert sorted(set(said)) == ["A", "B", "C"]
            letter = dict(zip(shown.clusters, "ABC", strict=True))
            assert [letter[tier[0]] for tier in found.answer] == said[:3]
    assert 1_000 < usable < 9_000


def test_every_pair_must_be_joined_by_some_answer() -> None:
    def say(shown: Shown) -> str | None:
        return None if set(shown.clusters) - {0, 1, 2} and set(shown.clusters) & {0, 1, 2} else '{"answer": "first"}'

    heard = hear(PAIRS, sample(5), RateSettings(), say)
    with pytest.raises(JudgeError, match=r"Round 4: no usable reply compares the clusters \[3, 4\] with the others"):
        PAIRS.score(heard, "Round 4")


def test_a_liking_for_the_first_place_cancels_out() -> None:
    scores = PAIRS.score(hear(PAIRS, sample(5), RateSettings(), lambda shown: '{"answer": "first"}'), "x")
    assert list(scores.values()) == pytest.approx([50.0] * 5)


def test_counts_of_pairs() -> None:
    heard = hear(PAIRS, sample(3), RateSettings(replies=2), noiseless(PAIRS, {0: 2.0, 1: 1.0, 2: 1.0}))
    wins, ties = counts(heard, [0, 1, 2])
    np.testing.assert_array_equal(wins, [[0, 4, 4], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(ties, [[0, 0, 0], [0, 0, 4], [0, 4, 0]])


@settings(max_examples=60, deadline=None)
@given(size=st.integers(2, 40), wanted=st.integers(2, 12), seed=st.integers(0, 50))
def test_few_pairs_join_all_clusters_and_burden_all_alike(size: int, wanted: int, seed: int) -> None:
    clusters = tuple(range(3, 3 + size))
    pairs = pair_design(clusters, wanted, (seed, 1))
    degrees = [sum(cluster in pair for pair in pairs) for cluster in clusters]
    expected = min(wanted + (wanted % 2 and size % 2), size - 1)
    assert degrees == [expected] * size
    assert all(one < other for one, other in pairs)
    joined, grown = {clusters[0]}, True
    while grown:
        more = {cluster for pair in pairs if set(pair) & joined for cluster in pair} - joined
        joined, grown = joined | more, bool(more)
    assert joined == set(clusters)


def test_designs_differ_between_rounds_and_seeds_and_repeat_themselves() -> None:
    clusters = tuple(range(12))
    first = pair_design(clusters, 4, (0, 1))
    assert first == pair_design(clusters, 4, (0, 1))
    assert first != pair_design(clusters, 4, (0, 2))
    assert first != pair_design(clusters, 4, (1, 1))
    assert pair_design(clusters, None, (0, 1)) == list(combinations(clusters, 2))
    assert len({pair for number in range(30) for pair in pair_design(clusters, 3, (0, number))}) == 66


def test_few_pairs_ask_fewer_questions() -> None:
    assert len(PAIRS.show(sample(12), RateSettings(pairs_per_cluster=3))) == 12 * 3


def test_tiers_show_all_clusters_under_letters_in_another_order_each_time() -> None:
    shown = TIERS.show(sample(6), RateSettings(replies=4))
    assert len(shown) == 4
    assert all(sorted(one.clusters) == list(range(6)) for one in shown)
    assert len({one.clusters for one in shown}) > 1
    one = shown[0]
    assert one.labels == ("A:", "B:", "C:", "D:", "E:", "F:")
    assert one.paint() == tuple(montage([png(COLOURS[cluster])] * 3) for cluster in one.clusters)
    assert one.schema["properties"]["tiers"]["items"]["items"]["enum"] == list("ABCDEF")


def test_names_go_on_after_z() -> None:
    assert names(3) == ["A", "B", "C"]
    assert names(29)[-4:] == ["Z", "AA", "AB", "AC"]
    assert len(set(names(800))) == 800


@pytest.mark.parametrize(
    ("tiers", "missing"),
    [
        ([["A", "B"]], "1 of 3 letters are left out"),
        ([["A", "B"], ["C", "A"]], "a letter stands in the tiers twice"),
        ([["A", "B"], ["C", "D"]], "a tier holds a letter that was not shown"),
        ([["A", "B"], ["C", 3]], "a tier holds a number, not a letter"),
        ([["A", "B"], ["C"], []], "a tier is empty"),
        (["A", "B", "C"], "the tiers are no list of lists"),
        ({"A": 1}, "the tiers are no list of lists"),
        ("A>B>C", "the tiers are no list of lists"),
        ([], "3 of 3 letters are left out"),
        ([[["A"], ["B"]], ["C"]], "a tier holds a list, not a letter"),
    ],
)
def test_tiers_that_are_none(tiers: Any, missing: str) -> None:
    shown = TIERS.show(sample(3), RateSettings())[0]
    found = TIERS.read(reply(json.dumps({"tiers": tiers})), shown)
    assert (found.answer, found.missing) == (None, missing)


def test_tiers_are_read_as_clusters() -> None:
    shown = TIERS.show(sample(3), RateSettings())[0]
    found = TIERS.read(reply('{"tiers": [["C"], ["B", "A"]]}'), shown)
    letter = dict(zip("ABC", shown.clusters, strict=True))
    assert found.answer == ((letter["C"],), tuple(sorted((letter["A"], letter["B"]))))


def test_scores_of_tiers_are_mean_places() -> None:
    scores = TIERS.score(hear(TIERS, sample(4), RateSettings(), noiseless(TIERS, {0: 9, 1: 5, 2: 5, 3: 0})), "x")
    assert scores == pytest.approx({0: 100.0, 1: 50.0, 2: 50.0, 3: 0.0})


@pytest.mark.parametrize("mode", [PAIRS, TIERS], ids=["pairs", "tiers"])
def test_one_cluster_cannot_be_compared(mode: Mode) -> None:
    with pytest.raises(InputError, match=f"Mode {mode.name} compares clusters, and only cluster 0 is shown"):
        mode.show(sample(1), RateSettings())


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
def test_below_the_quorum_the_clusters_are_named(mode: Mode) -> None:
    def say(shown: Shown) -> str | None:
        return None if 2 in shown.clusters else noiseless(mode, {0: 1.0, 1: 2.0, 3: 5.0})(shown)

    heard = hear(mode, sample(4), RateSettings(replies=2), say)
    with pytest.raises(JudgeError) as error:
        check_quorum(heard, 0.9 if mode is PAIRS else 0.5, "Round 2 of judge anna")
    message = str(error.value)
    assert message.startswith("Round 2 of judge anna: too few usable replies (quorum ")
    assert " 2 (0 of " in message
    assert "empty reply" in message
    assert message.endswith("Nothing was written.")


def test_reasons_of_a_pair_are_counted_once() -> None:
    heard = hear(PAIRS, sample(2), RateSettings(replies=3), lambda shown: None)
    with pytest.raises(JudgeError, match=r"clusters 0 \(0 of 6\), 1 \(0 of 6\)\. .* empty reply \(6\)\."):
        check_quorum(heard, 0.5, "x")


def test_a_prompt_may_name_its_own_mode() -> None:
    rate = RateSettings(mode="tiers")
    assert mode_of(Prompt("a", "?", ""), rate) is TIERS
    assert mode_of(Prompt("a", "?", "", mode="pairs"), rate) is PAIRS
    assert round_text(Prompt("a", "Which?", ""), PAIRS, rate) == "Which?\n\n" + PAIRS.form(rate)

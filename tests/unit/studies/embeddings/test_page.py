"""What the page says of the splits, computed from their numbers."""

import pytest
from rankscape.studies.embeddings.artifacts import FitKeys, TaskKeys
from rankscape.studies.embeddings.page.results import Verdict, unit_of

TASK = TaskKeys.model_construct(task="people", title="People (per ha)", transform="log")


def verdict(random, blocks, places, smoothing=(0.0, 0.0), reach=0.05):
    fits = {
        split: FitKeys.model_construct(r2=value, r2_interval=(value - reach, value + reach))
        for split, value in (("random", random), ("blocks", blocks), ("places", places)) if value is not None
    }  # fmt: skip
    baselines = {split: ("smoothing", value) for split, value in zip(("random", "blocks"), smoothing, strict=True)}
    return Verdict(TASK, "convolutions", fits, baselines)


@pytest.mark.parametrize(
    ("given", "told", "words"),
    [
        ((0.74, 0.72, 0.68), True, "Images tell it in new blocks too (R² 0.72). That carries to granules left out"
         " (0.68)."),
        ((0.62, 0.40, 0.02), True, "Images tell a part of it in new blocks (R² 0.40). Random places flatter (0.62):"
         " neighbours help there. It does not carry to granules left out (0.02)."),
        ((-0.01, 0.0, 0.0), False, "Images do not tell it in new blocks (R² 0.00). Neither do neighbours."),
        ((0.34, -0.02, None, (0.99, -0.1)), False, "Images do not tell it in new blocks (R² −0.02). At random places it"
         " is neighbours that tell it, not images: smoothing R² 0.99."),
        ((0.34, 0.18, -0.16, (0.99, 0.82)), False, "Images tell little of it in new blocks (R² 0.18); smoothing tells"
         " more without any image (0.82). At random places it is neighbours that tell it, not images: smoothing R²"
         " 0.99. It does not carry to granules left out (−0.16)."),
        ((0.3, None, None), False, "Too few blocks to hold some out: R² 0.30 at random places may be"
         " neighbours alone."),
    ],
)  # fmt: skip
def test_words_follow_from_the_numbers(given, told, words):
    found = verdict(*given)
    assert found.words == words
    assert found.told is told


def test_what_may_be_chance_is_not_told():
    assert verdict(0.2, 0.15, 0.1).told
    assert not verdict(0.2, 0.15, 0.1, reach=0.2).told
    assert Verdict(TASK, "", {}, {}).words == "Too few places for any split."


def test_labels_are_named_with_what_was_done_to_them():
    assert unit_of(TASK) == "People (per ha), log"

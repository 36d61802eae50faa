"""How much the score of places changed between two dates, how sure that is, and which changes are no chance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.isotonic import IsotonicRegression
from statsmodels.stats.multitest import multipletests

from rankscape.evaluation.dates import Seen
from rankscape.evaluation.invariants import (
    Light,
    fit_light,
    invariant_places,
    level_of,
    look_distance,
    looks_of,
    narrowing,
)
from rankscape.foundation.errors import InputError
from rankscape.foundation.settings.change import ChangeSettings

ScoreAgain = Callable[[Seen, Light], tuple[np.ndarray, np.ndarray]]
"""Scores and spreads of the compared patches of the earlier date in the later date's light."""
_PER_KNOT = 20
"""Invariant places that each point of the effect's curve, and of the noise's, is the median of."""
_PER_TAIL = 100
"""Invariant places that each level's tails are told from: fewer show none."""
_MOST_KNOTS = {"monotone": 10, "shift": 1}
_NOISE_LEVELS = 5
_LEAST_NOISE = 1e-4
_NORMAL_MAD = float(stats.norm.ppf(0.75))
_TAILS = (3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 30.0, 100.0)
"""Degrees of freedom that are tried; the last is as good as normal."""
_BH, _BY = "benjamini-hochberg", "benjamini-yekutieli"
Tail = TypeVar("Tail", float, np.ndarray)
"""Degrees of freedom of Student's t."""
_METHODS = {_BH: "fdr_bh", _BY: "fdr_by"}


@dataclass(frozen=True)
class Measured:
    """The change of all places."""

    frame: pd.DataFrame
    """One row a compared patch: what `dates.Seen.frame` has, and place, change, raw_change, change_std, invariant, p,
    q, significant."""
    facts: dict[str, Any]
    """Counts, effects, noise and levels, as JSON values."""
    lights: dict[str, Light]
    """By place, what was done to the pixels of the earlier date; none where they were left as they are."""


def measure_change(seen: Sequence[Seen], settings: ChangeSettings, score_again: ScoreAgain) -> Measured:
    """Measure the change of every place, its uncertainty, and whether it is significant.

    Each place has scenes of its own, and so an effect of its own.

    Args:
        seen: Places at two dates.
        settings: How effect and noise are estimated, and the level of false discoveries.
        score_again: Scores the patches of the earlier date in another light.

    Raises:
        InputError: If no place has the fewest patches wanted, seen at both dates.
    """
    enough = [one for one in seen if len(one.frame) >= settings.min_places]
    if not enough:
        most = max(seen, key=lambda one: len(one.frame))
        raise InputError(
            f"change.min_places = {settings.min_places}, but no granule has so many places seen clearly at both dates "
            f"({most.place} has {len(most.frame)}; left out: {most.left_out}): take clearer scenes, or raise "
            "change.max_cloud_fraction."
        )
    parts = [_measure(one, settings, score_again) for one in enough]
    frame = pd.concat([part for part, _, _ in parts], ignore_index=True)
    tail, tails = tails_of(frame["z"].to_numpy(), frame["level"].to_numpy(), frame["invariant"].to_numpy())
    frame["p"] = p_values(frame["change"].to_numpy(), frame["noise"].to_numpy(), settings.least_change, tail)
    frame["significant"], frame["q"] = multipletests(frame["p"], settings.level, _METHODS[settings.correction])[:2]
    left_out = {one.place: one.left_out for one in seen} | {
        one.place: {**one.left_out, "in a granule with too few": len(one.frame)} for one in seen if one not in enough
    }
    facts = {
        **(counts := _counts(frame, settings, tail)),
        "degrees_of_freedom": tails,
        "neighbour_correlation": neighbour_correlation(frame),
        "places": {one.place: fact for one, (_, fact, _) in zip(enough, parts, strict=True)},
        "left_out": left_out,
        "notes": _notes(frame, settings, left_out, counts),
    }
    lights = {one.place: light for one, (_, _, light) in zip(enough, parts, strict=True) if light is not None}
    return Measured(frame.drop(columns=["z", "noise", "level"]), facts, lights)


def _measure(
    one: Seen, settings: ChangeSettings, score_again: ScoreAgain
) -> tuple[pd.DataFrame, dict[str, Any], Light | None]:
    """Measure one place: its change, z and invariants, what was taken out, and the light that it was scored in."""
    looks = [looks_of(store.array, rows) for store, rows in zip(one.stores, one.rows, strict=True)]
    frame, after = one.frame.copy(), one.frame["score_after"].to_numpy()
    before, spread = frame["score_before"].to_numpy(), frame["spread_before"].to_numpy()
    invariant = invariant_places(look_distance(*looks), before, after, settings.invariant_share)
    light, bands = None, one.before.array.shape[-1]
    if settings.radiometry:
        light = fit_light(looks[0][invariant, :bands], looks[1][invariant, :bands])
        before, spread = score_again(one, light)
    expected = expected_score(before, after, invariant, settings)
    change = after - expected
    level = level_of(expected, after) / len(frame)
    among = noise_of(change, level, invariant)
    noise = among / narrowing(settings.invariant_share, looks[0].shape[1])
    std = np.hypot(noise, frame["spread_after"].to_numpy() - spread)
    frame = frame.assign(
        place=one.place, change=change, raw_change=after - one.frame["score_before"].to_numpy(), change_std=std,
        invariant=invariant, noise=noise, z=change / among, level=level,
    )  # fmt: skip
    raw = frame["raw_change"].to_numpy()
    facts = {
        "n": len(frame),
        "invariant": int(invariant.sum()),
        "light": None if light is None else {"gain": _listed(light.gain), "offset": _listed(light.offset)},
        "effect": round(float(np.median(raw[invariant])), 6),
        "effect_spread": round(_spread(raw[invariant]), 6),
        "effect_after_light": round(float(np.median((after - before)[invariant])), 6),
        "noise": round(float(np.median(noise)), 6),
    }
    return frame, facts, light


def expected_score(
    before: np.ndarray, after: np.ndarray, invariant: np.ndarray, settings: ChangeSettings
) -> np.ndarray:
    """Return the later score that a place would have, had nothing on the ground changed.

    The curve goes through the medians of both dates' scores over invariant places of one level, made to rise by
    isotonic regression; the level is the mean of both ranks, so that neither date's noise bends the curve (Bland and
    Altman 1986). Beyond its ends it keeps its distance from the diagonal.

    Args:
        before: Scores of the earlier date, shape (n,).
        after: Scores of the later date.
        invariant: Which places stand for no change.
        settings: Form of the curve.
    """
    if settings.effect == "none":
        return before
    x, y = before[invariant], after[invariant]
    groups = _groups(level_of(x, y), _MOST_KNOTS[settings.effect], _PER_KNOT)
    knots = np.array([(np.median(x[members]), np.median(y[members])) for members in groups])
    counts = [len(members) for members in groups]
    own = np.maximum.accumulate(knots[:, 0])
    rising = IsotonicRegression().fit_transform(own, knots[:, 1], sample_weight=counts)
    return np.asarray(before + np.interp(before, own, rising - own))


def noise_of(change: np.ndarray, level: np.ndarray, invariant: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the change of places that did not change, by their level.

    In each fifth of the invariant places it is 1.4826 times the median absolute deviation, between them interpolated.

    Args:
        change: Change of every place, shape (n,).
        level: Level of every place.
        invariant: Which places stand for no change.
    """
    own, away = level[invariant], change[invariant]
    groups = _groups(own, _NOISE_LEVELS, _PER_KNOT)
    middles = [float(np.median(own[members])) for members in groups]
    spreads = [_spread(away[members]) for members in groups]
    return np.asarray(np.maximum(np.interp(level, middles, spreads), _LEAST_NOISE))


def _groups(level: np.ndarray, most: int, least: int) -> list[np.ndarray]:
    """Positions of places in groups of neighbouring levels: `most` groups, or fewer, of `least` places or more."""
    count = min(most, max(1, len(level) // least))
    return np.array_split(np.argsort(level, kind="stable"), count)


def _spread(values: np.ndarray) -> float:
    return float(stats.median_abs_deviation(values) / _NORMAL_MAD)


def tails_of(z: np.ndarray, level: np.ndarray, invariant: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Return how heavy the tails of the noise are at every place, by its level.

    Scores end at 0 and 1. Near the ends most places stay within a hair, so that the few that do not look enormous;
    in the middle such tails would hide changes from one end of the scale to the other.

    Args:
        z: Change of every place in units of its noise, shape (n,).
        level: Level of every place.
        invariant: Which places stand for no change.

    Returns:
        Degrees of freedom of Student's t at every place, interpolated between groups of levels by their inverse; and
        those of the groups, the lowest level first.
    """
    own = level[invariant]
    groups = _groups(own, _NOISE_LEVELS, _PER_TAIL)
    found = [tail_of(z[invariant][members]) for members in groups]
    middles = [float(np.median(own[members])) for members in groups]
    return 1 / np.interp(level, middles, 1 / np.array(found)), found


def tail_of(z: np.ndarray) -> float:
    """Return the degrees of freedom of Student's t that z of places without change follows best.

    Its quartiles are those of the normal that the median absolute deviation stands for; of `_TAILS` the likeliest is
    taken. Scores of real pictures have heavier tails than the normal, which would call far too much significant.
    """
    return max(_TAILS, key=lambda tail: float((stats.t.logpdf(z * _scale(tail), tail) + np.log(_scale(tail))).sum()))


def _scale(tail: Tail) -> Tail:
    scale: Tail = stats.t.ppf(0.75, tail) / _NORMAL_MAD
    return scale


def p_values(change: np.ndarray, noise: np.ndarray, least: float, tail: Tail) -> np.ndarray:
    """Test of each place that its change is no larger than the least one of interest, either way.

    p = P(T > (|c| - d) / s) + P(T > (|c| + d) / s), the largest over all changes of at most d (McCarthy and Smyth,
    "Testing significance relative to a fold-change threshold is a TREAT", Bioinformatics 25, 2009).

    Args:
        change: Change c of every place, shape (n,).
        noise: Standard deviation s of the change of places that did not change. How much the networks differ about the
            size of a change is no part of it: where nothing changed, they agree about both dates alike.
        least: Least change of interest d.
        tail: Degrees of freedom of T, one for all or one a place.
    """
    size, unit = np.abs(change), noise / _scale(tail)
    return np.asarray(stats.t.sf((size - least) / unit, tail) + stats.t.sf((size + least) / unit, tail)).clip(max=1)


def neighbour_correlation(frame: pd.DataFrame) -> float | None:
    """Correlate z of invariant places with that of the invariant place to the right and below; None if there is none.

    z is cut off at ±3, so that single places do not decide.
    """
    own = frame[frame["invariant"]].assign(z=lambda table: table["z"].clip(-3, 3))
    columns = ["place", "row", "col", "z"]
    pairs = [
        own[columns].merge(own[columns].assign(row=own["row"] - down, col=own["col"] - across), on=columns[:3])
        for down, across in ((0, 1), (1, 0))
    ]
    both = pd.concat(pairs)
    if len(both) < 3 or both["z_x"].std() == 0 or both["z_y"].std() == 0:
        return None
    return round(float(np.corrcoef(both["z_x"], both["z_y"])[0, 1]), 4)


def least_called(noise: float, least: float, tail: float, level: float) -> float | None:
    """Return the least change whose p is at most `level` at a place of this noise; None where no score changes so much.

    Scores lie between 0 and 1, so that no change is larger than 1.
    """
    sizes = np.linspace(0, 1, 1001)
    enough = p_values(sizes, np.full(len(sizes), noise), least, tail) <= level
    return float(sizes[enough.argmax()]) if enough.any() else None


def _counts(frame: pd.DataFrame, settings: ChangeSettings, tail: np.ndarray) -> dict[str, Any]:
    found, noise = frame[frame["significant"]], float(frame["noise"].median())
    # The level that Benjamini and Hochberg leave for one place more.
    level = settings.level * (len(found) + 1) / len(frame)
    return {
        "n": len(frame),
        "invariant": int(frame["invariant"].sum()),
        "significant": len(found),
        "up": int((found["change"] > 0).sum()),
        "down": int((found["change"] < 0).sum()),
        "significant_under_any_dependence": _under_any_dependence(frame, settings),
        "noise": round(noise, 6),
        "least_called": least_called(noise, settings.least_change, float(np.median(tail)), level),
    }


def _notes(
    frame: pd.DataFrame, settings: ChangeSettings, left_out: dict[str, dict[str, int]], counts: dict[str, Any]
) -> list[str]:
    """Say what a reader must know beside the numbers."""
    lost = sum(sum(reasons.values()) for reasons in left_out.values())
    called = counts["least_called"]
    size = "no change that a score can make" if called is None else f"a change of {called:.2f} or more"
    return [
        f"{len(frame)} patches are compared; {lost} are left out: cloud or no score at one of the dates.",
        f"Scores of the places that changed least differ between the dates by {counts['noise']:.2f} (standard "
        f"deviation, in the middle of all levels): {size} is called significant at a place of such noise. Over many "
        "years land that changed least has changed too, and less stands out.",
        f"Changes of at most {settings.least_change:g} are of no interest, and none is called significant for them.",
        "Neighbouring places change alike: under any dependence between them (Benjamini and Yekutieli), "
        f"{_under_any_dependence(frame, settings)} places would be called changed.",
        "A change of the score is a change of what the network sees from above, less season and light where places "
        "that stay alike show them; it is no growth of income.",
    ]


def _under_any_dependence(frame: pd.DataFrame, settings: ChangeSettings) -> int:
    return int(multipletests(frame["p"], settings.level, _METHODS[_BY])[0].sum())


def _listed(values: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in values]

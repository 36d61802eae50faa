"""How much the score of places changed between two dates, how sure that is, and which changes are no chance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression
from statsmodels.stats.multitest import multipletests

from rankscape.foundation.errors import InputError
from rankscape.products.change.dates import PairedDates
from rankscape.products.change.invariants import (
    Radiometry,
    appearance_distance,
    appearance_of,
    fit_radiometry,
    invariant_places,
    level_of,
    narrowing,
)
from rankscape.products.change.settings import ChangeSettings
from rankscape.products.change.significance import groups_of, least_called, noise_of, p_values, spread_of, tails_of

ScoreAgain = Callable[[PairedDates, Radiometry], tuple[np.ndarray, np.ndarray]]
"""Scores and ensemble standard deviations of the compared patches of the earlier date, normalized to the later one."""
_INVARIANT_SHARE = 0.5
"""Share of the places, of every level of the score, that are taken as pseudo-invariant."""
_MOST_KNOTS = {"monotone": 10, "shift": 1}
_BH, _BY = "benjamini-hochberg", "benjamini-yekutieli"
_METHODS = {_BH: "fdr_bh", _BY: "fdr_by"}


@dataclass(frozen=True)
class ChangeFindings:
    """The change of all places."""

    frame: pd.DataFrame
    """One row a compared patch: what `PairedDates.frame` has, and place, change, raw_change, change_std, invariant,
    p, q, significant."""
    facts: dict[str, Any]
    """Counts, effects, noise and levels, as JSON values."""
    normalized: dict[str, Radiometry]
    """By place, what was done to the pixels of the earlier date; none where they were left as they are."""


def measure_change(seen: Sequence[PairedDates], settings: ChangeSettings, score_again: ScoreAgain) -> ChangeFindings:
    """Measure the change of every place, its uncertainty, and whether it is significant.

    Each place has scenes of its own, and so an effect of its own.

    Args:
        seen: Places at two dates.
        settings: How effect and noise are estimated, and the level of false discoveries.
        score_again: Scores the normalized patches of the earlier date.

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
    normalized = {one.place: own for one, (_, _, own) in zip(enough, parts, strict=True) if own is not None}
    return ChangeFindings(frame.drop(columns=["z", "noise", "level"]), facts, normalized)


def _measure(
    one: PairedDates, settings: ChangeSettings, score_again: ScoreAgain
) -> tuple[pd.DataFrame, dict[str, Any], Radiometry | None]:
    """Measure one place: its change, z and invariants, what was taken out, and how its pixels were normalized."""
    features = [appearance_of(store.array, rows) for store, rows in zip(one.stores, one.rows, strict=True)]
    frame, after = one.frame.copy(), one.frame["score_after"].to_numpy()
    before, ensemble_std = frame["score_before"].to_numpy(), frame["ensemble_std_before"].to_numpy()
    invariant = invariant_places(appearance_distance(*features), before, after, _INVARIANT_SHARE)
    radiometry, bands = None, one.before.array.shape[-1]
    if settings.radiometry:
        radiometry = fit_radiometry(features[0][invariant, :bands], features[1][invariant, :bands])
        before, ensemble_std = score_again(one, radiometry)
    expected = expected_score(before, after, invariant, settings)
    change = after - expected
    level = level_of(expected, after) / len(frame)
    among = noise_of(change, level, invariant)
    noise = among / narrowing(_INVARIANT_SHARE, features[0].shape[1])
    std = np.hypot(noise, frame["ensemble_std_after"].to_numpy() - ensemble_std)
    frame = frame.assign(
        place=one.place, change=change, raw_change=after - one.frame["score_before"].to_numpy(), change_std=std,
        invariant=invariant, noise=noise, z=change / among, level=level,
    )  # fmt: skip
    raw = frame["raw_change"].to_numpy()
    facts = {
        "n": len(frame),
        "invariant": int(invariant.sum()),
        "radiometry": None if radiometry is None else _described(radiometry),
        "effect": round(float(np.median(raw[invariant])), 6),
        "effect_spread": round(spread_of(raw[invariant]), 6),
        "effect_after_radiometry": round(float(np.median((after - before)[invariant])), 6),
        "noise": round(float(np.median(noise)), 6),
    }
    return frame, facts, radiometry


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
    groups = groups_of(level_of(x, y), _MOST_KNOTS[settings.effect])
    knots = np.array([(np.median(x[members]), np.median(y[members])) for members in groups])
    counts = [len(members) for members in groups]
    own = np.maximum.accumulate(knots[:, 0])
    rising = IsotonicRegression().fit_transform(own, knots[:, 1], sample_weight=counts)
    return np.asarray(before + np.interp(before, own, rising - own))


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
        "years even the places that changed least have changed, and fewer changes are significant.",
        f"Changes of at most {settings.least_change:g} are of no interest, and none is called significant for them.",
        "Changes of neighbouring places are correlated: under any dependence between them (Benjamini and Yekutieli), "
        f"{_under_any_dependence(frame, settings)} places would be called changed.",
        "A change of the score is a change of what the network sees from above, less season and light where places "
        "that stay the same show them; it is no growth of income.",
    ]


def _under_any_dependence(frame: pd.DataFrame, settings: ChangeSettings) -> int:
    return int(multipletests(frame["p"], settings.level, _METHODS[_BY])[0].sum())


def _described(radiometry: Radiometry) -> dict[str, list[float]]:
    return {"gain": _listed(radiometry.gain), "offset": _listed(radiometry.offset)}


def _listed(values: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in values]

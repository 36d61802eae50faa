"""How well predictors agree with a reference: correlations with intervals and a test, pooled and per granule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rankscape.evaluation.correlation import Correlations, PairedSamples, is_constant
from rankscape.evaluation.intervals import Ends, bootstrap_interval, described, squared
from rankscape.foundation.progress import track
from rankscape.products.agreement.settings import MIN_BLOCKS, SEED, EvaluateSettings
from rankscape.spatial.autocorrelation import FieldPair, SpatialEffect, field_pairs, permutation_p, spatial_effects
from rankscape.spatial.blocks import effective_blocks

_FIRST_ORDER = ("pearson", "spearman", "kendall")


@dataclass(frozen=True)
class PredictorColumns:
    """Columns that are compared with a reference."""

    prediction: str
    """What is evaluated, such as `score`."""
    statistics: tuple[str, ...] = ()
    """Pixel statistics: partial correlations are given these, and they have no direction of their own."""
    baselines: tuple[str, ...] = ()
    """Predictions of baseline models."""

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, the prediction first."""
        return (self.prediction, *self.statistics, *self.baselines)


@dataclass(frozen=True)
class ComparedRegion:
    """What is known of the whole region before its parts are compared."""

    columns: PredictorColumns
    pairs: dict[str, FieldPair | None]
    """Variograms of each predictor and the reference over the pooled samples; None where none can be fitted."""
    block_m: float
    """Side of the blocks, for messages."""


def predictor_pairs(samples: pd.DataFrame, predictors: Sequence[str], seed: int) -> dict[str, FieldPair | None]:
    """Fit the variograms of each predictor and the reference, each place counted once.

    Args:
        samples: Paired samples with `value`, the predictors, `x_m`, `y_m` and `distinct`.
        predictors: Columns to measure.
        seed: Seed of the pairs of places that are drawn.
    """
    once = samples[samples["distinct"].to_numpy(bool)]
    x_m, y_m, reference = (once[name].to_numpy(float) for name in ("x_m", "y_m", "value"))
    found = field_pairs(x_m, y_m, [once[name].to_numpy(float) for name in predictors], reference, seed)
    return dict(zip(predictors, found, strict=True))


def agreements(
    samples: pd.DataFrame, granules: list[str], region: ComparedRegion, settings: EvaluateSettings
) -> dict[str, dict[str, Any]]:
    """Compare every predictor with the reference over all parts of the region.

    Args:
        samples: Paired samples with `value`, `raw`, the predictors, `granule`, `role`, `block`, `distinct`, `x_m` and
            `y_m`.
        granules: Granules to report, also those without any sample.
        region: The predictors, and their spatial autocorrelation.
        settings: Draws, surrogates, confidence, fewest places and blocks.

    Returns:
        For each predictor `pooled`, `fit`, `apply` (None where the region has no such granule) and `granules`. Pooled
        parts count a place once; a granule by itself counts all of its places.
    """
    once = samples[samples["distinct"]]
    parts: dict[str, pd.DataFrame] = {"pooled": once}
    parts |= {role: once[once["role"] == role] for role in ("fit", "apply")}
    parts |= {f"granules/{granule}": samples[samples["granule"] == granule] for granule in granules}
    tracked = track(list(parts.items()), "bootstrap", unit="part")
    found = {name: agreement(part, region, settings) for name, part in tracked}
    return {predictor: _by_part(predictor, found, parts, granules) for predictor in region.columns.names}


def _by_part(
    predictor: str, found: dict[str, dict[str, Any]], parts: dict[str, pd.DataFrame], granules: list[str]
) -> dict[str, Any]:
    roles = {role: found[role][predictor] if len(parts[role]) else None for role in ("fit", "apply")}
    each = {granule: found[f"granules/{granule}"][predictor] for granule in granules}
    return {"pooled": found["pooled"][predictor], **roles, "granules": each}


def agreement(samples: pd.DataFrame, region: ComparedRegion, settings: EvaluateSettings) -> dict[str, dict[str, Any]]:
    """Compare every predictor with the reference over one set of places.

    Args:
        samples: Paired samples with `value`, `raw`, the predictors, `block`, `x_m` and `y_m`.
        region: The predictors, and their spatial autocorrelation.
        settings: Draws, surrogates, confidence, fewest places and blocks.

    Returns:
        For each predictor `n`, `blocks`; `pearson`, `spearman`, `kendall`, each with `value`, `low` and `high`;
        `r2_log`, the same with the `n` of places where both are positive; `partial_spearman` given the pixel statistics
        (`given`), None for these themselves; `difference`, Spearman of the prediction less that of the predictor
        (of a pixel statistic, its size), None for the prediction; `test`, with `p`, `surrogates` and `effective_n`.
        Where no interval can be given, its ends are None and `interval_reason` says why. Where no correlation can be
        given, `n` and `reason`.
    """
    names = region.columns.names
    reference = samples["value"].to_numpy(float)
    why = {name: _reason(samples[name].to_numpy(float), reference, region, settings) for name in names}
    result: dict[str, dict[str, Any]] = {name: {"n": len(samples), "reason": why[name]} for name in names}
    kept = [name for name in names if why[name] is None]
    if kept:
        part = _Part.of(samples, kept, region, settings)
        for column, name in enumerate(kept):
            result[name] = {"n": len(samples), "blocks": part.blocks, **part.describe(column)}
    return result


def _reason(
    predictor: np.ndarray, reference: np.ndarray, region: ComparedRegion, settings: EvaluateSettings
) -> str | None:
    """Why a correlation cannot be given, or None where it can."""
    n = len(reference)
    if n < settings.min_places:
        return f"{n} places with {region.columns.prediction} and reference; at least {settings.min_places} are needed"
    if is_constant(reference):
        return f"the reference has the same value at all {n} places"
    if is_constant(predictor):
        return f"it has the same value at all {n} places"
    return None


@dataclass(frozen=True)
class _Part:
    """One part of the region: what was found of it."""

    names: list[str]
    columns: PredictorColumns
    paired: PairedSamples
    estimate: Correlations
    draws: Correlations | None
    effects: list[SpatialEffect | None]
    p: np.ndarray | None
    blocks: int
    effective_blocks: float
    block_m: float
    settings: EvaluateSettings

    @classmethod
    def of(cls, samples: pd.DataFrame, names: list[str], region: ComparedRegion, settings: EvaluateSettings) -> "_Part":
        reference, blocks = samples["value"].to_numpy(float), samples["block"].to_numpy()
        x_m, y_m = samples["x_m"].to_numpy(float), samples["y_m"].to_numpy(float)
        stacked = np.stack([samples[name].to_numpy(float) for name in names])
        controls = tuple(place for place, name in enumerate(names) if name in region.columns.statistics)
        paired = PairedSamples(stacked, reference, samples["raw"].to_numpy(float), controls)
        pairs = [region.pairs[name] for name in names]
        count = len(np.unique(blocks))
        model = next((pair.reference for pair in pairs if pair is not None), None)
        return cls(
            names, region.columns, paired, paired.estimate(),
            paired.bootstrap(blocks, settings.draws, SEED) if count >= MIN_BLOCKS else None,
            spatial_effects(x_m, y_m, blocks, pairs, SEED),
            None
            if model is None
            else permutation_p(x_m, y_m, stacked, reference, model, settings.surrogates, SEED),
            count, effective_blocks(blocks), region.block_m, settings,
        )  # fmt: skip

    def describe(self, column: int) -> dict[str, Any]:
        """Say all that is known of one predictor."""
        found = {name: self._estimated(name, column) for name in _FIRST_ORDER}
        return {
            **found,
            "r2_log": self._r2_log(column),
            "partial_spearman": self._partial(column),
            "difference": self._difference(column),
            "test": self._test(column),
            **self._interval_reason(found),
        }

    def _inflation(self, column: int) -> float:
        effect = self.effects[column]
        return 1.0 if effect is None else effect.inflation

    def _estimated(self, name: str, column: int) -> dict[str, float | None]:
        return described(*self._with_ends(name, column))

    def _with_ends(self, name: str, column: int) -> tuple[float, Ends | None]:
        value = float(getattr(self.estimate, name)[0, column])
        drawn = None if self.draws is None else getattr(self.draws, name)[:, column]
        return value, self._ends(value, drawn, self._inflation(column))

    def _ends(self, value: float, drawn: np.ndarray | None, inflation: float, *, fisher: bool = True) -> Ends | None:
        if drawn is None:
            return None
        blocks, confidence = self.effective_blocks, self.settings.confidence
        return bootstrap_interval(value, drawn, confidence, blocks=blocks, inflation=inflation, fisher=fisher)

    def _r2_log(self, column: int) -> dict[str, Any]:
        """Squared correlation of the logarithms."""
        known = int(self.paired.logarithms(column)[2].sum())
        if known < self.settings.min_places:
            why = f"{known} places where both are positive; at least {self.settings.min_places} are needed"
            return {**described(np.nan, None), "n": known, "reason": why}
        value, ends = self._with_ends("log_pearson", column)
        return {**described(value**2, squared(ends)), "n": known}

    def _partial(self, column: int) -> dict[str, Any] | None:
        if column in self.paired.controls or not self.paired.controls:
            return None
        return {**self._estimated("partial", column), "given": [self.names[place] for place in self.paired.controls]}

    def _difference(self, column: int) -> dict[str, float | None] | None:
        name, prediction = self.names[column], self.columns.prediction
        if name == prediction or prediction not in self.names:
            return None
        own = self.names.index(prediction)
        # A pixel statistic has no direction of its own: taken the other way round it would do as well.
        sign = -1.0 if name in self.columns.statistics and self.estimate.spearman[0, column] < 0 else 1.0
        value = float(self.estimate.spearman[0, own] - sign * self.estimate.spearman[0, column])
        drawn = None if self.draws is None else self.draws.spearman[:, own] - sign * self.draws.spearman[:, column]
        inflation = max(self._inflation(own), self._inflation(column))
        return described(value, self._ends(value, drawn, inflation, fisher=False))

    def _test(self, column: int) -> dict[str, Any]:
        effect = self.effects[column]
        if effect is None or self.p is None:
            return {"p": None, "surrogates": None, "effective_n": None, "reason": "no variogram can be fitted"}
        size = min(effect.effective_n, float(len(self.paired.reference)))
        return {"p": float(self.p[column]), "surrogates": self.settings.surrogates, "effective_n": size}

    def _interval_reason(self, estimates: dict[str, dict[str, float | None]]) -> dict[str, str]:
        """Why an interval cannot be given, or nothing where all can."""
        if all(estimate["low"] is not None for estimate in estimates.values()):
            return {}
        if self.blocks < MIN_BLOCKS:
            fewest = MIN_BLOCKS
            return {
                "interval_reason": f"{self.blocks} blocks of {self.block_m:g} m; an interval needs at least {fewest}"
            }
        return {"interval_reason": "more than one draw of blocks in ten left nothing but equal values"}

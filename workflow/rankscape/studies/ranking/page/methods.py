"""The methods of a run in words, with its numbers, as the methods section of a paper says them."""

from collections.abc import Iterable, Mapping
from typing import Any

from rankscape.products.report import wording
from rankscape.products.report.wording import count, listed, number, percent
from rankscape.samples.patches import is_located
from rankscape.studies.ranking.page.inputs import Material

SOURCES = (
    "Ahn et al., A human-machine collaborative approach measures economic development using satellite imagery, "
    "Nature Communications, 2023 (patches, clusters, partial order, score).",
    "Gong, Zheng and Xie, the Sichuan report on patches ranked by vision-language models, 2024 (judges).",
    "MacQueen, Some methods for classification and analysis of multivariate observations, 1967 (k-means).",
    "Rousseeuw, Silhouettes, Journal of Computational and Applied Mathematics, 1987 (number of clusters).",
    "Hubert and Arabie, Comparing partitions, Journal of Classification, 1985 (adjusted Rand index).",
    "Kendall, The treatment of ties in ranking problems, Biometrika, 1945 (tau-b).",
    "Mohammadi and Rezaei, Ensemble ranking, Omega, 2020 (weights of the orders).",
    "Lakshminarayanan, Pritzel and Blundell, Simple and scalable predictive uncertainty estimation using deep "
    "ensembles, NeurIPS, 2017 (spread of networks).",
    "Lahiri, Resampling Methods for Dependent Data, Springer, 2003 (block bootstrap).",
    "Benjamini and Hochberg, Controlling the false discovery rate, Journal of the Royal Statistical Society B, 1995 "
    "(change).",
    "Schott, Salvaggio and Volchok, Radiometric scene normalization using pseudoinvariant features, Remote Sensing of "
    "Environment, 1988 (change).",
    "Selvaraju et al., Grad-CAM, ICCV, 2017; Zeiler and Fergus, Visualizing and understanding convolutional "
    "networks, ECCV, 2014 (occlusion).",
)
"""Where the methods come from."""


def paragraphs(material: Material, truth: bool) -> list[tuple[str, str]]:
    """Return headings and texts; what the records do not say is left out.

    Args:
        material: What the page shows.
        truth: Whether the region is invented together with its truth.
    """
    found = [
        ("Imagery", _imagery(material, truth)),
        ("Patches", _patches(material)),
        ("Groups of one look", _clusters(material)),
        ("Judgement", _judgement(material)),
        ("One order", _order(material)),
        ("Score", _score(material)),
        ("Uncertainty", _uncertainty(material)),
        ("Validation", _validation(material)),
        ("Evaluation", _evaluation(material)),
        ("Rivals", _rivals(material)),
        ("Districts", _districts(material)),
        ("Change", _change(material)),
        ("Regressions", _regressions(material)),
    ]
    return [(heading, text) for heading, text in found if text]


def _imagery(material: Material, truth: bool) -> str:
    scenes = [scene for document in material.scenes for scene in document.scenes]
    if not scenes:
        return ""
    platforms = sorted({str(scene["platform"]) for scene in scenes if scene.get("platform")})
    days = sorted(str(scene["datetime"])[:10] for scene in scenes if scene.get("datetime"))
    text = f"{count(len(scenes), 'scene')} of {count(len(material.scenes), 'granule')}"
    text += f" from {listed(platforms)}" if platforms else ""
    text += f", taken between {days[0]} and {days[-1]}," if days else ""
    text += " were brought to one image a granule."
    return f"{text} They are invented; no satellite took them." if truth else text


def _patches(material: Material) -> str:
    stores = material.patches.values()
    total, usable = sum(len(s.index) for s in stores), sum(int(s.index["usable"].sum()) for s in stores)
    sides = listed([f"{side} x {side}" for side in sorted({s.grid.patch_px for s in stores})])
    located = [s.grid for s in stores if is_located(s.index)]
    ground = sorted({round(g.patch_px * abs(g.transform[0])) for g in located})
    metres = f" ({listed([f'{side:,} m' for side in ground])} on the ground)" if ground else ""
    bands = sorted({", ".join(s.grid.bands) for s in stores})
    fit, granules = len(material.fit_granules), len(material.patches)
    return (
        f"{count(granules, 'granule')} were cut into {total:,} patches of {sides} pixels{metres}, bands "
        f"{listed(bands)}; "
        f"{usable:,} of them have a clear enough view. {count(fit, 'granule')} served to learn from, "
        f"{granules - fit} only to be scored."
    )


def _clusters(material: Material) -> str:
    backbone = material.backbone.model_extra or {}
    facts = material.summary.categories
    parts = [f"{name} ({c.k})" for name, c in facts.items()]
    grown = [c.stability for c in facts.values() if c.stability is not None]
    text = f"A network ({backbone.get('architecture', 'convolutional')}"
    text += f", weights at the start: {backbone['weights']}" if backbone.get("weights") else ""
    text += ") turned each patch into features. "
    text += f"{len(material.clusters):,} patches were grouped by k-means within their land categories into "
    text += f"{len(material.summary.clusters)} clusters: {listed(parts)}. "
    text += "The number of clusters was given or chosen by the silhouette."
    if grown:
        mean = number(sum(grown) / len(grown))
        text += f" Other starts gave clusters that agree with an adjusted Rand index of {mean} on average."
    return text


def _judgement(material: Material) -> str:
    kinds = [str(vote.source.get("kind")) for vote in material.votes.values()]
    names = {kind: kinds.count(kind) for kind in ("round", "person", "data")}
    parts = [count(names["round"], "round of judges", "rounds of judges")] if names["round"] else []
    parts += [count(names["person"], "person", "people")] if names["person"] else []
    parts += [count(names["data"], "reference raster", "reference rasters")] if names["data"] else []
    judges = sorted({r.judge for r in material.rounds})
    prompts = sorted({r.prompt for r in material.rounds})
    text = f"The clusters were ranked by {listed(parts)}."
    if judges:
        asked = sum(len(r.questions) for r in material.rounds)
        replies = [reply for r in material.rounds for q in r.questions for reply in q.replies]
        usable = sum(reply.usable for reply in replies)
        text += f" {count(len(judges), 'judge')} ({listed(judges)}) with {count(len(prompts), 'prompt')} answered "
        text += f"{count(asked, 'question')}; {usable:,} of {len(replies):,} replies could be used, and missing ones "
        text += "count as missing."
    if any(r.stand_in for r in material.rounds):
        text += " Rounds of a stand-in come from a program that measures pixels, and not from a vision model."
    return text


def _order(material: Material) -> str:
    order = material.order
    text = f"The {count(len(material.votes), 'order')} were merged by the method {order.method} into "
    text += f"{count(len(order.levels), 'level')}"
    text += f" after {order.iterations} rounds of weighting" if order.iterations else ""
    text += (
        f"; they count as {number(order.effective_judges, 1)} orders of equal weight" if order.effective_judges else ""
    )
    text += f". Two orders agree with a Kendall tau-b of {number(order.mean_tau)} on average" if order.mean_tau else ""
    text += f" (Kendall's W {number(order.kendall_w)})." if order.kendall_w else "."
    pairs = len(order.incomparable)
    return text + (f" {count(pairs, 'pair')} of clusters stayed incomparable." if pairs else "")


def _score(material: Material) -> str:
    training = material.training
    settings = _settings(material, "train")
    text = f"{count(len(training.seeds), 'network')} learned a score between 0 and 1 from the order"
    text += f", objective {settings['objective']}" if settings.get("objective") else ""
    text += f", at most {settings['epochs']} epochs" if settings.get("epochs") else ""
    given = training.patches.get("training"), training.patches.get("validation")
    if all(isinstance(n, int) for n in given):
        text += f". They saw {given[0]:,} patches; {given[1]:,} on other land decided which epoch was kept"
    scored = material.scores["score"].notna().sum()
    return f"{text}. All {scored:,} patches with a clear view got the networks' mean."


def _uncertainty(material: Material) -> str:
    if len(material.training.seeds) < 2:
        return "One network was trained, so that the spread between networks is not known."
    spread = material.scores["score_std"].dropna()
    text = "The standard deviation of a score follows from how far the networks lie apart"
    return f"{text}; its median is {number(float(spread.median()))}." if len(spread) else f"{text}."


def _validation(material: Material) -> str:
    held: Mapping[str, Any] = material.training.validation
    parts = []
    if isinstance(held.get("share_within"), float):
        parts.append(f"{percent(held['share_within'])} lay within {material.training.tolerance:g} of their target")
    if isinstance(held.get("mean_absolute_error"), float):
        parts.append(f"the mean absolute error was {number(held['mean_absolute_error'], 3)}")
    if isinstance(held.get("kendall_tau_b"), float):
        parts.append(f"Kendall's tau-b with the levels was {number(held['kendall_tau_b'])}")
    return f"On patches held out of training, {listed(parts)}." if parts else ""


def _evaluation(material: Material) -> str:
    if not material.comparisons:
        return "The score was compared with no reference."
    first = material.comparisons[0].evaluation
    names = listed([c.evaluation.title for c in material.comparisons])
    block = "" if first.block_m is None else f" of {wording.number(first.block_m / 1000, 1)} km a side"
    return (
        f"The score was compared with {names} by Pearson and Spearman correlation; trivial measures of the picture "
        f"stand beside it. Intervals cover {percent(first.confidence)} and come from a bootstrap that draws "
        f"whole blocks of land{block}, since neighbouring places are alike; they are widened by what such blocks miss "
        f"according to the variograms. Networks were trained on none of these references"
        f"{_voted(material)}."
    )


def _voted(material: Material) -> str:
    votes = sorted({str(v.source["reference"]) for v in material.votes.values() if v.source.get("reference")})
    return f"; {listed(votes)} also voted on the order" if votes else ""


def _rivals(material: Material) -> str:
    names = sorted({name for c in material.comparisons for name in c.evaluation.baselines})
    if not names:
        return ""
    text = (
        f"The same pipeline was taught by other sources than judges and people ({listed(names)}) and compared over the "
    )
    return text + "same places and draws, so that the difference to the score has an interval of its own."


def _districts(material: Material) -> str:
    parts = []
    for one in material.districts:
        scored = int(one.table["score"].notna().sum())
        weighting = f", weighted by {one.record.weighting}" if one.record.weighting else ""
        parts.append(f"{one.record.title} ({scored} of {len(one.table)} with a score{weighting})")
    if not parts:
        return ""
    text = f"Scores were averaged over {listed(parts)}. Patches count by the area of them that lies in a district. The "
    return f"{text}errors of patches were taken to be correlated over distance; ranks have intervals from joint draws."


def _change(material: Material) -> str:
    parts = []
    for change in material.changes:
        found = int(change.table["significant"].fillna(False).astype(bool).sum())
        before, _, after = change.name.partition("--")
        parts.append(f"{found:,} of {len(change.table):,} patches between {before} and {after}")
    if not parts:
        return ""
    rate = material.changes[0].record.false_discovery_rate
    level = f"At a false-discovery rate of {percent(rate)}, " if rate is not None else ""
    text = "The effects of season, light and sensor were estimated on places whose look stayed alike, and taken out. "
    return f"{text}{level}{listed(parts)} changed significantly."


def _regressions(material: Material) -> str:
    fitted = [model for record in material.regressions for model in record.models]
    if not fitted:
        return ""
    names = listed([f"{model.outcome} (n = {model.n:,})" for model in fitted])
    errors = "errors clustered by group" if any(model.clusters for model in fitted) else "robust errors"
    return f"Least squares explained {names}, with {errors}."


def _settings(material: Material, stage: str) -> dict[str, Any]:
    held: Iterable[Any] = (r.get("settings") for r in material.records if r.get("stage") == stage)
    return next((settings for settings in held if isinstance(settings, dict)), {})

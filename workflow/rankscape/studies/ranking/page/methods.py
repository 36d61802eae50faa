"""The methods of a run in words, with its numbers, as the methods section of a paper says them; and its limits."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from rankscape.foundation.checkout import package_version
from rankscape.foundation.package_files import assets
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Fragment
from rankscape.products.report.templates import fill
from rankscape.products.report.wording import count, listed, number, percent
from rankscape.samples.patches import is_located
from rankscape.scenes.artifacts import DOWNLOAD
from rankscape.studies.ranking.page import inputs
from rankscape.studies.ranking.product_files import CHANGE, CHANGE_RECORD, DISTRICTS, DISTRICTS_RECORD, REGRESSION
from rankscape.studies.ranking.scoring.artifacts import BACKBONE_RECORD, TRAINING

ASSETS = assets(__file__, "methods.html.j2", "limits.html.j2")
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
    "ensembles, NeurIPS, 2017 (ensemble standard deviation).",
    "Lahiri, Resampling Methods for Dependent Data, Springer, 2003 (block bootstrap).",
    "Benjamini and Hochberg, Controlling the false discovery rate, Journal of the Royal Statistical Society B, 1995 "
    "(change).",
    "Schott, Salvaggio and Volchok, Radiometric scene normalization using pseudoinvariant features, Remote Sensing of "
    "Environment, 1988 (change).",
    "Selvaraju et al., Grad-CAM, ICCV, 2017; Zeiler and Fergus, Visualizing and understanding convolutional "
    "networks, ECCV, 2014 (occlusion).",
)
"""Where the methods come from."""


def draw(run: RunReader) -> Markup:
    """Draw the section on methods."""
    return fill(ASSETS, "methods.html.j2", methods=paragraphs(run), sources=SOURCES)


def draw_limits(run: RunReader) -> Fragment:
    """Draw the section on what the score is, and how to cite it."""
    values = {"version": package_version(), "is_synthetic": inputs.is_synthetic(run)}
    html: Markup = fill(ASSETS, "limits.html.j2", **values)
    return Fragment(html, gist="a relative measure of how places look from above; no income, no amount")


def paragraphs(run: RunReader) -> list[tuple[str, str]]:
    """Return headings and texts; what the records do not say is left out."""
    found = [
        ("Imagery", _imagery(run)),
        ("Patches", _patches(run)),
        ("Clusters", _clusters(run)),
        ("Judgement", _judgement(run)),
        ("Merged order", _order(run)),
        ("Score", _score(run)),
        ("Uncertainty", _uncertainty(run)),
        ("Validation", _validation(run)),
        ("Evaluation", _evaluation(run)),
        ("Baseline models", _baselines(run)),
        ("Districts", _districts(run)),
        ("Change", _change(run)),
        ("Regressions", _regressions(run)),
    ]
    return [(heading, text) for heading, text in found if text]


def _imagery(run: RunReader) -> str:
    records = run.read_all(DOWNLOAD).values()
    scenes = [scene for record in records for scene in record.scenes]
    if not scenes:
        return ""
    platforms = sorted({scene.platform for scene in scenes if scene.platform})
    days = sorted(scene.datetime[:10] for scene in scenes if scene.datetime)
    text = f"{count(len(scenes), 'scene')} of {count(len(records), 'granule')}"
    text += f" from {listed(platforms)}" if platforms else ""
    text += f", taken between {days[0]} and {days[-1]}," if days else ""
    text += " were composed to one image a granule."
    return f"{text} They are synthetic; no satellite took them." if inputs.is_synthetic(run) else text


def _patches(run: RunReader) -> str:
    stores = inputs.patches(run).values()
    total, usable = sum(len(s.index) for s in stores), sum(int(s.index["usable"].sum()) for s in stores)
    sides = listed([f"{side} x {side}" for side in sorted({s.grid.patch_px for s in stores})])
    located = [s.grid for s in stores if is_located(s.index)]
    ground = sorted({round(g.patch_px * abs(g.transform[0])) for g in located})
    metres = f" ({listed([f'{side:,} m' for side in ground])} on the ground)" if ground else ""
    bands = sorted({", ".join(s.grid.bands) for s in stores})
    fit, granules = len(inputs.learned_granules(run)), len(stores)
    return (
        f"{count(granules, 'granule')} were cut into {total:,} patches of {sides} pixels{metres}, bands "
        f"{listed(bands)}; "
        f"{usable:,} of them have a clear enough view. {count(fit, 'granule')} served to learn from, "
        f"{granules - fit} only to be scored."
    )


def _clusters(run: RunReader) -> str:
    backbone, summary = run.read(BACKBONE_RECORD), inputs.summary(run)
    facts = summary.categories
    parts = [f"{name} ({c.k})" for name, c in facts.items()]
    grown = [c.stability for c in facts.values() if c.stability is not None]
    text = f"A network ({backbone.architecture or 'convolutional'}"
    text += f", weights at the start: {backbone.weights}" if backbone.weights else ""
    text += ") turned each patch into features. "
    text += f"{len(inputs.clusters(run)):,} patches were grouped by k-means within their land categories into "
    text += f"{len(summary.clusters)} clusters: {listed(parts)}. "
    text += "The number of clusters was given or chosen by the silhouette."
    if grown:
        mean = number(sum(grown) / len(grown))
        text += f" Other starts gave clusters that agree with an adjusted Rand index of {mean} on average."
    return text


def _judgement(run: RunReader) -> str:
    kinds = [str(vote.source.get("kind")) for vote in inputs.votes(run).values()]
    names = {kind: kinds.count(kind) for kind in ("round", "person", "data")}
    parts = [count(names["round"], "round of judges", "rounds of judges")] if names["round"] else []
    parts += [count(names["person"], "person", "people")] if names["person"] else []
    parts += [count(names["data"], "reference raster", "reference rasters")] if names["data"] else []
    rounds = inputs.rounds(run)
    judges, prompts = sorted({r.judge for r in rounds}), sorted({r.prompt for r in rounds})
    text = f"The clusters were ranked by {listed(parts)}."
    if judges:
        asked = sum(len(r.questions) for r in rounds)
        replies = [reply for r in rounds for q in r.questions for reply in q.replies]
        usable = sum(reply.usable for reply in replies)
        text += f" {count(len(judges), 'judge')} ({listed(judges)}) with {count(len(prompts), 'prompt')} answered "
        text += f"{count(asked, 'question')}; {usable:,} of {len(replies):,} replies could be used, and missing ones "
        text += "count as missing."
    if any(r.stand_in for r in rounds):
        text += " Rounds of a stand-in come from a program that measures pixels, and not from a vision model."
    return text


def _order(run: RunReader) -> str:
    order = inputs.order(run)
    text = f"The {count(len(inputs.votes(run)), 'order')} were merged by the method {order.method} into "
    text += f"{count(len(order.levels), 'level')}"
    text += f" after {order.iterations} rounds of weighting" if order.iterations else ""
    text += (
        f"; they count as {number(order.effective_judges, 1)} orders of equal weight" if order.effective_judges else ""
    )
    text += f". Two orders agree with a Kendall tau-b of {number(order.mean_tau)} on average" if order.mean_tau else ""
    text += f" (Kendall's W {number(order.kendall_w)})." if order.kendall_w else "."
    pairs = len(order.incomparable)
    return text + (f" {count(pairs, 'pair')} of clusters stayed incomparable." if pairs else "")


def _score(run: RunReader) -> str:
    training = run.read(TRAINING)
    settings = training.provenance.get("settings") or {}
    text = f"{count(len(training.seeds), 'network')} learned a score between 0 and 1 from the order"
    text += f", objective {settings['objective']}" if settings.get("objective") else ""
    text += f", at most {settings['epochs']} epochs" if settings.get("epochs") else ""
    given = training.patches.get("training"), training.patches.get("validation")
    if all(isinstance(n, int) for n in given):
        text += f". They saw {given[0]:,} patches; {given[1]:,} in other blocks decided which epoch was kept"
    scored = inputs.scores(run)["score"].notna().sum()
    return f"{text}. All {scored:,} patches with a clear view got the networks' mean."


def _uncertainty(run: RunReader) -> str:
    if len(run.read(TRAINING).seeds) < 2:
        return "One network was trained, so that the standard deviation over networks is not known."
    std = inputs.scores(run)["score_std"].dropna()
    text = "The standard deviation of a score follows from how far the networks lie apart"
    return f"{text}; its median is {number(float(std.median()))}." if len(std) else f"{text}."


def _validation(run: RunReader) -> str:
    training = run.read(TRAINING)
    held: Mapping[str, Any] = training.validation
    parts = []
    if isinstance(held.get("share_within"), float):
        parts.append(f"{percent(held['share_within'])} lay within {training.tolerance:g} of their target")
    if isinstance(held.get("mean_absolute_error"), float):
        parts.append(f"the mean absolute error was {number(held['mean_absolute_error'], 3)}")
    if isinstance(held.get("kendall_tau_b"), float):
        parts.append(f"Kendall's tau-b with the levels was {number(held['kendall_tau_b'])}")
    return f"On held-out patches, {listed(parts)}." if parts else ""


def _evaluation(run: RunReader) -> str:
    compared = inputs.comparisons(run)
    if not compared:
        return "The score was compared with no reference."
    first = compared[0].evaluation
    names = listed([c.evaluation.title for c in compared])
    block = "" if first.block_m is None else f" of {number(first.block_m / 1000, 1)} km a side"
    return (
        f"The score was compared with {names} by Pearson and Spearman correlation, and so were "
        f"pixel statistics. Intervals cover {percent(first.confidence)} and come from a bootstrap that draws "
        f"spatial blocks{block}, since places are spatially autocorrelated; they are widened by what such blocks miss "
        f"according to the variograms. Networks were trained on none of these references"
        f"{_voted(run)}."
    )


def _voted(run: RunReader) -> str:
    votes = sorted({str(v.source["reference"]) for v in inputs.votes(run).values() if v.source.get("reference")})
    return f"; {listed(votes)} also voted on the order" if votes else ""


def _baselines(run: RunReader) -> str:
    names = sorted({name for c in inputs.comparisons(run) for name in c.evaluation.baselines})
    if not names:
        return ""
    text = f"Baseline models ({listed(names)}) went through the same steps without judges or people and were compared "
    return text + "over the same places and draws, so that the difference to the score has an interval of its own."


def _districts(run: RunReader) -> str:
    parts = []
    for name, record in run.read_all(DISTRICTS_RECORD).items():
        table = run.read(DISTRICTS, name)
        weighting = f", weighted by {record.weighting}" if record.weighting else ""
        parts.append(f"{record.title} ({int(table['score'].notna().sum())} of {len(table)} with a score{weighting})")
    if not parts:
        return ""
    text = f"Scores were averaged over {listed(parts)}. Patches count by their area inside a district. The "
    return f"{text}errors of patches were taken to be correlated over distance; ranks have intervals from joint draws."


def _change(run: RunReader) -> str:
    parts = []
    for name, table in run.read_all(CHANGE).items():
        found = int(table["significant"].fillna(False).astype(bool).sum())
        before, _, after = name.partition("--")
        parts.append(f"{found:,} of {len(table):,} patches between {before} and {after}")
    if not parts:
        return ""
    rate = next(iter(run.read_all(CHANGE_RECORD).values())).false_discovery_rate
    level = f"At a false-discovery rate of {percent(rate)}, " if rate is not None else ""
    text = "The effects of season, light and sensor were estimated on places that did not change, and taken out. "
    return f"{text}{level}{listed(parts)} changed significantly."


def _regressions(run: RunReader) -> str:
    fitted = [model for record in run.read_all(REGRESSION).values() for model in record.models]
    if not fitted:
        return ""
    names = listed([f"{model.outcome} (n = {model.n:,})" for model in fitted])
    errors = "errors clustered by group" if any(model.clusters for model in fitted) else "robust errors"
    return f"Least squares explained {names}, with {errors}."

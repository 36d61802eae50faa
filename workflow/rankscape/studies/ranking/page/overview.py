"""Key figures, what a reader must know before anything else, and the score of every place for the cross-study page."""

from collections.abc import Iterator

import geopandas as gpd
import pandas as pd

from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import KeyFigure, Overview, PlaceValues
from rankscape.products.report.wording import NOTHING, count, interval, listed, number
from rankscape.samples.patches import is_located
from rankscape.spatial.seams import in_degrees
from rankscape.studies.ranking.page import inputs
from rankscape.studies.ranking.page.headlines import PARTS, Headline, headline, voting_references
from rankscape.studies.ranking.page.judges_section import Voter, voters


def overview(run: RunReader) -> Overview:
    """Return the key figures, agreement with the references first, and the notices."""
    compared = sorted(inputs.comparisons(run), key=lambda one: one.evaluation.truth)
    voted = voting_references(inputs.votes(run))
    agreed = [_agreement(c.evaluation.title, c.evaluation.truth, headline(c.evaluation, voted)) for c in compared]
    if not agreed:
        agreed = [KeyFigure("Agreement with a reference", NOTHING, "no reference was given", wide=True)]
    return Overview((*agreed, *_counts(run)), tuple(_notices(run)))


def place_values(run: RunReader) -> PlaceValues | None:
    """Return the score of every place; None where no patch has coordinates."""
    stores = inputs.patches(run)
    found = inputs.scores(run).dropna(subset=["score"])
    tables = []
    for granule, rows in found.groupby("granule"):
        index = stores[str(granule)].index
        if is_located(index):
            values = rows.set_index("patch_id")["score"]
            table = index.loc[index["patch_id"].isin(values.index), ["patch_id", "geometry"]]
            table = table.assign(value=values.reindex(table["patch_id"]).to_numpy())
            tables.append(table.set_geometry(in_degrees(table.geometry)))
    if not tables:
        return None
    joined = gpd.GeoDataFrame(pd.concat(tables, ignore_index=True), crs="EPSG:4326")
    return PlaceValues("Development score", joined, ("least developed", "most developed"))


def _counts(run: RunReader) -> Iterator[KeyFigure]:
    order, granules, learned = inputs.order(run), inputs.patches(run), inputs.learned_granules(run)
    scores = inputs.scores(run)
    scored, cut = int(scores["score"].notna().sum()), len(scores)
    unclear = "all that were cut" if scored == cut else f"of {cut:,} cut; the rest lacks a clear view"
    yield KeyFigure(
        "Granules", f"{len(granules):,}", f"{len(learned)} learned from, {len(granules) - len(learned)} only scored"
    )
    yield KeyFigure("Patches scored", f"{scored:,}", unclear)
    yield KeyFigure("Clusters", str(len(inputs.summary(run).clusters)), f"in {count(len(order.levels), 'level')}")
    yield KeyFigure("Orders merged", f"{len(inputs.votes(run)):,}", _sources(run))
    yield KeyFigure("Effective orders", number(order.effective_judges, 1), "how many count after weighting")
    tail = "" if order.kendall_w is None else f"; Kendall's W {number(order.kendall_w)}"
    yield KeyFigure("Agreement of orders", number(order.mean_tau), f"mean Kendall tau-b of two orders{tail}")


def _sources(run: RunReader) -> str:
    kinds = [str(vote.source.get("kind")) for vote in inputs.votes(run).values()]
    made = [
        (kinds.count("round"), "judge's round", "judges' rounds"),
        (kinds.count("person"), "person", "people"),
        (kinds.count("data"), "reference raster", "reference rasters"),
    ]
    return listed([count(*entry) for entry in made if entry[0]])


def _agreement(title: str, truth: bool, head: Headline) -> KeyFigure:
    name = f"Spearman with {title}{', the known truth' if truth else ''}"
    if head.part is None:
        return KeyFigure(name, NOTHING, "not given: see below", wide=True)
    ends = interval((head.score.low, head.score.high))
    part = PARTS[head.part]
    notes = [part[0].lower() + part[1:], "" if ends == NOTHING else f"interval {ends}"]
    notes.append(f"{head.statistic.lower()} reaches {number(head.statistic_value.value)}" if head.statistic else "")
    return KeyFigure(name, number(head.score.value), "; ".join(note for note in notes if note), wide=True)


def _notices(run: RunReader) -> Iterator[tuple[str, str]]:
    if inputs.is_synthetic(run):
        text = (
            "No place on this map exists. The region was simulated together with its truth, to show that the workflow "
        )
        yield "Synthetic region.", f"{text}does what it says."
    single = voters(run)
    stand_ins: list[Voter] = [voter for voter in single if voter.stand_in]
    if stand_ins:
        who = "All orders" if len(stand_ins) == len(single) else f"{len(stand_ins)} of {len(single)} orders"
        text = f"{who} come from a stand-in, no vision model: a program that measures pixels and answers like a judge."
        yield "Stand-in judge.", f"{text} They say nothing about what real judges would see."

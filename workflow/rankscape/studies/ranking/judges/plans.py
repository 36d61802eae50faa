"""The plan of a region's judges: what every judge needs with every prompt, what is stored, and what the budgets say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from rankscape.foundation.errors import InputError
from rankscape.foundation.progress import track
from rankscape.stages.region import RegionSettings
from rankscape.studies.ranking.clusters import category_labels
from rankscape.studies.ranking.judges.needs import LATENCY_S, Need, blank_sample, most_clusters, need_of, verdict
from rankscape.studies.ranking.judges.prompts import Prompt
from rankscape.studies.ranking.judges.questions import Question, estimated_prompt_tokens
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.judges.round_samples import RoundSample, read_round_sample
from rankscape.studies.ranking.orders.order_files import read_ranked
from rankscape.studies.ranking.settings import RankingSettings

LABELS = "(land categories)"
"""Stands for a prompt where a judge labels patches."""
_LABEL_TOKENS = 12
_COLUMNS = ("judge", "prompt", "mode", "requests", "stored", "to ask", "tokens in", "tokens out", "minutes", "cost")


@dataclass(frozen=True)
class Basis:
    """What is counted from: the rounds' images, or as many blank ones."""

    samples: tuple[RoundSample, ...]
    """One for each round."""
    sampled: int
    """How many of them are real."""
    clusters: int
    """Clusters that are ranked."""
    clusters_from: str
    """Where that number comes from."""


def basis_of(
    region: RegionSettings, ranking: RankingSettings, files: Iterable[Path], summary: Path, clusters: int | None = None
) -> Basis:
    """Collect what rounds show, or will show.

    Args:
        region: Shared sections of the configuration.
        ranking: The study's section.
        files: Draws that exist, named after their rounds; those of further rounds are passed over.
        summary: `clusters.json`, which need not exist.
        clusters: Number of clusters, where the user gives it.

    Raises:
        InputError: If a file is not named after a round, or holds no sample.
    """
    rounds = range(1, ranking.rate.rounds + 1)
    sampled = {number: path for number, path in map(_numbered, files) if number in rounds}
    samples = {number: read_round_sample(path, number) for number, path in sampled.items()}
    if samples:
        count, source = len(next(iter(samples.values())).clusters), "the samples"
    elif clusters is not None:
        count, source = clusters, "--clusters"
    elif summary.is_file():
        count, source = len(read_ranked(summary).clusters), str(summary)
    else:
        count, source = most_clusters(ranking), "the configuration, as the most that there can be"
    patch_px = region.tile.patch_px
    whole = tuple(samples.get(number) or blank_sample(number, count, patch_px, ranking.sample) for number in rounds)
    return Basis(whole, len(samples), count, source)


def _numbered(path: Path) -> tuple[int, Path]:
    if not path.stem.isdecimal():
        raise InputError(f"{path} is no sample of a round: these are named after their rounds, such as 1.parquet.")
    return int(path.stem), path


def plan(
    region: RegionSettings,
    ranking: RankingSettings,
    prompts: Sequence[Prompt],
    basis: Basis,
    store: ReplyStore,
    *,
    labelled: bool,
) -> dict[str, Any]:
    """Return the plan as a document.

    Args:
        region: Shared sections of the configuration.
        ranking: The study's section.
        prompts: Its prompts.
        basis: What rounds show.
        store: Replies that there are.
        labelled: Whether the land categories are labelled already.
    """
    needs: dict[str, list[Need]] = {name: [] for name in ranking.judges}
    for name, prompt in track(list(product(ranking.judges, prompts)), "counting", unit="prompt"):
        lookup = store.get if basis.sampled and name in store.judges() else None
        needs[name].append(need_of(name, ranking.judges[name], prompt, basis.samples, ranking.rate, lookup))
    if ranking.label.source == "judge" and ranking.label.judge in needs and not labelled:
        needs[ranking.label.judge].append(_labels(region, ranking))
    return {
        "region": region.region,
        "rounds": ranking.rate.rounds,
        "sampled": basis.sampled,
        "clusters": basis.clusters,
        "clusters_from": basis.clusters_from,
        "exact": basis.sampled == ranking.rate.rounds,
        "needs": [_need(ranking, need) for own in needs.values() for need in own],
        "judges": [_total(ranking, name, own, store.spent(name)) for name, own in needs.items()],
    }


def _labels(region: RegionSettings, ranking: RankingSettings) -> Need:
    """What labelling takes; its replies are not stored, its table is."""
    image = blank_sample(1, 1, region.tile.patch_px, ranking.sample).images[0]["0-0"]
    categories = ranking.label.categories
    text, schema = category_labels.prompt(categories), category_labels.schema(categories)
    tokens = estimated_prompt_tokens(Question((image,), text, schema, (), 0))
    judge, count = str(ranking.label.judge), ranking.label.sample * ranking.label.replies
    return Need(
        judge=judge,
        prompt=LABELS,
        mode="label",
        requests=count,
        stored=0,
        prompt_tokens=count * tokens,
        completion_tokens=count * _LABEL_TOKENS,
        most_completion_tokens=count * ranking.judges[judge].max_tokens,
        latency_s=LATENCY_S,
        measured=False,
    )


def _need(ranking: RankingSettings, need: Need) -> dict[str, Any]:
    judge = ranking.judges[need.judge]
    return {
        **asdict(need),
        "missing": need.missing,
        "minutes": round(need.minutes(judge), 2),
        "cost": need.cost(judge),
        "most_cost": need.cost(judge, most=True),
        "currency": judge.currency,
    }


def _total(ranking: RankingSettings, name: str, needs: Sequence[Need], spent: float) -> dict[str, Any]:
    judge = ranking.judges[name]
    priced = judge.price_in is not None and judge.price_out is not None
    return {
        "judge": name,
        "model": judge.model,
        "requests": sum(need.requests for need in needs),
        "missing": sum(need.missing for need in needs),
        "minutes": round(sum(need.minutes(judge) for need in needs), 2),
        "cost": sum(need.cost(judge) or 0.0 for need in needs) if priced else None,
        "most_cost": sum(need.cost(judge, most=True) or 0.0 for need in needs) if priced else None,
        "currency": judge.currency,
        "spent": spent,
        "budget": judge.budget,
        "verdict": verdict(needs, judge, spent),
    }


def as_text(document: Mapping[str, Any]) -> str:
    """Return a plan as a table and a line for every judge."""
    rows = [_COLUMNS, *(_row(need) for need in document["needs"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        "  ".join(_aligned(cell, width, place) for place, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    return "\n".join(
        [_heading(document), "", *(line.rstrip() for line in lines), "", *map(_line, document["judges"]), _FOOT]
    )


_FOOT = """\
~ estimated: no reply is stored yet whose tokens and time could be taken. Minutes are the least that limits and latency
allow; "at most" takes every answer as long as max_tokens allows. Repairs are not counted."""


def _heading(document: Mapping[str, Any]) -> str:
    rounds, sampled = document["rounds"], document["sampled"]
    known = "all sampled" if document["exact"] else f"{sampled} sampled" if sampled else "none sampled yet"
    return (
        f"Region {document['region']}: {document['clusters']} clusters (from {document['clusters_from']}), "
        f"{rounds} rounds, {known}."
    )


def _row(need: Mapping[str, Any]) -> tuple[str, ...]:
    mark = "" if need["measured"] or not need["missing"] else "~"
    cost = "-" if need["cost"] is None else f"{mark}{_money(need['cost'])} {need['currency']}"
    counts = (f"{need[name]:,}" for name in ("requests", "stored", "missing"))
    tokens = (f"{mark}{need[name]:,}" for name in ("prompt_tokens", "completion_tokens"))
    return (need["judge"], need["prompt"], need["mode"], *counts, *tokens, f"{mark}{need['minutes']:,.1f}", cost)


def _money(amount: float) -> str:
    """Two decimals, or two digits of a smaller amount."""
    return f"{amount:,.2f}" if amount == 0 or amount >= 0.1 else f"{amount:.2g}"


def _aligned(cell: str, width: int, place: int) -> str:
    return cell.ljust(width) if place < 3 else cell.rjust(width)


def _line(total: Mapping[str, Any]) -> str:
    """One judge's sum, and whether its budget suffices."""
    parts = [f"{total['judge']}: {total['missing']:,} of {total['requests']:,} requests to ask"]
    if total["missing"]:
        parts.append(f"{total['minutes']:,.1f} minutes or more")
    if total["cost"] is None:
        return ", ".join([*parts, "no prices"]) + "."
    currency, spent = total["currency"], _money(total["spent"])
    parts.append(f"about {_money(total['cost'])} {currency}, at most {_money(total['most_cost'])}; {spent} spent")
    if total["budget"] is None:
        return ", ".join([*parts, "no budget"]) + "."
    return ", ".join(parts) + f" of the budget of {_money(total['budget'])} {currency}: it {total['verdict']}."

"""The sections of the page of embeddings."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from rankscape.foundation.package_files import assets
from rankscape.products.report.plots import SERIES, Plot, plot, scatter
from rankscape.products.report.reading import RunReader
from rankscape.products.report.section_registry import Fragment, KeyFigure, Overview
from rankscape.products.report.templates import TableView, fill
from rankscape.products.report.wording import NOTHING, count, interval, number, percent
from rankscape.studies.embeddings.artifacts import (
    CONTRASTS,
    EVALUATED,
    PREDICTIONS,
    DownstreamKeys,
    FitKeys,
    TaskKeys,
)
from rankscape.studies.embeddings.page.results import best_of, results_of, sets_of, tasks_of, unit_of, verdicts_of
from rankscape.studies.embeddings.tasks import BASELINES

ASSETS = assets(__file__, "table.html.j2", "plots.html.j2", "verdicts.html.j2")
_TITLES = {
    "random": (
        "Random places",
        "Neighbours of a place are trained on. What lies near is alike, so that this says how well gaps are filled.",
    ),
    "blocks": (
        "Blocks of land held out",
        "Blocks are wider than the label is correlated. This says what the image itself tells of a place.",
    ),
    "places": (
        "Whole granules left out",
        "Each granule is predicted from the others. This says what to expect in a region without labels.",
    ),
    "held_out": (
        "One part of the land held out from networks too",
        "Networks that learned labels have seen the places of all other splits, and would seem too good there. So they "
        "stand only here, beside all other features: ridge on what they compute, and their own predictions "
        "(end-to-end).",
    ),
}
_GREEN = "rgba(0, 158, 115, {:.2f})"
"""Okabe & Ito's green, the stronger the more is predicted."""


@dataclass(frozen=True)
class Cell:
    """One R² of the table."""

    text: str
    colour: str
    interval: str


@dataclass(frozen=True)
class Row:
    """One set of features."""

    name: str
    cells: list[Cell]


@dataclass(frozen=True)
class SplitTable:
    """All R² of one split."""

    title: str
    words: str
    rows: list[Row]


@dataclass(frozen=True)
class VerdictRow:
    """What the splits say of one label."""

    name: str
    features: str
    cells: list[Cell]
    words: str


def overview(run: RunReader) -> Overview:
    """Return how many labels images tell, and how well in each split."""
    verdicts = verdicts_of(run)
    told = [one for one in verdicts if one.told]
    note = "in new blocks of land, better than chance and than any baseline"
    figures = [KeyFigure("Labels that images tell", f"{len(told)} of {len(verdicts)}", note, wide=True)]
    for split in _splits(run):
        values = [value for one in verdicts if (value := one.r2(split)) is not None]
        if values:
            note = f"median of {count(len(values), 'label')}; {number(min(values))} to {number(max(values))}"
            figures.append(KeyFigure(f"R², {_title(split)[0].lower()}", number(float(np.median(values))), note))
    labels = sum(one.task.labelled for one in verdicts)
    return Overview((*figures, KeyFigure("Labels", f"{labels:,}", f"of {count(len(verdicts), 'task')}")))


def _splits(run: RunReader) -> list[str]:
    """Splits that some result has, the usual ones first."""
    found = {split for one in results_of(run).values() for split in one.splits}
    return [*(split for split in EVALUATED if split in found), *sorted(found - set(EVALUATED))]


def _title(split: str) -> tuple[str, str]:
    return _TITLES.get(split, (split.replace("_", " ").capitalize(), ""))


def draw_verdicts(run: RunReader) -> Markup:
    """Draw R² of the best features of each label in every split, and what it says."""
    splits = _splits(run)
    rows = [
        VerdictRow(unit_of(one.task), one.features, [_cell(one.fits.get(split)) for split in splits], one.words)
        for one in verdicts_of(run)
    ]
    return fill(ASSETS, "verdicts.html.j2", splits=[_title(split) for split in splits], rows=rows)


def draw_table(run: RunReader) -> Fragment:
    """Draw R² of tasks by features, split by split, coloured."""
    tasks, results = tasks_of(run), results_of(run)
    splits = [_split_table(run, split) for split in _splits(run)]
    warnings: dict[str, list[str]] = {}
    for one in results.values():
        for text in one.warnings:
            warnings.setdefault(text, []).append(f"{one.task} from {one.features}")
    has = any(cell.interval for one in splits for row in one.rows for cell in row.cells)
    html: Markup = fill(ASSETS, "table.html.j2", tasks=list(tasks), splits=splits, warnings=warnings, intervals=has)
    return Fragment(html, gist=f"{count(len(tasks), 'task')}, {count(len(sets_of(run)), 'set')} of features")


def _split_table(run: RunReader, split: str) -> SplitTable:
    rows, results = [], results_of(run)
    for features in sets_of(run):
        own = [results.get((task, features)) for task in tasks_of(run)]
        fits = [None if one is None else one.splits.get(split) for one in own]
        if any(fits):
            rows.append(Row(features, [_cell(fit) for fit in fits]))
    return SplitTable(*_title(split), rows)


def _cell(fit: FitKeys | None) -> Cell:
    if fit is None or fit.r2 is None:
        return Cell(NOTHING, "transparent", "")
    ends = interval(fit.r2_interval)
    return Cell(number(fit.r2), _GREEN.format(0.55 * float(np.clip(fit.r2, 0, 1))), "" if ends == NOTHING else ends)


def draw_scatter(run: RunReader) -> Markup:
    """Draw predictions over labels, each task from its best features."""
    plots = list(_scatters(run))
    return fill(ASSETS, "plots.html.j2", plots=plots, tables=[])


def _scatters(run: RunReader) -> Iterator[Plot]:
    for name, task in tasks_of(run).items():
        found = best_of(run, name)
        if found is None:
            continue
        best, split = found
        table = run.read(PREDICTIONS, f"{name}/{best.features}")
        r2 = number(best.splits[split].r2)
        alt = f"{task.title}: predictions over {len(table)} labels; R² {r2}."
        words = alt, f"{task.title}, from {best.features}; R² {r2}.", "median prediction"
        labels = table["label"].to_numpy(float), table[split].to_numpy(float)
        yield scatter(f"scatter-{name}", *labels, (unit_of(task), "held-out prediction"), words)


def draw_distance(run: RunReader) -> Markup | None:
    """Draw R² over the width of checkerboards; None where none was asked for."""
    results = results_of(run)
    if not any(one.checkerboards for one in results.values()):
        return None
    plots = [_curve(name, task, results) for name, task in tasks_of(run).items()]
    return fill(ASSETS, "plots.html.j2", plots=plots, tables=[])


def _curve(name: str, task: TaskKeys, results: dict[tuple[str, str], DownstreamKeys]) -> Plot:
    def paint(axes: Axes) -> None:
        drawn = [one for (task_name, _), one in results.items() if task_name == name and one.checkerboards]
        for place, one in enumerate(drawn):
            known = [board for board in one.checkerboards if board.r2 is not None]
            style = "--" if one.features in BASELINES else "-"
            axes.plot(
                [board.square_m / 1000 for board in known], [max(float(board.r2 or 0), -0.2) for board in known], style,
                color=SERIES[place % len(SERIES)], marker="o", markersize=3, label=one.features,
            )  # fmt: skip
        axes.axhline(0, color="#888888", linewidth=0.7)
        axes.set(xlabel="side of a square, km", ylabel="R²", ylim=(-0.25, 1.0))
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))

    alt = f"{task.title}: R² by the side of the squares of a checkerboard."
    return plot(f"distance-{name}", alt, f"{task.title}. R² below −0.2 is drawn at −0.2.", (4.6, 2.6), paint)


def draw_decisions(run: RunReader) -> Markup:
    """Draw what a programme would reach, task by task, in blocks where there are some."""
    rows = []
    for (task, features), one in results_of(run).items():
        fit = one.splits.get("blocks") or one.splits.get("random")
        if fit is not None:
            shares = [percent(fit.recall[name]) for name in sorted(fit.recall, key=float)]
            rows.append((f"{task}, {features}", *shares, number(fit.targeting_error)))
    headings = ("Task and features", "lowest 10 %", "lowest 25 %", "lowest 40 %", "targeting error")
    view = TableView("Share of the lowest places that are reached, in blocks of land held out.", headings, tuple(rows))
    return fill(ASSETS, "plots.html.j2", plots=[], tables=[view])


def draw_differences(run: RunReader) -> Markup:
    """Draw the paired differences of all sets of features in blocks."""
    rows = []
    for name, found in run.read_all(CONTRASTS).items():
        rows += [
            (f"{name}: {one.first} − {one.second}", one.split, number(one.difference), interval(one.interval))
            for one in found.differences if one.split != "random"
        ]  # fmt: skip
    view = TableView("Differences of R².", ("Task and features", "split", "difference", "interval"), tuple(rows))
    return fill(ASSETS, "plots.html.j2", plots=[], tables=[view])


def draw_labels(run: RunReader) -> Markup:
    """Draw what is known of the labels."""
    rows = tuple(
        (
            name, task.title, task.transform, f"{task.labelled:,} of {task.patches:,}", f"{task.clipped:,}",
            number(task.mean), number(task.std), f"{task.block_m:,.0f} m ({task.block_origin})", f"{task.blocks:,}",
        )
        for name, task in tasks_of(run).items()
    )  # fmt: skip
    headings = (
        "Task", "reference", "transform", "labelled", "clipped", "mean", "deviation", "side of a block", "blocks",
    )  # fmt: skip
    notes = [TableView("The labels of each task.", headings, rows)]
    return fill(ASSETS, "plots.html.j2", plots=[], tables=notes)

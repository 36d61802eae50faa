"""What people should know of a trained score model: its record, its learning curves, and its card in plain words."""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from rankscape.foundation.package_files import assets
from rankscape.learning.selection import Selection
from rankscape.learning.splits import Split
from rankscape.products.fonts import figure_png
from rankscape.studies.ranking.scoring.samples import TOLERANCE, clusters_of, held_out_metrics
from rankscape.studies.ranking.scoring.score_targets import Learned, Targets
from rankscape.studies.ranking.scoring.settings import TrainSettings
from rankscape.studies.ranking.scoring.training import History

ASSETS = assets(__file__, "card.md.j2")

_FEW_BLOCKS = 5
_GROUPS: dict[Learned, str] = {"order": "clusters", "values": "strata of values"}
_LIMIT_OF_LABELS: dict[Learned, str] = {
    "order": "The metrics compare scores with pseudo labels (the clusters' places in the merged order), not with a "
    "measured development; the stage `evaluate` does that.",
    "values": "The metrics compare scores with the ranks of the reference's values that were learned from, not with a "
    "measure of development; agreement with that reference is no evidence.",
}


def training_record(
    settings: TrainSettings, targets: Targets, samples: Selection, split: Split, fits: Sequence[History]
) -> dict[str, Any]:
    """Describe a training: curves and best epoch a seed, metrics on the held-out patches, numbers of patches, limits.

    Args:
        settings: How it was trained.
        targets: Pseudo labels.
        samples: All patches, before the split.
        split: The two sides.
        fits: History of each network.

    Returns:
        The document `score.json`, without its provenance and what `ensemble.assemble` knows of the whole model. The
        metrics of every seed stand beside its curve.
    """
    held_out = samples.take(split.validation)
    return {
        "objective": settings.objective,
        "learned": targets.learned,
        **targets.to_document(),
        "tolerance": TOLERANCE,
        "seeds": [{**fit.to_document(), "validation": held_out_metrics(fit.scores, held_out)} for fit in fits],
        "patches": {
            "training": len(split.training),
            "validation": len(split.validation),
            "left_out_overlapping": split.overlapping,
            "left_out_identical": split.identical,
        },
        "blocks": {"training": split.training_groups, "validation": split.validation_groups},
        "places": split.places,
        "clusters": _cluster_counts(targets, samples, split),
        "settings": settings.model_dump(mode="json"),
        "limits": _limits(settings, targets, samples, split),
    }


def _cluster_counts(targets: Targets, samples: Selection, split: Split) -> dict[str, dict[str, int]]:
    clusters = clusters_of(samples)
    training, validation = clusters[split.training], clusters[split.validation]
    return {
        str(cluster): {
            "training": int((training == cluster).sum()),
            "validation": int((validation == cluster).sum()),
        }
        for cluster in sorted(targets.target)
    }


def _limits(settings: TrainSettings, targets: Targets, samples: Selection, split: Split) -> list[str]:
    """Say what the validation metrics do not show."""
    limits = [
        _LIMIT_OF_LABELS[targets.learned],
        _limit_of_places(settings, split),
        *_limits_of_choices(settings),
    ]
    if split.validation_groups < _FEW_BLOCKS:
        limits.append(f"Few {split.places} were held out ({split.validation_groups}): the metrics are uncertain.")
    group = _GROUPS[targets.learned]
    for side, positions in (("trained on", split.training), ("held out", split.validation)):
        absent = sorted(set(targets.target) - set(clusters_of(samples)[positions].tolist()))
        if absent:
            limits.append(f"No patch of the {group} {absent} was {side}: they lie in blocks of the other side alone.")
    if settings.objective in ("rank", "listwise"):
        limits += _limits_of_order(settings, targets)
    return limits


def _limits_of_choices(settings: TrainSettings) -> list[str]:
    """Say what the held-out patches decided, and so flatter."""
    limits = []
    if settings.refit:
        limits.append(
            "After it was measured, the model was fitted anew to all patches, held-out ones included: the metrics are "
            "those of the model before."
        )
    chosen = [] if settings.objective == "ridge" else ["the epoch at which training stopped"]
    if settings.auxiliary is not None and settings.auxiliary.weight == "auto":
        chosen.append("the auxiliary model's share in the score")
    if chosen:
        limits.append(
            f"The held-out patches also chose {' and '.join(chosen)}, so their metrics are slightly too good."
        )
    return limits


def _limit_of_places(settings: TrainSettings, split: Split) -> str:
    if split.places == "images":
        return (
            "Where the images were taken is not known: held-out ones can show land beside that which was trained on, "
            "so metrics on other places and dates can be lower."
        )
    return (
        f"The held-out blocks of {settings.block_m:g} m lie in the granules that were trained on: metrics on other "
        "granules and dates can be lower."
    )


def _limits_of_order(settings: TrainSettings, targets: Targets) -> list[str]:
    """Say what an objective that learns from the order alone leaves out."""
    limits = [
        f"`{settings.objective}` learned which {_GROUPS[targets.learned]} are above which, not by how much: how far "
        "scores lie apart was set afterwards by two numbers a network, fitted to the targets.",
    ]
    order = targets.order
    alone = ~(order.higher | order.higher.T).any(axis=1)
    if alone.any():
        clusters = [cluster for cluster, is_alone in zip(order.clusters, alone, strict=True) if is_alone]
        limits.append(f"The order puts the clusters {clusters} above or below no other: they were not learned from.")
    return limits


_PANELS = (
    ("training_loss", "training loss"),
    ("validation_loss", "validation loss"),
    ("share_within", "held-out scores within {tolerance:g} of the target"),
)
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe & Ito's palette for colour-blind readers."""
_NAMED = 6
"""More seeds than colours get no legend."""
_DPI = 150


def draw_curves(record: Mapping[str, Any]) -> bytes:
    """Draw what was measured after every epoch, a line a seed, the epoch whose weights were kept as a diamond.

    Of ridges it is the squared error of each penalty over parts held out, with a diamond at the penalty chosen.

    Args:
        record: The document `score.json`.

    Returns:
        A PNG of 1650 x 480 px; the same record and versions give the same bytes.
    """
    figure = Figure(figsize=(11, 3.2), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    if record["objective"] == "ridge":
        _penalties(figure.subplots(), record["seeds"])
    else:
        for axes, (measure, title) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
            _epochs(axes, record["seeds"], measure)
            axes.set_title(title.format(tolerance=record["tolerance"]), fontsize=10)
        figure.axes[-1].yaxis.set_major_formatter(PercentFormatter(1.0))
    if len(record["seeds"]) <= _NAMED:
        figure.axes[0].legend(frameon=False, fontsize=8)
    return figure_png(figure)


def _epochs(axes: Axes, seeds: list[Mapping[str, Any]], measure: str) -> None:
    for turn, seed in enumerate(seeds):
        points = [(epoch["epoch"], epoch[measure]) for epoch in seed["epochs"]]
        _line(axes, turn, seed, points, [point for point in points if point[0] == seed["best_epoch"]])
    axes.set_xlabel("epoch")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _penalties(axes: Axes, seeds: list[Mapping[str, Any]]) -> None:
    for turn, seed in enumerate(seeds):
        points = [(float(penalty), error) for penalty, error in seed["ridge"]["errors"].items()]
        _line(axes, turn, seed, points, [min(points, key=lambda point: point[1])])
    axes.set_xlabel("penalty")
    axes.set_ylim(bottom=0)
    axes.set_xscale("log")
    axes.set_title("mean squared error on parts held out", fontsize=10)


def _line(
    axes: Axes,
    turn: int,
    seed: Mapping[str, Any],
    points: Sequence[tuple[float, float]],
    kept: Sequence[tuple[float, float]],
) -> None:
    colour = _COLOURS[turn % len(_COLOURS)]
    # One epoch makes no line: show its point.
    axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.4, marker=".", markersize=3,
              label=f"seed {seed['seed']}")  # fmt: skip
    axes.plot(*zip(*kept, strict=True), "D", color=colour, markersize=6)
    axes.spines[["top", "right"]].set_visible(False)


_NOTHING = "–"


def model_card(record: Mapping[str, Any], curves: str | None = None) -> str:
    """Write the card of a score model.

    Args:
        record: The document `score.json`, with `model` and `provenance`.
        curves: Path of the image of its learning curves, as seen from the card; None leaves it out.

    Returns:
        Markdown: use, data, training, metrics, limits, settings, provenance; the same record gives the same text.
    """
    environment = Environment(
        loader=FunctionLoader(ASSETS.text),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": _number, "percent": _percent, "cell": _cell}
    text: str = environment.get_template("card.md.j2").render(
        record=record, parts=record["model"]["parts"], curves=curves
    )
    return text


def _number(value: float | None, digits: int = 3) -> str:
    return _NOTHING if value is None else f"{value:,.{digits}f}"


def _percent(share: float | None) -> str:
    return _NOTHING if share is None else f"{share:.1%}".replace("%", " %")


def _cell(value: Any) -> str:
    """Write any value into a cell of a table, where a bar or a new line would end it."""
    return " ".join(str(value).replace("|", "\\|").split()) if value is not None else "null"

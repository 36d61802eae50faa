"""The page: one HTML file that carries all that it shows and needs no network; without scripts its map is a picture."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rankscape.products.report import versions, wording
from rankscape.products.report.geography import lay_out
from rankscape.products.report.imagery import previews
from rankscape.products.report.interactive import choices, interactive, map_document
from rankscape.products.report.layers import AGAINST, layers, thumbnail
from rankscape.products.report.palette import DIFFERENCE, ramp_css
from rankscape.products.report.settings import ReportSettings
from rankscape.products.report.templates import page_styles, template
from rankscape.samples.patches import is_located
from rankscape.studies.ranking.page import aggregate_views as views
from rankscape.studies.ranking.page import aggregates, gallery, graph, judging, methods, residuals, sections, voters
from rankscape.studies.ranking.page.gallery import ClusterView
from rankscape.studies.ranking.page.inputs import Material

_FOLDER = Path(__file__).parent


def render(
    material: Material,
    settings: ReportSettings,
    region: str,
    configuration: str | None,
    record: dict[str, Any],
) -> str:
    """Write the page.

    Args:
        material: What it shows.
        settings: How it shows it.
        region: Name of the region.
        configuration: The whole configuration as JSON or the path of a YAML file; None takes the settings from the
            inputs' provenance.
        record: Provenance of the page.

    Returns:
        HTML; the same inputs give the same text.

    Raises:
        SettingsError: If the configuration is wrong.
    """
    shown = versions.configuration(configuration, [*material.records, record])
    shown_clusters = gallery.cluster_views(material, settings.samples_per_cluster, settings.seed)
    page: str = template(_FOLDER, "page.html.j2").render(
        settings=settings,
        region=region,
        record=json.dumps(record, ensure_ascii=False, sort_keys=True),
        css=page_styles(),
        ramp=ramp_css(),
        patch_m=patch_side_m(material),
        material=material,
        order=_order(material, shown_clusters),
        clusters=shown_clusters[::-1],
        silhouettes=sections.silhouette_plots(material),
        categories=sections.category_rows(material),
        training=sections.training_view(material),
        adaptation=sections.adaptation_view(material),
        uncertainty=sections.uncertainty_plots(material),
        uncertain=gallery.uncertain_pictures(material, settings.uncertain_patches),
        configuration=shown,
        surprises=residuals.surprises(material, settings.surprising_patches),
        methods=methods.paragraphs(material, any(c.evaluation.truth for c in material.comparisons)),
        sources=methods.SOURCES,
        difference_ramp=ramp_css(ramp=DIFFERENCE),
        **_map(material, settings),
        **_aggregates(material),
        **_judgement(material, record),
        **_judges(material, shown_clusters),
    )
    return page


def _map(material: Material, settings: ReportSettings) -> dict[str, Any]:
    """The interactive map and the small maps of residuals; nothing where no patch has coordinates."""
    # Of a place with several dates the map shows the one with scores: pictures of earlier ones would lie over it.
    shown_now = {name: material.patches[name] for name in material.scores["granule"].unique()}
    plane = None if material.map is None else lay_out(shown_now)
    if plane is None:
        return {"map": None, "map_choices": (), "map_borders": False, "map_ratio": 1.0, "thumbnails": ()}
    shown = layers(material, plane)
    polygons = aggregates.outlines(material.districts, plane.crs, plane.origin, max(plane.size))
    pictures = previews(plane, material.patches, settings.imagery_mb)
    document = map_document(material, plane, shown, pictures, polygons)
    return {
        "map": interactive(document),
        "map_choices": choices(shown, bool(pictures), bool(polygons)),
        "map_borders": bool(polygons),
        "map_ratio": round(min(max(plane.size[0] / plane.size[1], 0.75), 1.6), 2),
        "thumbnails": [(one.title, thumbnail(plane, one)) for one in shown if one.group == AGAINST],
    }


def _aggregates(material: Material) -> dict[str, Any]:
    return {
        "districts": [views.district_view(held, number) for number, held in enumerate(material.districts)],
        "changes": [views.change_view(held, number) for number, held in enumerate(material.changes)],
        "regressions": [views.regression_view(record) for record in material.regressions],
    }


def patch_side_m(material: Material) -> str:
    """Return the side of a patch in metres; several where granules differ. Patches without coordinates count not."""
    located = (store.grid for store in material.patches.values() if is_located(store.index))
    sides = {round(grid.patch_px * abs(grid.transform[0])) for grid in located}
    return " or ".join(f"{side:,}" for side in sorted(sides))


def _judgement(material: Material, record: dict[str, Any]) -> dict[str, Any]:
    """Who ranked, how far the references agree, and what a reader must know first."""
    compared = [sections.comparison_view(material, c, i) for i, c in enumerate(material.comparisons)]
    single = voters.voters(material)
    found = versions.versions([*material.records, record])
    truth = any(view.truth for view in compared)
    return {
        "real": [view for view in compared if not view.truth],
        "truths": [view for view in compared if view.truth],
        "truth": truth,
        "figures": sections.key_figures(material, sorted(compared, key=lambda view: view.truth)),
        "notices": sections.notices(truth, single, found),
        "voters": single,
        "groups": voters.grouped(single, material.votes),
        "missing": voters.missing_reasons(material.rounds),
        "versions": found,
    }


def _judges(material: Material, shown: Sequence[ClusterView]) -> dict[str, Any]:
    """What each judge did, and how far the sources agree."""
    rows = judging.judge_rows(material.audit)
    return {
        "plots": judging.plots(material, {view.cluster: view.colour for view in shown}),
        "judges": rows,
        "judge_notes": judging.notes(rows),
        "answers": judging.ANSWERS,
        "effort": judging.EFFORT,
        "nobody": judging.nobody(material.audit) if material.audit.pairs.nobody else "",
    }


def _order(material: Material, shown: Sequence[ClusterView]) -> dict[str, Any]:
    order = material.order
    drawing = graph.draw(order.levels, order.edges, order.ranks)
    return {
        "drawing": drawing,
        "views": {view.cluster: view for view in shown},
        "colours": gallery.level_colours(order),
        "card": {"width": graph.CARD_WIDTH, "height": graph.CARD_HEIGHT},
        "strips": graph.strips(drawing.cards, order.ranks, order.intervals),
        "open": {c for pair in order.incomparable for level in order.levels if {*pair} <= {*level} for c in pair},
        "incomparable": wording.listed([f"{a} and {b}" for a, b in order.incomparable]),
    }

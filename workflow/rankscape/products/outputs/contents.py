"""Every file of a run: its name, who makes it, what it is, and where the catalogue shows it. The one list of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Shown = Literal["", "item", "region", "districts", "change"]
"""Where the catalogue shows a file: nowhere, as an item of its own, or as an asset of region, districts or change."""
_WILDCARD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Kind:
    """One kind of file below `results/<region>/`."""

    pattern: str
    """Path with wildcards, such as `maps/{granule}.tif`."""
    verb: str
    """Stage that makes it."""
    what: str
    """What it is, in plain words."""
    shown: Shown = ""
    optional: bool = False
    """True where only some settings make it."""

    @cached_property
    def wildcards(self) -> tuple[str, ...]:
        """Names of the wildcards."""
        return tuple(_WILDCARD.findall(self.pattern))

    def fill(self, names: Mapping[str, str]) -> str:
        """Return the path of one file of this kind."""
        return self.pattern.format(**names)

    def matches(self, path: str) -> bool:
        """Say whether a path below the run's folder is of this kind."""
        parts = _WILDCARD.split(self.pattern)
        return (
            re.fullmatch("".join(r"[^/]+" if n % 2 else re.escape(part) for n, part in enumerate(parts)), path)
            is not None
        )


KINDS = (
    Kind("README.txt", "publish", "What is what, in plain words", "region"),
    Kind("CITATION.cff", "publish", "How to cite this run and what it is made of (Citation File Format 1.2)", "region"),
    Kind("NOTICE.txt", "publish", "Whose data this run is made of, and the terms of its imagery", "region"),
    Kind("catalog.json", "publish", "Static STAC catalogue: start here with a STAC browser or pystac"),
    Kind("catalog/collection.json", "publish", "The region in the catalogue, with its tables and documents"),
    Kind("catalog/items/{item}.json", "publish", "A map, a set of districts or a change in the catalogue"),
    Kind("data-dictionary.csv", "publish", "Every column of every table: type, unit, meaning, missing values", "region"),
    Kind("data-dictionary.md", "publish", "The same to read", "region"),
    Kind("maps/patches.parquet", "publish", "All patches with score, cluster, references and footprint (GeoParquet 1.1)", "region"),
    Kind("maps/patches.csv.gz", "publish", "The same without footprints, for spreadsheets and statistics programs", "region"),
    Kind("report/index.html", "report", "The report page: opens in any browser, without a network", "region"),
    Kind("maps/region.json", "mosaic", "The region's map as STAC item, with statistics and provenance", "item"),
    Kind("maps/region.tif", "mosaic", "Score and score_std of the region (COG, float32, 2 bands)"),
    Kind("maps/region.qml", "mosaic", "QGIS style of the score; QGIS applies it by itself"),
    Kind("maps/region-colour.tif", "mosaic", "The score in bytes with a colour table (COG): coloured in any program"),
    Kind("maps/region-uncertainty.tif", "mosaic", "score_std of the region alone (COG, float32)"),
    Kind("maps/region-uncertainty.qml", "mosaic", "QGIS style of the uncertainty"),
    Kind("maps/region.png", "mosaic", "Picture of the map with legend and scale bar"),
    Kind("maps/{granule}.json", "rasterize", "A granule's map as STAC item", "item"),
    Kind("maps/{granule}.tif", "rasterize", "Score and score_std of a granule at the pixels of its image (COG, 2 bands)"),
    Kind("maps/{granule}.qml", "rasterize", "QGIS style"),
    Kind("maps/{granule}-patches.tif", "rasterize", "The same, one pixel a patch (COG, float32, 2 bands)"),
    Kind("maps/{granule}-patches.qml", "rasterize", "QGIS style"),
    Kind("maps/dense/{granule}.json", "dense", "A granule's finer map as STAC item", "item", optional=True),
    Kind("maps/dense/{granule}.tif", "dense", "Finer map: score and score_std of places within patches (COG, 2 bands)", optional=True),
    Kind("maps/dense/{granule}.qml", "dense", "QGIS style", optional=True),
    Kind("districts/{districts}.parquet", "district", "Score of districts with their outlines (GeoParquet)", "districts"),
    Kind("districts/{districts}.csv", "district", "The same without outlines", "districts"),
    Kind("districts/{districts}.json", "district", "How districts were weighted and compared with their census", "districts"),
    Kind("districts/{districts}.png", "district", "Map of the districts", "districts"),
    Kind("change/{change}.parquet", "change", "Change of the score of places between two dates (GeoParquet)", "change"),
    Kind("change/{change}.json", "change", "How change was measured, and what it found", "change"),
    Kind("change/{change}.tif", "change", "change and change_std of the region (COG, 2 bands)", "change"),
    Kind("change/{change}.qml", "change", "QGIS style of the change", "change"),
    Kind("change/{change}.png", "change", "Map of the change", "change"),
    Kind("change/{change}-pictures", "change", "Folder of pictures of the largest changes (PNG)"),
    Kind("change/{change}-pictures/index.json", "change", "What they show: before, after and Grad-CAM of each", "change"),
    Kind("regressions/{regression}.csv", "regress", "Coefficients of a regression", "region"),
    Kind("regressions/{regression}.json", "regress", "The same, with everything that was asked and found", "region"),
    Kind("regressions/{regression}.tex", "regress", "The same as a LaTeX table", "region"),
    Kind("evaluation/{reference}.json", "evaluate", "Agreement of the score with a reference, with intervals", "region"),
    Kind("evaluation/{reference}.parquet", "evaluate", "The places that were compared with a reference", "region"),
    Kind("evaluation/references/{reference}/{granule}.parquet", "aggregate", "A reference's values at patches"),
    Kind("evaluation/baselines/{granule}.parquet", "pixel-statistics", "Trivial measures of each patch's pixels"),
    Kind("baselines/{baseline}/scores/{granule}.parquet", "predict", "Score of a rival run at patches"),
    Kind("baselines/{baseline}/orders/data--{reference}.json", "order-from-reference", "The partial order that a rival learned from"),
    Kind("baselines/{baseline}/order.json", "ensemble", "The same, merged"),
    Kind("baselines/{baseline}/model/score.safetensors", "train", "Weights of a rival"),
    Kind("baselines/{baseline}/model/score.json", "train", "How it was trained"),
    Kind("baselines/{baseline}/model/score.md", "train", "Its model card"),
    Kind("baselines/{baseline}/model/score-curves.png", "train", "Curves of its training"),
    Kind("saliency/{granule}.json", "saliency", "Where the score of shown patches comes from: which patches"),
    Kind("saliency/{granule}.npy", "saliency", "Grad-CAM of these patches"),
    Kind("ranking/order.json", "ensemble", "The merged order of the clusters, with ranks and intervals", "region"),
    Kind("ranking/audit.json", "audit", "What the judges can be trusted with", "region"),
    Kind("ranking/orders/{source}.json", "rank", "The partial order of one judge's round, person or reference"),
    Kind("ranking/rounds/{judge}/{prompt}/{round}.json", "rate", "A judge's questions and replies of one round"),
    Kind("ranking/times/{judge}/{prompt}/{round}.json", "rate", "How long the replies took"),
    Kind("ranking/draws/{round}.parquet", "sample", "The patches that a round shows"),
    Kind("ranking/briefs/{judge}/{prompt}.json", "build-requests", "What a judge that the workflow starts is asked"),
    Kind("ranking/interviews/{judge}.json", "collect-replies", "The replies of a judge that the workflow starts"),
    Kind("ranking/services/{judge}.json", "serve", "Address of a judge that the workflow starts"),
    Kind("clusters/clusters.parquet", "cluster", "Land category and cluster of the patches that were learned from", "region"),
    Kind("clusters/clusters.json", "cluster", "Size and land category of every cluster, and how many were tried", "region"),
    Kind("clusters/categories.parquet", "categorize", "Probability of every land category of patches"),
    Kind("clusters/refined.json", "refine", "How the backbone was refined by its own clusters"),
    Kind("clusters/refined/{granule}.npy", "refine", "Features after that (float32)"),
    Kind("clusters/sheets", "contact-sheets", "Folder of contact sheets, one a cluster (PNG)"),
    Kind("model/score.safetensors", "train", "Weights of the networks that score", "region"),
    Kind("model/score.json", "train", "How they were trained, and how well they learned the order", "region"),
    Kind("model/score.md", "train", "The model card", "region"),
    Kind("model/score-curves.png", "train", "Curves of the training", "region"),
    Kind("model/backbone.safetensors", "adapt", "Weights of the network that sees"),
    Kind("model/backbone.json", "adapt", "How it was fitted to the land categories"),
    Kind("model/pretrained.safetensors", "pretrain", "Weights that the backbone taught itself"),
    Kind("model/pretrained.json", "pretrain", "How it did"),
    Kind("model/labels.parquet", "label", "Land category of the labelled patches"),
    Kind("scores/{granule}.parquet", "predict", "Score of every patch of a granule"),
    Kind("features/{granule}.npy", "embed", "Features of every patch (float32)"),
    Kind("features/{granule}.json", "embed", "Where they came from"),
    Kind("tiles/{granule}.npy", "tile", "Pixels of every patch"),
    Kind("tiles/{granule}.parquet", "tile", "Place and footprint of every patch (GeoParquet, the granule's own CRS)"),
    Kind("scenes/{granule}/candidates.json", "search", "Scenes that were found, best first"),
    Kind("scenes/{granule}/download.json", "fetch", "Scenes that were taken: days, sizes, checksums"),
    Kind("scenes/{granule}/scene.tif", "compose", "The image that was looked at (COG)"),
    Kind("scenes/{granule}/quality.tif", "compose", "Cloud and valid pixels of the image (COG)"),
    Kind("review", "inspection-sheets", "Folder of sheets of patches to judge the score by (PNG)"),
    Kind("invented/catalog.json", "simulate", "The invented region's imagery, only in the demo"),
    Kind("invented/labels.csv", "simulate", "Its labels of land categories"),
    Kind("invented/lights.tif", "simulate", "Its night lights"),
    Kind("invented/population.tif", "simulate", "Its population"),
    Kind("invented/truth.tif", "simulate", "Its true development"),
    Kind("invented/truth-2016.tif", "simulate", "Its true development at the earlier date"),
    Kind("invented/districts.geojson", "simulate", "Its districts"),
    Kind("invented/counties.parquet", "simulate", "Its counties, with a census"),
    Kind("invented/surroundings.csv", "simulate", "County of every patch, and its distance to towns, roads and water"),
)  # fmt: skip
"""All kinds, what people open first."""


def kind_of(path: str) -> Kind | None:
    """Return the kind of a path below the run's folder; None for a file that no kind describes."""
    exact = [kind for kind in KINDS if kind.pattern == path]
    return next(iter(exact or [kind for kind in KINDS if kind.matches(path)]), None)

"""A synthetic region's documents, as the other stages write them, for the page to read."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import write_patch_store
from invented_rounds import Temper, invented_round
from PIL import Image
from rankscape.__main__ import main
from rankscape.artifacts import Artifact
from rankscape.foundation.files import write_json
from rankscape.foundation.tables import write_table
from rankscape.samples.artifacts import PATCHES
from rankscape.samples.patches import open_patches
from rankscape.studies.ranking.clusters.artifacts import CLUSTERS, SUMMARY
from rankscape.studies.ranking.judges.artifacts import ROUND
from rankscape.studies.ranking.orders.artifacts import AUDIT, ORDER
from rankscape.studies.ranking.orders.audit_rows import agreement_document, judge_rows, round_rows
from rankscape.studies.ranking.orders.partial_orders import PartialOrder
from rankscape.studies.ranking.orders.settings import AuditSettings
from rankscape.studies.ranking.product_files import EVALUATION, REGION_PREVIEW
from rankscape.studies.ranking.scoring.artifacts import BACKBONE_RECORD, SCORES, TRAINING

FINGERPRINT = "f" * 64


def record(stage: str, **changes: Any) -> dict[str, Any]:
    """Provenance as every stage writes it."""
    plain = {"package": "0.1.0", "stage": stage, "code": "0123456789abcdef", "settings": {f"{stage}_key": 1}}
    return {**plain, "settings_sha256": "9" * 64, "inputs": {}, "seed": 0, "backend": "cpu", **changes}


@dataclass
class Region:
    """A synthetic region; `arguments` makes the command line of its report."""

    folder: Path
    tiles: list[Path] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=lambda: {"acquisition": "seasons"})

    @property
    def page(self) -> Path:
        return self.folder / "report" / "ranking.html"

    @property
    def index(self) -> Path:
        return self.folder / "report" / "index.html"

    def name(self, key: str, name: str) -> None:
        """Add a name to a list of names."""
        self.names.setdefault(key, []).append(name)

    def file(self, artifact: Artifact, **names: str) -> Path:
        return artifact.of(self.folder, acquisition="seasons", **names)

    def document(self, artifact: Artifact, **names: str) -> dict[str, Any]:
        return json.loads(self.file(artifact, **names).read_text())

    def change(self, artifact: Artifact, name: dict[str, str] | None = None, **values: Any) -> None:
        """Change keys of a document; None as a value stays null."""
        write_json(self.file(artifact, **name or {}), {**self.document(artifact, **name or {}), **values})

    def arguments(self, **settings: Any) -> list[str]:
        words = ["report", "--settings", json.dumps(settings), "--region-folder", str(self.folder)]
        return [*words, "--studies", "ranking", "--out", str(self.index), *self.given()]

    def given(self) -> list[str]:
        """Names as the rule gives them, a list in each object."""
        return ["--names", *(json.dumps({"ranking": {key: value}}) for key, value in self.names.items())]


@dataclass
class Truth:
    """What the synthetic region is made of."""

    chance: np.random.Generator
    names: list[str]
    """Category of each cluster, by its number."""
    development: np.ndarray
    """Development of each cluster in [0, 1]."""
    levels: list[list[int]]


def make_region(
    folder: Path,
    *,
    per_category: dict[str, int] | None = None,
    levels: int = 4,
    granules: tuple[str, ...] = ("03TUF", "03TVF", "03TWF"),
    side: int = 6,
    patch_px: int = 8,
    seeds: int = 2,
    judges: dict[str, bool] | None = None,
    prompts: tuple[str, ...] = ("expert",),
    rounds: int = 2,
    modes: dict[str, str] | None = None,
    tempers: dict[str, Temper] | None = None,
    people: tuple[str, ...] = ("person--ada",),
    references: dict[str, dict[str, Any]] | None = None,
    uninhabited: bool = True,
    floats: bool = False,
) -> Region:
    """Write every document of a region; the last granule is scored only. `judges` tells which of them is a stand-in."""
    region, truth = Region(folder), _truth(per_category or {"urban": 3, "rural": 3}, levels, uninhabited)
    members = [_tiles(region, truth, g, side, patch_px, i, floats) for i, g in enumerate(granules)]
    places = pd.concat(members, ignore_index=True)
    _clusters(region, truth, places[places["granule"] != granules[-1]] if len(granules) > 1 else places, uninhabited)
    judges = {"seer": False} if judges is None else judges
    asked = [
        (judge, prompt, number, (modes or {}).get(prompt, "scores"), (tempers or {}).get(judge, Temper(lost=0.1)))
        for judge, prompt, number in product(judges, prompts, range(1, rounds + 1))
    ]
    _rounds(region, truth, asked, judges, uninhabited)
    sources = _orders(region, truth, asked, people, uninhabited)
    _merged(region, truth, list(sources), uninhabited)
    _audit(region, sources)
    _models(region, seeds)
    _scores(region, truth, places, granules, seeds)
    references = {"lights": {"title": "Night lights (nW/cm²/sr)"}} if references is None else references
    for name, facts in references.items():
        _evaluation(region, truth, places, name, facts, granules)
    _preview(region.file(REGION_PREVIEW))
    region.names["located"] = list(granules)
    return region


def _truth(per_category: dict[str, int], levels: int, uninhabited: bool) -> Truth:
    chance = np.random.default_rng(5)
    names = [name for name, count in per_category.items() for _ in range(count)]
    development = chance.permutation(np.linspace(0.15, 1, len(names)))
    best = [int(c) for c in np.argsort(-development)]
    cuts = np.unique(np.linspace(0, len(best), levels + 1).astype(int))
    parts = [sorted(best[a:b]) for a, b in pairwise(cuts)]
    if uninhabited:
        names, development = [*names, "wild"], np.append(development, 0.0)
        parts.append([len(names) - 1])
    return Truth(chance, names, development, parts)


def _tiles(region: Region, truth: Truth, granule: str, side: int, px: int, turn: int, floats: bool) -> pd.DataFrame:
    cluster = truth.chance.integers(0, len(truth.names), (side, side))
    developed = np.kron(truth.development[cluster], np.ones((px, px)))[..., None]
    noise = truth.chance.random((side * px, side * px, 3)) * developed
    colour = np.array([0.12, 0.22, 0.10]) + developed * np.array([0.35, 0.2, 0.32]) + 0.3 * noise
    pixels = (colour * 0.35).astype("float32") if floats else (colour * 255).clip(0, 255).astype("uint8")
    folder, origin_m = region.file(PATCHES, granule=granule).parent, (400_000.0 + turn * side * px * 10, 4_500_000.0)
    path = write_patch_store(folder, granule, pixels=pixels, patch_px=px, origin_m=origin_m)
    region.tiles.append(path)
    region.name("shown", granule)
    index = open_patches(path).index
    return pd.DataFrame({"patch_id": index["patch_id"], "granule": granule, "cluster": cluster.ravel()})


def _clusters(region: Region, truth: Truth, places: pd.DataFrame, uninhabited: bool) -> None:
    frame = places.assign(category=[truth.names[c] for c in places["cluster"]])
    write_table(region.file(CLUSTERS), frame, {"rankscape": record("cluster")})
    entries = []
    for cluster, name in enumerate(truth.names):
        ids = frame.loc[frame["cluster"] == cluster, "patch_id"].tolist()
        wild = uninhabited and cluster == len(truth.names) - 1
        medoid = ids[-1] if ids else None
        entries.append({"cluster": cluster, "category": name, "size": len(ids), "uninhabited": wild, "medoid": medoid})
    categories = {
        name: {
            "k": truth.names.count(name),
            "k_given": False,
            "silhouettes": {str(k): round(0.4 - 0.03 * abs(k - truth.names.count(name)), 3) for k in range(2, 9)},
            "stability": 0.83,
            "stability_by_seed": [0.8, 0.86],
        }
        for name in dict.fromkeys(truth.names)
    }
    if uninhabited:
        categories["wild"] = {"k": 1, "k_given": True, "silhouettes": {}, "stability": None, "stability_by_seed": []}
    write_json(region.file(SUMMARY), {
        "clusters": entries, "categories": categories, "uninhabited": len(truth.names) - 1 if uninhabited else None,
        "fingerprint": FINGERPRINT, "centroids": [], "provenance": record("cluster"),
    })  # fmt: skip


Asked = tuple[str, str, int, str, Temper]
"""Judge, prompt, round, mode, temper."""


def _rounds(
    region: Region, truth: Truth, asked: list[Asked], stand_ins: dict[str, bool], uninhabited: bool
) -> None:  # fmt: skip
    points = {c: 100 * float(truth.development[c]) for level in _ranked(truth, uninhabited) for c in level}
    for judge, prompt, number, mode, temper in asked:
        path = region.file(ROUND, judge=judge, prompt=prompt, round=str(number))
        document = invented_round(judge, prompt, number, points, mode, temper)
        write_json(path, document | {"stand_in": stand_ins[judge], "provenance": record("rate")})
        region.name("rounds", f"{judge}/{prompt}/{number}")


def _ranked(truth: Truth, uninhabited: bool) -> list[list[int]]:
    return truth.levels[:-1] if uninhabited else truth.levels


def _orders(
    region: Region, truth: Truth, asked: list[Asked], people: tuple[str, ...], uninhabited: bool
) -> dict[str, dict[str, Any]]:
    ranked = _ranked(truth, uninhabited)
    sources = {f"{j}--{p}--{n}": {"kind": "round", "judge": j, "prompt": p, "round": n} for j, p, n, *_ in asked}
    sources |= {name: _voice(name) for name in people}
    for name, source in sources.items():
        path = region.file(ORDER).parent / "orders" / f"{name}.json"
        stage = {"round": "ranking rank", "person": "ranking import-order", "data": "ranking order-from-reference"}[
            source["kind"]
        ]
        order = _noisy(truth.development, sorted(c for level in ranked for c in level), len(ranked), name)
        write_json(path, {
            "source": source, **order.to_document(), "fingerprint": FINGERPRINT, "provenance": record(stage),
        })  # fmt: skip
        if source["kind"] != "round":
            region.name("people" if source["kind"] == "person" else "voting", name.partition("--")[2])
    return sources


def _noisy(development: np.ndarray, clusters: list[int], levels: int, name: str) -> PartialOrder:
    """Levels as a source that errs a little sees them."""
    seen = np.random.default_rng(list(name.encode())).normal(development[clusters], 0.15)
    best = [clusters[place] for place in np.argsort(-seen)]
    return PartialOrder.from_levels([part.tolist() for part in np.array_split(best, levels) if len(part)])


def _voice(name: str) -> dict[str, Any]:
    kind, _, who = name.partition("--")
    return {"kind": kind, "annotator" if kind == "person" else "reference": who}


def _audit(region: Region, sources: dict[str, dict[str, Any]]) -> None:
    paths = [region.file(ORDER).parent / "orders" / f"{name}.json" for name in sources]
    orders = {path.stem: PartialOrder.from_document(json.loads(path.read_text()), path.stem) for path in paths}
    agreement = agreement_document(orders, sources, region.document(ORDER)) if orders else {}
    rounds = [name.split("/") for name in region.names.get("rounds", [])]
    heard = [ROUND.read(region.file(ROUND, judge=j, prompt=p, round=n)) for j, p, n in rounds]
    write_json(region.file(AUDIT), {
        "confidence": 0.95, "judges": judge_rows(heard, {}, AuditSettings(draws=100)), "rounds": round_rows(heard),
        **agreement, "fingerprint": FINGERPRINT, "provenance": record("audit"),
    })  # fmt: skip


def _merged(region: Region, truth: Truth, sources: list[str], uninhabited: bool) -> None:
    ranked = truth.levels[:-1] if uninhabited else truth.levels
    ranks, before = {}, 0
    for level in ranked:
        ranks |= {str(c): before + (len(level) + 1) / 2 for c in level}
        before += len(level)
    if uninhabited:
        ranks[str(len(truth.names) - 1)] = before + 1.0
    edges = [[a, b] for high, low in pairwise(truth.levels) for a, b in product(high, low)]
    noise = truth.chance.uniform(0.55, 0.95, (len(sources), len(sources)))
    matrix = np.where(np.eye(len(sources)) == 1, 1.0, (noise + noise.T) / 2).round(3).tolist()
    write_json(region.file(ORDER), {
        "method": "robust", "clusters": sorted(c for level in ranked for c in level), "ranks": ranks,
        "intervals": {str(c): [max(1, ranks[str(c)] - 1.5), ranks[str(c)] + 1] for level in ranked for c in level},
        "weights": dict.fromkeys(sources, 1 / max(len(sources), 1)), "effective_judges": 0.83 * len(sources),
        "iterations": 9, "levels": truth.levels, "edges": edges, "incomparable": [],
        "tau": {"sources": sources, "matrix": matrix}, "mean_tau": 0.74, "kendall_w": 0.81, "leave_one_out": {},
        "uninhabited": len(truth.names) - 1 if uninhabited else None, "fingerprint": FINGERPRINT,
        "provenance": record("ensemble"),
    })  # fmt: skip


def _models(region: Region, seeds: int) -> None:
    def curve(seed: int) -> dict[str, Any]:
        epochs = [
            {"epoch": e, "training_loss": 0.3 / e + 0.01 * seed, "validation_loss": 0.3 / e + 0.002 * (e - 7) ** 2 / 9,
             "share_within": min(0.9, 0.1 * e)}
            for e in range(1, 11)
        ]  # fmt: skip
        return {"seed": seed, "best_epoch": 8, "epochs": epochs, "validation": metrics(0.02 * seed)}

    def metrics(shift: float) -> dict[str, Any]:
        return {"patches": 40, "share_within": 0.62 - shift, "mean_absolute_error": 0.081, "kendall_tau_b": 0.77}

    write_json(region.file(TRAINING), {
        "objective": "regression", "tolerance": 0.07, "validation": metrics(0),
        "seeds": [curve(seed) for seed in range(seeds)], "patches": {"training": 60, "validation": 40},
        "blocks": {"training": 9, "validation": 3}, "settings": {}, "limits": ["Only 3 blocks were held out."],
        "provenance": record("train"),
    })  # fmt: skip
    epochs = [{"epoch": e, "loss": 1.2 / e, "accuracy": 1 - 0.5 / e} for e in range(1, 6)]
    write_json(region.file(BACKBONE_RECORD), {
        "architecture": "resnet18", "channels": 3, "preparation": {"input_px": 64, "bands": ["B04", "B03", "B02"]},
        "categories": ["urban", "rural"], "uninhabited": None, "weights": "imagenet", "dims": 512, "labels": 60,
        "epochs": epochs, "fitted": {"patches": 50, "loss": 0.2, "accuracy": 0.96},
        "held_out": {"patches": 10, "loss": 0.4, "accuracy": 0.9}, "held_out_blocks": 3, "block_m": 20000.0,
        "provenance": record("adapt"),
    })  # fmt: skip


def _scores(region: Region, truth: Truth, places: pd.DataFrame, granules: tuple[str, ...], seeds: int) -> None:
    score = (truth.development[places["cluster"]] + truth.chance.normal(0, 0.06, len(places))).clip(0, 1)
    std = np.abs(truth.chance.normal(0.03, 0.02, len(places))) if seeds > 1 else np.zeros(len(places))
    places["score"], places["score_std"] = score.astype("float32"), std.astype("float32")
    places.loc[3, ["score", "score_std"]] = np.nan
    for granule in granules:
        path = region.file(SCORES, granule=granule)
        own = places.loc[places["granule"] == granule, ["patch_id", "granule", "score", "score_std"]].assign(
            ensemble_std=0.01
        )
        write_table(path, own, {"rankscape": record("predict")})
        region.name("current", granule)


def agreement(value: float | None, n: int = 100, half: float | None = 0.05) -> dict[str, Any]:
    """One agreement as `evaluate` writes it."""
    if value is None:
        return {"n": n, "reason": f"{n} places with score and reference; at least 30 are needed"}
    ends = {"low": None, "high": None} if half is None else {"low": value - half, "high": value + half}
    found = {"n": n, "spearman": {"value": value, **ends}, "pearson": {"value": value - 0.03, **ends}}
    return found if half is not None else {**found, "interval_reason": "3 blocks of 20000 m; an interval needs 5"}


def _evaluation(
    region: Region, truth: Truth, places: pd.DataFrame, name: str, facts: dict[str, Any], granules: tuple[str, ...]
) -> None:
    values = {"score": 0.86, "gradient": 0.6, "blue_green": -0.3, "brightness": 0.41} | facts.get("values", {})
    one = len(granules) == 1
    predictors = {
        p: {"pooled": agreement(v), "fit": agreement(v), "apply": None if one else agreement(v, 36),
            "granules": {g: agreement(v, 36) for g in granules}}
        for p, v in values.items()
    }  # fmt: skip
    path = region.file(EVALUATION, reference=name)
    write_json(path, {
        "reference": name, "title": facts["title"], "truth": facts.get("truth", False), "transform": "log1p",
        "confidence": 0.95, "block_m": 20000.0, "predictors": predictors, "provenance": record("evaluate"),
    })  # fmt: skip
    role = np.where((places["granule"] == granules[-1]) & (not one), "apply", "fit")
    value = truth.development[places["cluster"]] * 4 + truth.chance.normal(0, 0.5, len(places))
    frame = places[["patch_id", "granule", "score"]].assign(role=role, value=value, distinct=True)
    frame = frame.assign(
        **{column: truth.chance.random(len(frame)) for column in ("gradient", "blue_green", "brightness")}
    )
    write_table(path.with_suffix(".parquet"), frame.dropna(), {"rankscape": record("evaluate")})
    region.name("references", name)


def _preview(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.linspace(0, 255, 120).astype("uint8")
    picture = np.stack([np.tile(ramp, (80, 1))] * 3 + [np.full((80, 120), 255, "uint8")], axis=-1)
    Image.fromarray(picture).save(path)


@pytest.fixture
def region(tmp_path: Path) -> Callable[..., Region]:
    """Write a synthetic region: `region(**changes)`; see `make_region`."""

    def make(**changes: Any) -> Region:
        return make_region(tmp_path / "synthetic-land", **changes)

    return make


def write_region_page(region: Region) -> None:
    """Write the region's pages."""
    with pytest.raises(SystemExit) as stopped:
        main(region.arguments())
    assert not stopped.value.code


@pytest.fixture(scope="session")
def _kept() -> dict[str, str]:
    return {}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], tuple[int, str]]:
    """Run the command line: `run(arguments)` returns exit status and the last line on standard error."""

    def call(arguments: list[str]) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        return int(stopped.value.code or 0), capsys.readouterr().err.strip().rpartition("\n")[2]

    return call


@pytest.fixture
def page(region: Callable[..., Region], run: Callable[..., tuple[int, str]], _kept: dict[str, str]) -> str:
    """The page of a whole region, made once."""
    if not _kept:
        made = region(
            judges={"seer": False, "mimic": True}, people=("person--ada", "data--lights"),
            references={
                "lights": {"title": "Night lights (nW)"},
                "population": {"title": "Population", "values": {"gradient": 0.88}},
                "truth": {"title": "True development", "truth": True},
            },
        )  # fmt: skip
        status, said = run(made.arguments(title="Development map of Synthetic Land", note="A <b>note</b>"))
        assert status == 0, said
        _kept["page"] = made.page.read_text()
    return _kept["page"]

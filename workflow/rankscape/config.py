"""The whole configuration, checked before any job."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from rankscape.foundation.errors import SettingsError
from rankscape.foundation.settings import Identifier, Section, explain, read_yaml
from rankscape.learning.settings import AdaptSettings, EmbedSettings, PretrainSettings
from rankscape.products.agreement.settings import EvaluateSettings
from rankscape.products.change.periods import compared_dates
from rankscape.products.change.settings import ChangeSettings
from rankscape.products.districts.settings import DistrictSettings
from rankscape.products.maps.settings import DenseSettings, MergeSettings, MosaicSettings
from rankscape.products.outputs.settings import PublishSettings
from rankscape.products.regressions.settings import RegressionSettings
from rankscape.products.report.settings import ReportSettings
from rankscape.samples.settings import ReferenceSettings, TileSettings
from rankscape.scenes.granule_table import GranuleRow
from rankscape.scenes.settings import ComposeSettings, FetchSettings, SearchSettings
from rankscape.scenes.storage import SHARD_PATTERN, StorageSettings, parse_shard
from rankscape.studies.ranking.settings.baselines import BaselineSettings, check_baselines
from rankscape.studies.ranking.settings.clusters import ClusterSettings, LabelSettings, RefineSettings
from rankscape.studies.ranking.settings.judges import (
    AuditSettings,
    DeriveSettings,
    DrawSettings,
    EnsembleSettings,
    JudgeSettings,
    PeopleSettings,
    RankSettings,
    RateSettings,
)
from rankscape.studies.ranking.settings.saliency import SaliencySettings
from rankscape.studies.ranking.settings.scoring import PredictSettings, ReviewSettings, TrainSettings
from rankscape.synthetic.settings import InventSettings


class Config(Section):
    """A region: what is measured, with which judges and prompts, and how every stage works.

    A section has the name of the stage that it sets.
    """

    region: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    """Name of the region; results go to `results/<region>/`."""
    granules: str
    """Granule sheet (TSV): granule, role, start, end, max_cloud_percent; optionally folder, pictures, period, place."""
    judges: dict[Identifier, JudgeSettings] = {}
    """Judges by name."""
    prompts: tuple[Identifier, ...] = ()
    """Prompts by name: `config/prompts/<name>.md`."""
    references: dict[Identifier, ReferenceSettings] = {}
    """Rasters that the score is compared with, by name."""
    regressions: dict[Identifier, RegressionSettings] = {}
    """Regressions of the score, its change or a table's column, by name."""
    baselines: dict[Identifier, BaselineSettings] = {}
    """Rivals of the score that learn from a reference, by name."""
    districts: dict[Identifier, DistrictSettings] = {}
    """Polygons over which the score is averaged, by name."""
    shard: Annotated[str, Field(pattern=SHARD_PATTERN)] | None = None
    """Part of a large region that a run plans, such as 3/20, or `join`; given with `--config shard=3/20`."""
    storage: StorageSettings = StorageSettings()
    invent: InventSettings = InventSettings()
    search: SearchSettings = SearchSettings()
    fetch: FetchSettings = FetchSettings()
    compose: ComposeSettings = ComposeSettings()
    tile: TileSettings = TileSettings()
    label: LabelSettings = LabelSettings()
    pretrain: PretrainSettings = PretrainSettings()
    adapt: AdaptSettings = AdaptSettings()
    embed: EmbedSettings = EmbedSettings()
    refine: RefineSettings = RefineSettings()
    cluster: ClusterSettings = ClusterSettings()
    draw: DrawSettings = DrawSettings()
    rate: RateSettings = RateSettings()
    rank: RankSettings = RankSettings()
    people: PeopleSettings = PeopleSettings()
    derive: DeriveSettings = DeriveSettings()
    ensemble: EnsembleSettings = EnsembleSettings()
    audit: AuditSettings = AuditSettings()
    train: TrainSettings = TrainSettings()
    predict: PredictSettings = PredictSettings()
    review: ReviewSettings = ReviewSettings()
    saliency: SaliencySettings = SaliencySettings()
    mosaic: MosaicSettings = MosaicSettings()
    dense: DenseSettings = DenseSettings()
    merge: MergeSettings = MergeSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    change: ChangeSettings = ChangeSettings()
    report: ReportSettings = ReportSettings()
    publish: PublishSettings = PublishSettings()

    @model_validator(mode="after")
    def _sections_agree(self) -> "Config":
        parse_shard(self.shard)
        needed = sorted({"tiles", "features"} & set(self.storage.drop))
        if self.shard is not None and needed:
            raise ValueError(
                f"shard = {self.shard!r} and storage.drop = {list(self.storage.drop)}: joining shards needs "
                f"{' and '.join(needed)}; take them out of it, and remove them yourself when the region is done"
            )
        self._names_known()
        self._labels_usable()
        check_baselines(self.baselines, self.references, self.train)
        if self.cluster.method == "deepcluster" and self.adapt.architecture.startswith("random-convolutions"):
            raise ValueError(
                f"cluster.method = 'deepcluster' trains the backbone, and nothing in {self.adapt.architecture} can be "
                "trained: take 'kmeans', or set adapt.architecture to a model of timm"
            )
        if bool(self.judges) != bool(self.prompts) and not (self.judges and self.label.source == "judge"):
            raise ValueError("judges and prompts go together: give both, or neither")
        if not self.judges and not self.people.vote and not self.derive.references:
            raise ValueError(
                "nobody ranks the clusters: give judges and prompts, people.folder, people.collection, or "
                "derive.references"
            )
        return self

    def _names_known(self) -> None:
        if self.label.judge is not None and self.label.judge not in self.judges:
            raise ValueError(f"label.judge = {self.label.judge!r} is none of judges {sorted(self.judges)}")
        unknown = sorted(set(self.derive.references) - set(self.references))
        if unknown:
            raise ValueError(f"derive.references names {unknown}; references has {sorted(self.references)}")
        for name in ("k", "categories"):
            strangers = sorted(set(getattr(self.cluster, name)) - set(self.label.categories))
            if strangers:
                raise ValueError(
                    f"cluster.{name} names {strangers}; label.categories are {list(self.label.categories)}"
                )

    def _labels_usable(self) -> None:
        judge = self.judges[self.label.judge] if self.label.judge is not None else None
        if self.label.source == "judge" and judge is not None and judge.kind == "stand-in":
            raise ValueError(f"label.judge = {self.label.judge!r} is the stand-in, which names no land categories")
        if self.label.source == "judge" and judge is not None and judge.command is not None:
            raise ValueError(f"label.judge = {self.label.judge!r} is started for rounds only: name an endpoint")
        if len(self.label.categories) > 1 and self.adapt.epochs == 0:
            raise ValueError("adapt.epochs = 0 fits no categories: raise it, or name one category in label.categories")
        uninhabited = self.label.uninhabited
        if uninhabited is not None and self.cluster.k.get(uninhabited, 1) != 1:
            raise ValueError(
                f"cluster.k.{uninhabited} = {self.cluster.k[uninhabited]}: uninhabited land is one cluster"
            )


def check_config(values: dict[str, Any], origin: str) -> Config:
    """Validate a whole configuration; keys that Snakemake itself reads are passed over.

    Args:
        values: The configuration as Snakemake or YAML gives it.
        origin: File or files it came from, for the message.

    Raises:
        SettingsError: If a key or value is wrong, in one line.
    """
    own = {key: value for key, value in values.items() if key not in {"pathvars"}}
    try:
        return Config.model_validate(own)
    except ValidationError as error:
        faults = {(fault["type"], fault["loc"]) for fault in error.errors()}
        if faults == {("missing", ("region",)), ("missing", ("granules",))}:
            raise SettingsError(
                f"{origin} names no region and no granules: a file of settings, such as a preset, is given after a "
                f"region's own file: --configfile config/mine.yaml {origin}."
            ) from None
        raise SettingsError(explain(error, origin)) from None


def check_places(config: Config, sheet: Mapping[str, GranuleRow]) -> None:
    """Refuse what has no coordinates to be compared at: references, districts, baselines; and periods that nobody has.

    Regressions of a change need two periods that are compared.

    Raises:
        SettingsError: Naming them.
    """
    located = [row for row in sheet.values() if row.located]
    if config.references and not located:
        raise SettingsError(
            f"references = {sorted(config.references)}: no granule of {config.granules} has coordinates (all are "
            "`pictures`), so nothing can be compared with a raster: leave references out."
        )
    if config.districts and not located:
        raise SettingsError(
            f"districts = {sorted(config.districts)}: no granule of {config.granules} has coordinates (all are "
            "`pictures`), so nobody knows in which district they lie: leave districts out."
        )
    if config.derive.references and not any(row.role == "fit" for row in located):
        raise SettingsError(
            f"derive.references = {list(config.derive.references)}: no granule of {config.granules} with the role "
            "`fit` has coordinates: leave it out."
        )
    if config.baselines and not any(row.role == "fit" for row in located):
        raise SettingsError(
            f"baselines = {sorted(config.baselines)}: no granule of {config.granules} with the role `fit` has "
            "coordinates, so nothing can be learned from a reference: leave them out."
        )
    compared = compared_dates(sheet, config.change)
    for name, regression in config.regressions.items():
        if regression.change is not None and regression.change not in compared:
            raise SettingsError(
                f"regressions.{name}.places = {regression.change!r}: {config.granules} and change.pairs "
                f"compare {sorted(compared)}: take one of those, or leave the regression out."
            )


def load_config(path: Path) -> Config:
    """Read and validate a configuration file.

    Raises:
        SettingsError: If the file cannot be read, or a key or value is wrong.
    """
    return check_config(read_yaml(path), str(path))

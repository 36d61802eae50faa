"""The section `ranking` of a configuration: the settings of the study's stages, and what they need of each other."""

from collections.abc import Mapping

from pydantic import model_validator

from rankscape.foundation.settings import Identifier
from rankscape.learning.settings import AdaptSettings, EmbedSettings, PretrainSettings
from rankscape.products.agreement.settings import EvaluateSettings
from rankscape.products.change.settings import ChangeSettings, compared_dates
from rankscape.products.maps.settings import DenseSettings, MosaicSettings, RasterizeSettings
from rankscape.products.regressions.settings import RegressionSettings
from rankscape.scenes.granule_table import GranuleRow
from rankscape.stages.region import RegionSettings, StudySettings
from rankscape.studies.ranking.clusters.settings import ClusterSettings, LabelSettings, RefineSettings
from rankscape.studies.ranking.judges.settings import JudgeSettings, RateSettings, SampleSettings
from rankscape.studies.ranking.orders.settings import (
    AuditSettings,
    EnsembleSettings,
    OrderFromReferenceSettings,
    PeopleSettings,
    RankSettings,
)
from rankscape.studies.ranking.scoring.settings import (
    BaselineSettings,
    InspectionSettings,
    PredictSettings,
    SaliencySettings,
    TrainSettings,
    check_baselines,
)


class RankingSettings(StudySettings):
    """How developed does a place look? Who orders the clusters, and how networks learn a score from that order."""

    judges: dict[Identifier, JudgeSettings] = {}
    """Judges by name."""
    prompts: tuple[Identifier, ...] = ()
    """Prompts by name: `config/prompts/<name>.md`."""
    regressions: dict[Identifier, RegressionSettings] = {}
    """Regressions of the score, its change or a table's column, by name."""
    baselines: dict[Identifier, BaselineSettings] = {}
    """Baseline models, which learn from a reference, by name."""
    label: LabelSettings = LabelSettings()
    pretrain: PretrainSettings = PretrainSettings()
    adapt: AdaptSettings = AdaptSettings()
    embed: EmbedSettings = EmbedSettings()
    refine: RefineSettings = RefineSettings()
    cluster: ClusterSettings = ClusterSettings()
    sample: SampleSettings = SampleSettings()
    rate: RateSettings = RateSettings()
    rank: RankSettings = RankSettings()
    people: PeopleSettings = PeopleSettings()
    order_from_reference: OrderFromReferenceSettings = OrderFromReferenceSettings()
    ensemble: EnsembleSettings = EnsembleSettings()
    audit: AuditSettings = AuditSettings()
    train: TrainSettings = TrainSettings()
    predict: PredictSettings = PredictSettings()
    inspection_sheets: InspectionSettings = InspectionSettings()
    saliency: SaliencySettings = SaliencySettings()
    rasterize: RasterizeSettings = RasterizeSettings()
    dense: DenseSettings = DenseSettings()
    mosaic: MosaicSettings = MosaicSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    change: ChangeSettings = ChangeSettings()

    @model_validator(mode="after")
    def _somebody_ranks(self) -> "RankingSettings":
        if bool(self.judges) != bool(self.prompts) and not (self.judges and self.label.source == "judge"):
            raise ValueError("judges and prompts go together: give both, or neither")
        if not self.judges and not self.people.vote and not self.order_from_reference.references:
            raise ValueError(
                "nobody ranks the clusters: give judges and prompts, people.folder, people.collection, or "
                "order_from_reference.references"
            )
        return self

    @model_validator(mode="after")
    def _categories_known(self) -> "RankingSettings":
        for name in ("k", "categories"):
            strangers = sorted(set(getattr(self.cluster, name)) - set(self.label.categories))
            if strangers:
                raise ValueError(
                    f"cluster.{name} names {strangers}; label.categories are {list(self.label.categories)}"
                )
        uninhabited = self.label.uninhabited
        if uninhabited is not None and self.cluster.k.get(uninhabited, 1) != 1:
            raise ValueError(
                f"cluster.k.{uninhabited} = {self.cluster.k[uninhabited]}: uninhabited land is one cluster"
            )
        return self

    @model_validator(mode="after")
    def _labels_usable(self) -> "RankingSettings":
        name = self.label.judge
        if name is not None and name not in self.judges:
            raise ValueError(f"label.judge = {name!r} is none of judges {sorted(self.judges)}")
        if self.label.source == "judge" and name is not None:
            judge = self.judges[name]
            if judge.kind == "stand-in":
                raise ValueError(f"label.judge = {name!r} is the stand-in, which names no land categories")
            if judge.command is not None:
                raise ValueError(f"label.judge = {name!r} is started for rounds only: name an endpoint")
        if len(self.label.categories) > 1 and self.adapt.epochs == 0:
            raise ValueError("adapt.epochs = 0 fits no categories: raise it, or name one category in label.categories")
        return self

    @model_validator(mode="after")
    def _backbone_trainable(self) -> "RankingSettings":
        if self.cluster.method == "deepcluster" and self.adapt.architecture.startswith("random-convolutions"):
            raise ValueError(
                f"cluster.method = 'deepcluster' trains the backbone, and nothing in {self.adapt.architecture} can be "
                "trained: take 'kmeans', or set adapt.architecture to a model of timm"
            )
        return self

    def check(self, region: RegionSettings) -> None:
        """Refuse references that the region does not have, and baseline models that cannot be learned.

        Raises:
            ValueError: In one line that names the keys.
        """
        name = region.acquisition(self.acquisition, "ranking.acquisition")
        if not region.acquisitions[name].product_facts.display_bands:
            raise ValueError(
                f"ranking.acquisition = {name!r} has no red, green and blue, which judges are shown: take "
                "one of Sentinel-2, and set its `beside` to this one"
            )
        unknown = sorted(set(self.order_from_reference.references) - set(region.references))
        if unknown:
            raise ValueError(
                f"ranking.order_from_reference.references names {unknown}; references has {sorted(region.references)}"
            )
        check_baselines(self.baselines, region.references, self.train)

    def check_granules(self, region: RegionSettings, table: Mapping[str, GranuleRow]) -> None:
        """Refuse to learn from references where no granule has coordinates, and changes that nobody measures.

        Raises:
            ValueError: Naming the key and the granule table.
        """
        placed = next((name for name, row in table.items() if row.places is not None), None)
        if placed is not None:
            raise ValueError(f"ranking: granule {placed} names `places`, which only the study embeddings takes")
        if not any(row.role == "fit" and row.located for row in table.values()):
            for key, names in (
                ("order_from_reference.references", self.order_from_reference.references),
                ("baselines", self.baselines),
            ):
                if names:
                    raise ValueError(
                        f"ranking.{key} = {sorted(names)}: no granule of {region.granules} with the role `fit` has "
                        "coordinates, so nothing can be learned from a reference: leave it out"
                    )
        compared = compared_dates(table, self.change)
        for name, regression in self.regressions.items():
            if regression.change is not None and regression.change not in compared:
                raise ValueError(
                    f"ranking.regressions.{name}.places = {regression.change!r}: {region.granules} and "
                    f"ranking.change.pairs compare {sorted(compared)}: take one of those, or leave the regression out"
                )

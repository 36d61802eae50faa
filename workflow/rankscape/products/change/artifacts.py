"""A change between two dates: keys of its documents, columns of its table."""

from typing import Annotated, Any

from rankscape.artifacts import Column, DocumentKeys, empty_as
from rankscape.samples.artifacts import COL, FOOTPRINT, ROW


class ChangeRecord(DocumentKeys):
    """How two dates were compared, and what was found."""

    title: str = ""
    """Title with both periods."""
    before: str = ""
    """Earlier period."""
    after: str = ""
    """Later period."""
    false_discovery_rate: float | None = None
    """Share of false ones among the significant changes."""
    correction: str = ""
    """Method that controls it."""
    least_change: float = 0.0
    """Changes of at most this are of no interest."""
    radiometry: bool = False
    """Whether the earlier images were brought to the light of the later ones."""
    effect: str = ""
    """Form of the curve that takes season and sensor out."""
    n: int = 0
    """Places compared."""
    invariant: int = 0
    """Those that stand for no change."""
    significant: int = 0
    """Significant changes."""
    up: int = 0
    """Those among them that rose."""
    down: int = 0
    """Those that fell."""
    significant_under_any_dependence: int = 0
    """Significant ones under any dependence between neighbours."""
    noise: float | None = None
    """Standard deviation of the change where nothing changed."""
    least_called: float | None = None
    """Smallest change that is called significant at a place of such noise."""
    degrees_of_freedom: Any = None
    """Of the t distributions of the tails, by level."""
    neighbour_correlation: float | None = None
    """Correlation of the noise of neighbours."""
    places: dict[str, Any] = {}
    """What was measured in each granule."""
    left_out: dict[str, dict[str, int]] = {}
    """Places that were left out, by granule and reason."""
    notes: Annotated[list[str], empty_as(list)] = []
    """What a reader must know, a sentence each."""


class ChangeImages(DocumentKeys):
    """Images of the largest changes."""

    images: list[dict[str, Any]]
    """Files, places and numbers of each."""
    note: str
    """What a reader must bear in mind."""


CHANGE_COLUMNS = (
    Column("patch_id", "text", "", "Id of the patch of the later date"),
    Column("before_patch_id", "text", "", "Id of the patch of the earlier date"),
    Column("granule", "text", "", "Granule of the later date"),
    Column("before_granule", "text", "", "Granule of the earlier date"),
    Column("place", "text", "", "The place that both show: an MGRS granule, or a name of your own"),
    ROW, COL,
    Column("score_before", "number", "0 to 1", "Score on the earlier date"),
    Column("score_after", "number", "0 to 1", "Score on the later date"),
    Column("change", "number", "score", "Change of the score, the effect of season and sensor taken out"),
    Column("raw_change", "number", "score", "score_after - score_before"),
    Column("change_std", "number", "score", "Uncertainty of the change: one standard deviation"),
    Column("p", "number", "0 to 1", "Probability of so large a change where nothing changed"),
    Column("q", "number", "0 to 1", "The same after control of the false-discovery rate"),
    Column("significant", "true/false", "", "Whether the change is significant after that control"),
    Column("invariant", "true/false", "", "Whether the place was taken as one that did not change"),
    FOOTPRINT,
)  # fmt: skip

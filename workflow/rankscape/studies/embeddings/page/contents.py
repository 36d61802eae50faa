"""The sections of the page of embeddings, and what each reads."""

from rankscape.products.report.section_registry import PageSection, Read

_FOLDER = "rankscape.studies.embeddings.page"
_PAGE = f"{_FOLDER}.sections"
_INFERENCE = "rankscape.studies.embeddings.page.inference"
_TASKS = Read("embeddings/labels/{task}.json", "tasks")
_RESULTS = Read("embeddings/downstream/{task}/{features}.json", "results")
_PREDICTIONS = Read("embeddings/downstream/{task}/{features}.parquet", "results")
_UNITS = Read("embeddings/units/{units}.json", "units")
_REGRESSIONS = Read("embeddings/inference/{regression}.json", "regressions")
_LABELS = Read("embeddings/labels/{task}.parquet", "tasks")
_CURVES = Read("embeddings/curves/{task}/{features}.json", "curves")
_MAPS = Read("embeddings/maps/{mapped}/{granule}.parquet", "maps")
_SAMPLES = (
    Read("samples/{acquisition}/{granule}.npy", "shown"),
    Read("samples/{acquisition}/{granule}.parquet", "shown"),
)
_CONTRASTS = Read("embeddings/contrasts/{task}.json", "tasks")

SECTIONS = (
    PageSection("figures", "Key figures", f"{_PAGE}:overview", (_TASKS, _RESULTS), "overview"),
    PageSection("verdicts", "What the splits say", f"{_PAGE}:draw_verdicts", (_TASKS, _RESULTS), "first"),
    PageSection(
        "map", "Maps of predictions and residuals", f"{_FOLDER}.task_map:draw_map",
        (*_SAMPLES, _TASKS, _RESULTS, _PREDICTIONS, _MAPS), "open",
    ),
    PageSection(
        "table", "What predicts what", f"{_PAGE}:draw_table", (_TASKS, _RESULTS), "open",
        lead="R² of ridge regression, the share of a label's variance that is predicted: 1 is perfect, 0 no better "
        "than the mean, below 0 worse. Every place is predicted by a model that has not seen its fold.",
    ),
    PageSection(
        "scatter", "Predictions and labels", f"{_PAGE}:draw_scatter", (_TASKS, _RESULTS, _PREDICTIONS), "open",
        lead="Each task from the features that predict it best in blocks of land that were held out.",
    ),
    PageSection(
        "distance", "How far predictions carry", f"{_PAGE}:draw_distance", (_TASKS, _RESULTS), "open",
        lead="One colour of a checkerboard is predicted from the other. The wider its squares, the farther away is "
        "what was learned from.",
    ),
    PageSection(
        "learning", "How many labels and features", f"{_FOLDER}.label_plots:draw_learning", (_TASKS, _CURVES), "open",
        lead="Blocks of land that were held out, predicted from samples of the labels, from samples of the features, "
        "and with one penalty alone. Where a curve still rises at its end, more labels, or features, would help.",
    ),
    PageSection(
        "correlations", "How labels go together", f"{_FOLDER}.label_plots:draw_correlations", (_TASKS, _LABELS),
        lead="Labels that go together are told together: what predicts one may do so by way of another.",
    ),
    PageSection(
        "decisions", "Who would be reached", f"{_PAGE}:draw_decisions", (_TASKS, _RESULTS),
        lead="A programme reaches as many places as it has money for, those with the lowest predictions first. Shown "
        "is the share of the places with the lowest labels that it reaches. Without any knowledge it reaches "
        "as many as its share.",
    ),
    PageSection(
        "differences", "Differences of features", f"{_PAGE}:draw_differences", (_TASKS, _CONTRASTS),
        lead="Difference of R² on the same places, with an interval from resampled blocks of land. An interval without "
        "0 says that the difference is more than chance.",
    ),
    PageSection(
        "intervals", "How sure a prediction is", f"{_INFERENCE}:draw_intervals", (_TASKS, _RESULTS),
        lead="Half-width of the interval around every prediction (split conformal), in the unit of the label, and the "
        "share of labels that lie in such intervals, each calibrated on other blocks of land than its own. A share far "
        "below the confidence asked for says that some land is predicted worse than the rest.",
    ),
    PageSection(
        "units", "What embeddings add to data of units", f"{_INFERENCE}:draw_units", (_UNITS,),
        lead="R² of ridge regression from features of units (units), from the embedding of their place, from both (+), "
        "and from both where the embedding predicts the coefficients of the features (*). Inside: other units of known "
        "groups, which an embedding can also tell apart as a name tag would. Outside: whole groups held out. Years: "
        "whole years held out. Penalties are chosen by holding out whole groups; intervals resample groups.",
    ),
    PageSection(
        "regressions", "Regressions of predicted labels", f"{_INFERENCE}:draw_regressions", (_REGRESSIONS,),
        lead="Coefficients where predictions are taken for labels, from labelled places alone, and from predictions "
        "that the labelled places correct (prediction-powered inference). Intervals of the first leave the errors of "
        "predictions out. Errors are clustered by blocks of land.",
    ),
    PageSection("labels", "The labels", f"{_PAGE}:draw_labels", (_TASKS,)),
)  # fmt: skip

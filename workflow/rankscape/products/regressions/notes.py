"""What a reader must know of a table of regressions, in sentences filled with its numbers."""

from collections.abc import Sequence

from rankscape.products.regressions.regression import Fit
from rankscape.products.regressions.settings import RegressionSettings

FEW_CLUSTERS = 40
"""With fewer clusters, clustered errors tend to be too small (Cameron, Gelbach and Miller 2008 call 5 to 30 few)."""
_CLEAR = 0.05


def notes_on(settings: RegressionSettings, fits: Sequence[Fit]) -> list[str]:
    """Say how coefficients and errors were computed, and what stands against them.

    Args:
        settings: The regression.
        fits: Its models.

    Returns:
        Sentences, in the order in which they stand below a table.
    """
    notes = [_how(settings, fits)]
    dropped = max(one.dropped for one in fits)
    if dropped:
        notes.append(f"Up to {dropped:,} places lack a number or a group and are left out.")
    few = [one.clusters for one in fits if one.clusters is not None and one.clusters < FEW_CLUSTERS]
    if few:
        notes.append(f"With {min(few)} clusters, clustered errors tend to be too small: read the stars with care.")
    checks = [one.spatial for one in fits if one.spatial is not None]
    if not checks:
        notes.append("Places have no coordinates, so that nothing is said of spatial correlation.")
    elif any(check.p < _CLEAR for check in checks):
        largest = max(check.moran for check in checks)
        notes.append(
            f"Residuals of the {checks[0].neighbours} nearest places are alike (Moran's I up to {largest:.2f}): errors "
            "that take places for unrelated would be too small."
        )
    if settings.conley_m is not None and checks:
        notes.append(f"In brackets errors that allow for correlation up to {settings.conley_m / 1000:g} km (Conley).")
    return notes


def _how(settings: RegressionSettings, fits: Sequence[Fit]) -> str:
    parts = ["Ordinary least squares" if settings.weights is None else f"Least squares weighted by {settings.weights}"]
    if settings.fixed_effects is not None:
        parts.append(f"with an intercept for each {settings.fixed_effects}")
    hidden = [term.name for term in settings.explanatory if not term.shown]
    if hidden:
        parts.append(f"and, not shown, {', '.join(hidden)}")
    if settings.cluster is None:
        errors = "robust to heteroscedasticity (HC1)"
    else:
        factor = fits[0].correction
        errors = f"clustered by {settings.cluster} (small-sample factor G/(G-1) x (n-1)/(n-k) = {factor:.4f})"
    return f"{' '.join(parts)}; errors in parentheses are {errors}."

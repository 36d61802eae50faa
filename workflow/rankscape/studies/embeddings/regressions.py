"""A task's regression on disk, and its application to patches; light, since a job a granule needs no more."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors
import safetensors.numpy
from pydantic import ValidationError

from rankscape.foundation.errors import TableError, WeightsError
from rankscape.foundation.files import read_array, write_bytes
from rankscape.foundation.provenance import KEY
from rankscape.studies.embeddings.artifacts import REGRESSION_RECORD, RESIDUALS, RegressionKeys

_BACK: dict[str, Callable[[np.ndarray], np.ndarray]] = {"none": np.asarray, "log": np.exp, "log1p": np.expm1}
"""Undo the transform of labels."""
_WEIGHTS = "weights"


@dataclass(frozen=True)
class KeptRegression:
    """A linear model of a task, and what is known of it."""

    weights: np.ndarray
    """Of every feature, float64, shape (d,)."""
    about: RegressionKeys

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict from features of shape (n, d); float64, NaN where a feature is."""
        return np.asarray(features.astype(np.float64) @ self.weights + self.about.intercept)

    def values(self, labels: np.ndarray) -> np.ndarray:
        """Return labels as values of the reference: their logarithm undone."""
        return np.asarray(_BACK[self.about.transform](labels))


def save_regression(path: Path, fitted: tuple[np.ndarray, dict[str, Any]], table: pd.DataFrame, record: Any) -> None:
    """Write a regression, its record and its residuals, all of one name."""
    weights, about = fitted
    text = json.dumps({**about, "provenance": record}, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, safetensors.numpy.save({_WEIGHTS: weights}, metadata={KEY: text}))
    RESIDUALS.write(path.with_suffix(".parquet"), table, record)
    REGRESSION_RECORD.write(path.with_suffix(".json"), about, record)


def load_regression(path: Path) -> KeptRegression:
    """Read a regression.

    Raises:
        WeightsError: If the file is none.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as handle:
            weights, text = handle.get_tensor(_WEIGHTS), (handle.metadata() or {})[KEY]
        return KeptRegression(weights, RegressionKeys.model_validate_json(text))
    except FileNotFoundError:
        raise WeightsError(f"{path} does not exist: make it with `rankscape embeddings regress`.") from None
    except (safetensors.SafetensorError, OSError, KeyError, ValidationError) as error:
        raise WeightsError(
            f"{path} is no regression ({str(error).splitlines()[0]}): name a file that `embeddings regress` wrote."
        ) from None


def granule_features(regression: KeptRegression, files: Sequence[Path], patches: int) -> np.ndarray:
    """Features of a granule's patches as the regression takes them, float32, shape (patches, d).

    Raises:
        TableError: If an embedding is missing, or has other rows or another length.
    """
    by_name, found = {path.parent.name: path for path in files}, []
    for name, width in zip(regression.about.embeddings, regression.about.widths, strict=True):
        if name not in by_name:
            raise TableError(f"--features lacks {name}, from which {regression.about.task} is predicted.")
        array = read_array(by_name[name])
        if array.shape != (patches, width):
            raise TableError(
                f"{by_name[name]} has {array.shape[0]} rows of {array.shape[1]} numbers; {patches} patches and {width}"
                " numbers are needed: embed the granule again."
            )
        found.append(array)
    return np.hstack(found)

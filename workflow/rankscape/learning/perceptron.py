"""Multi-layer perceptrons from features to one label: what a curved function predicts, beside ridge regression."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from sklearn.neural_network import MLPRegressor

from rankscape.foundation.errors import TableError

_WIDTH = 64
"""Units of each layer between."""
_EPOCHS, _PATIENCE = 60, 10
"""Most epochs, and epochs without a smaller error after which no more are tried."""
_DECAY = 1.0
"""Weight decay; scikit-learn's 1e-4 lets a network follow the noise of hundreds of features within a few epochs."""
_RATE = 5e-3
_SEED = 0


def predict_folds(
    features: np.ndarray, labels: np.ndarray, folds: np.ndarray, layers: int, held: Sequence[Sequence[int]] = ()
) -> tuple[np.ndarray, dict[int, int]]:
    """Predict every row by networks that have not seen its fold.

    The number of epochs is found inside the training rows: one of their folds is held out, so that places or blocks are
    never split, and the epoch of its smallest error is taken. A network is then trained for as long on all of them.
    Where no epoch does better than the mean label, that is predicted. Features and labels are brought to mean 0 and
    deviation 1 by the training rows.

    Args:
        features: Shape (n, d), finite.
        labels: Finite numbers, shape (n,).
        folds: Fold of each row, shape (n,); two at least beside those held out together.
        layers: Layers with weights, 2 or more.
        held: Folds that are held out together. None hold out each fold alone.

    Returns:
        Predictions, float64, shape (n,), and the epochs of the network that predicted each fold.

    Raises:
        TableError: If there are fewer than two folds to train on, or a feature is not finite.
    """
    if not np.isfinite(features).all():
        raise TableError("A network needs finite features: leave out patches that are not usable.")
    predicted, epochs = np.empty(len(labels)), dict[int, int]()
    for part in held or [[fold] for fold in np.unique(folds).tolist()]:
        out = np.isin(folds, part)
        others = np.unique(folds[~out])
        if len(others) < 2:
            raise TableError(f"Labels lie in {len(others)} folds beside those held out; a network needs two.")
        inner = ~out & (folds == others[len(epochs) % len(others)])
        count = _best_epoch(features, labels, ~out & ~inner, inner, layers)
        predicted[out] = labels[~out].mean()
        if count:
            network = next(islice(_epochs(features, labels, ~out, layers), count - 1, None))
            predicted[out] = network(features[out])
        epochs |= dict.fromkeys((int(fold) for fold in part), count)
    return predicted, epochs


class _Network:
    """A network between standardised features and labels."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, layers: int) -> None:
        self.centre, deviation = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
        self.scale = np.where(deviation > 1e-6 * np.abs(self.centre) + 1e-300, deviation, np.inf)
        self.mean, self.deviation = float(labels.mean()), float(labels.std()) or 1.0
        self.network = MLPRegressor(
            hidden_layer_sizes=[_WIDTH] * (layers - 1),
            alpha=_DECAY,
            random_state=_SEED,
            batch_size=min(64, len(labels)),
        )

    def scaled(self, features: np.ndarray) -> np.ndarray:
        return np.asarray((features - self.centre) / self.scale)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return np.asarray(self.network.predict(self.scaled(features)) * self.deviation + self.mean)


def _epochs(features: np.ndarray, labels: np.ndarray, rows: np.ndarray, layers: int) -> Iterator[_Network]:
    """Train on some rows and yield the network after every epoch."""
    found = _Network(features[rows], labels[rows], layers)
    x, y = found.scaled(features[rows]), (labels[rows] - found.mean) / found.deviation
    while True:
        found.network.partial_fit(x, y)
        yield found


def _best_epoch(features: np.ndarray, labels: np.ndarray, rows: np.ndarray, held: np.ndarray, layers: int) -> int:
    best, smallest = 0, float(((labels[rows].mean() - labels[held]) ** 2).mean())
    for epoch, network in enumerate(islice(_epochs(features, labels, rows, layers), _EPOCHS), 1):
        error = float(((network(features[held]) - labels[held]) ** 2).mean())
        if error < smallest:
            best, smallest = epoch, error
        elif epoch - best >= _PATIENCE:
            break
    return best

"""Weights of others' files: tensors are read, and a pickle's code is never run."""

import pickle

import pytest
import torch
from rankscape.foundation.errors import WeightsError
from rankscape.models.backbones import create_backbone
from rankscape.models.weights import read_weights


class Harmful:
    """What would run code when it is unpickled."""

    def __reduce__(self):
        return (print, ("this must not be printed",))


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state, "epoch": 3}])
def test_a_pickle_of_tensors_is_read(tmp_path, wrap):
    state = create_backbone("tile2vec-8-w2", "random", 3, 1).state_dict()
    torch.save(wrap(state), tmp_path / "weights.pt")
    found = create_backbone("tile2vec-8-w2", str(tmp_path / "weights.pt"), 3, 0).state_dict()
    assert all(torch.equal(found[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda path: torch.save({"a": Harmful()}, path), "a pickle with more than tensors"),
        (lambda path: path.write_bytes(pickle.dumps({"a": Harmful()})), "a pickle with more than tensors"),
        (lambda path: torch.save([1, 2], path), "holds no tensors by name"),
        (lambda path: torch.save({"a": 1}, path), "holds no tensors by name"),
        (lambda path: path.write_bytes(b""), "weights.pth"),
        (lambda path: path.write_bytes(b"no pickle at all"), "weights.pth"),
        (lambda path: None, "does not exist"),
    ],
)
def test_other_pickles_are_refused_in_one_line(tmp_path, capsys, content, message):
    content(tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=message) as error:
        read_weights(tmp_path / "weights.pth")
    assert "\n" not in str(error.value)
    assert "printed" not in capsys.readouterr().out


def test_weights_of_other_shapes_are_refused(tmp_path):
    torch.save(create_backbone("tile2vec-8-w2", "random", 3, 1).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=r"with 4 channels: .* of another shape 1 \(conv1.weight\)"):
        create_backbone("tile2vec-8-w2", str(tmp_path / "weights.pt"), 4, 0)
    with pytest.raises(WeightsError, match="of another shape"):
        create_backbone("tile2vec-8-w4", str(tmp_path / "weights.pt"), 3, 0)

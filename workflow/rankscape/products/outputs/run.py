"""A finished run as it lies on disk: which granules and results it has, and whether all their files are there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from rankscape.foundation.errors import InputError, brief_list
from rankscape.products.outputs.contents import KINDS, Kind

_NAMES_SHOWN = 3
_READ = (
    "tiles/{granule}.parquet", "scores/{granule}.parquet", "evaluation/references/{reference}/{granule}.parquet",
    "evaluation/baselines/{granule}.parquet", "baselines/{baseline}/scores/{granule}.parquet",
)  # fmt: skip
"""Tables that are brought together in one of all patches."""


@dataclass(frozen=True)
class Run:
    """The folder of a region, and what stands in it."""

    root: Path
    """`results/<region>`."""
    region: str
    """Name of the region."""
    granules: Sequence[str]
    """Granules with coordinates."""
    apply: Sequence[str] = ()
    """Those of them of role `apply`."""
    dense: bool = False
    """Whether finer maps were made."""
    references: Sequence[str] = ()
    rivals: Sequence[str] = ()
    """Baseline runs."""
    districts: Sequence[str] = ()
    changes: Sequence[str] = ()
    """Pairs of periods, `{before}--{after}`."""
    regressions: Sequence[str] = ()

    def path(self, pattern: str, **names: str) -> Path:
        """Return the path of a file by its pattern and names."""
        return self.root / pattern.format(**names)

    def files(self, kind: Kind) -> Iterator[tuple[Mapping[str, str], Path]]:
        """Yield the names and path of every file of a kind that this run should have."""
        if kind.optional and not self.dense:
            return
        known = {
            "granule": self.granules, "reference": self.references, "districts": self.districts,
            "change": self.changes, "regression": self.regressions, "baseline": self.rivals,
        }  # fmt: skip
        for values in product(*(known.get(name, ()) for name in kind.wildcards)):
            names = dict(zip(kind.wildcards, values, strict=True))
            yield names, self.root / kind.fill(names)

    def shown(self, where: str) -> list[tuple[Kind, Mapping[str, str], Path]]:
        """Return the files that the catalogue shows in one place."""
        return [(kind, names, path) for kind in KINDS if kind.shown == where for names, path in self.files(kind)]

    def check(self) -> None:
        """Hold the folder against what a run must have.

        Raises:
            InputError: If files are missing: how many, which, and what makes them.
        """
        missing = [(path, kind) for kind, path in self._needed() if not path.is_file()]
        if not missing:
            return
        names = brief_list((f"{path.relative_to(self.root)} (`{kind.verb}`)" for path, kind in missing), _NAMES_SHOWN)
        raise InputError(f"{self.root} is no finished run; it lacks {names}: let the workflow finish, or make them.")

    def inputs(self) -> dict[str, Path]:
        """Return the files that a published run is made of, by their paths in its folder.

        The items beside maps stand for these: they hold their checksums.
        """
        return {path.relative_to(self.root).as_posix(): path for _, path in self._needed()}

    def _needed(self) -> list[tuple[Kind, Path]]:
        """Files that must be there: those that the catalogue shows, and those that the table of patches is made of."""
        read = [
            kind for kind in KINDS if kind.pattern in _READ and (self.references or kind.verb != "pixel-statistics")
        ]
        shown = [kind for kind in KINDS if kind.shown and kind.verb != "publish"]
        return [(kind, path) for kind in [*shown, *read] for _, path in self.files(kind)]

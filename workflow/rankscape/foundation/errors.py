"""One tree of errors: whatever Rankscape raises on purpose stands below `RankscapeError`.

The command line prints one line for these and a traceback only with `--debug`. A message says what is wrong, which
value, where it came from, and what to do.
"""

from collections.abc import Iterable


class RankscapeError(Exception):
    """Something went wrong that is not the user's mistake: a server, a disk, a device."""

    exit_code = 1


class InputError(RankscapeError):
    """What the user gave cannot be used: a setting, a table, a file."""

    exit_code = 2


class SettingsError(InputError):
    """A configuration key or value is wrong."""


class GranuleTableError(InputError):
    """A granule table is wrong."""


class GranuleError(InputError):
    """A granule id is no MGRS granule, or the catalogue has none of that id."""


class RasterError(InputError):
    """A raster cannot be read, or has another shape, CRS, band count or type than its use needs."""


class TableError(InputError):
    """A table lacks a column, or holds a value that its use does not allow."""


class OrderError(InputError):
    """A partial order contradicts itself or names clusters that do not exist."""


class PromptError(InputError):
    """A prompt file is missing or empty."""


class SecretError(InputError):
    """An environment variable that must hold a key is not set."""


class WeightsError(InputError):
    """Network weights cannot be had, or belong to another architecture."""


class CatalogueError(RankscapeError):
    """A STAC catalogue did not answer, or answered something that is no STAC."""


class NamedCatalogueError(CatalogueError, InputError):
    """What the settings name is no catalogue: a file that is missing or broken, a collection that an API lacks."""


class DownloadError(RankscapeError):
    """An asset could not be downloaded whole."""


class JudgeError(RankscapeError):
    """A judge gave too few usable replies."""


class BudgetError(JudgeError):
    """A request could cost more than what is left of a judge's budget."""


class DeviceError(RankscapeError):
    """A device or backend that was asked for is not there."""


class DiskError(RankscapeError):
    """The disk is full or cannot be written."""


def brief_list(names: Iterable[object], most: int = 12) -> str:
    """Name some things, and how many more there are."""
    given = list(map(str, names))
    more = len(given) - most
    return ", ".join(given[:most]) + (f" and {more} more" if more > 0 else "")

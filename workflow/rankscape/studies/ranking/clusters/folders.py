"""Clusters that the names of folders give: `07/town.png` lies in cluster 7.

It opens no image and imports nothing heavy: the workflow looks through folders before any job.
"""

import os
from pathlib import Path, PurePosixPath

from rankscape.foundation.errors import InputError
from rankscape.foundation.visible_files import is_passed_over
from rankscape.samples.listing import is_image


def cluster_of_folder(image: str, origin: str) -> int | None:
    """Return the cluster that the folder of an image names.

    Args:
        image: Path below the granule's folder, with `/`.
        origin: The granule or its folder, for messages.

    Returns:
        The whole number that the folder right around the image is called by; None where the image lies in the
        granule's folder itself.

    Raises:
        InputError: If that folder has another name.
    """
    folder = PurePosixPath(image).parent
    if not folder.name:
        return None
    if not (folder.name.isascii() and folder.name.isdecimal()):
        raise InputError(
            f"{origin}: the folder {folder} of {image} is no cluster number: with cluster.given `folders` a folder "
            "of images is named by a whole number, such as 07; rename it, or set cluster.given to none."
        )
    return int(folder.name)


def check_cluster_folders(folder: Path) -> None:
    """Refuse a folder whose subfolders cannot be clusters.

    Raises:
        InputError: If a folder that holds images is not named by a whole number, or one that is named so holds none.
    """
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_passed_over(name))
        inside = PurePosixPath(Path(place).relative_to(folder).as_posix())
        first = min((name for name in files if is_image(name)), default=None)
        if first is not None:
            cluster_of_folder(str(inside / first), str(folder))
        elif inside.name.isdecimal():
            raise InputError(f"{folder}: cluster folder {inside} holds no image: add some, or remove it.")

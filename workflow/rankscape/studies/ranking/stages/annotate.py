"""Let a person rank the clusters on a page in the browser.

The page is served on this machine alone, at a secret address. Work is saved with every change. A finished annotation is
an order that the workflow takes with `import-order`.
"""

import getpass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from rankscape.foundation.progress import say
from rankscape.samples.patches import open_patches
from rankscape.samples.rendering import PatchLookup
from rankscape.studies.ranking.annotation.app import create_app
from rankscape.studies.ranking.annotation.cards import read_region
from rankscape.studies.ranking.annotation.serving import HOST, listening, secret_of, serve
from rankscape.studies.ranking.annotation.session import Session, draft_of, open_session
from rankscape.studies.ranking.orders.people import check_annotator


def annotate(
    *,
    region: Annotated[str, Parameter(help="Region to annotate: a folder of results/.")],
    annotator: Annotated[
        str | None, Parameter(help="Name of the annotator, part of file names; default: your login name.")
    ] = None,
    port: Annotated[
        int, Parameter(help="Port of 127.0.0.1; 0 takes any free one.", validator=Number(gte=0, lte=65535))
    ] = 8765,
    resume: Annotated[bool, Parameter(name="--continue", help="Change an annotation that is finished.")] = False,
    results: Annotated[Path, Parameter(help="Folder of the results.")] = Path("results"),
    out: Annotated[Path | None, Parameter(help="Folder of the region's orders; default: config/orders/REGION.")] = None,
) -> None:
    """Let a person rank the clusters of a region on a page in the browser, until Ctrl-C."""
    name = check_annotator(annotator if annotator is not None else getpass.getuser(), "--annotator")
    folder = out if out is not None else Path("config/orders") / region
    with listening(port) as taken:
        found = read_region(results, region)
        with secret_of(name, folder) as token:
            session = open_session(found, name, folder, resume=resume)
            shown = (patch for card in session.annotation.cards for patch in card.patches)
            album = PatchLookup(map(open_patches, found.tiles), shown)
            placed, cards = session.annotation.placed, len(session.annotation.cards)
            say(f"Annotator {name}, region {region}: {placed} of {cards} cards placed.")
            say(f"Open http://{HOST}:{taken.getsockname()[1]}/{token}/ in a browser; Ctrl-C ends.")
            serve(create_app(session, album, token), taken)
    say(_left(session))


def _left(session: Session) -> str:
    """Say what a session leaves behind."""
    if session.annotation.finished:
        return f"The order is in {session.path}."
    earlier = f" The order of before is in {session.path}." if session.path.exists() else ""
    return f"Not finished; the draft is in {draft_of(session.path)}.{earlier}"

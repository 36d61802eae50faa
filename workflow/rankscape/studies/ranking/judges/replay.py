"""Stands in for the endpoint of a judge that does not run: the store is replayed, and nothing else is answered."""

import httpx2


def stored_only(judge: str) -> httpx2.MockTransport:
    """Return a transport that refuses every request, once and for all.

    Args:
        judge: Name of the judge, for the reason.
    """
    message = (
        f"judge {judge} is started for its interview only, and no reply to this question is stored: delete its file in "
        "ranking/interviews and run again"
    )

    def refuse(request: httpx2.Request) -> httpx2.Response:  # noqa: ARG001
        return httpx2.Response(410, json={"error": {"message": message}})

    return httpx2.MockTransport(refuse)

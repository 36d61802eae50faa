"""What a judge has answered and what it cost."""

import asyncio

from rankscape.studies.ranking.judges.completions import Completion
from rankscape.studies.ranking.judges.questions import Question, Reply, endpoint_name
from rankscape.studies.ranking.judges.store import ReplyStore
from rankscape.studies.ranking.settings.judges import JudgeSettings

_MILLION = 1_000_000


class Ledger:
    """The replies of one judge: kept in a store where there is one, and paid for."""

    def __init__(self, name: str, settings: JudgeSettings, store: ReplyStore | None) -> None:
        self._name = name
        self._settings = settings
        self._store = store
        self._own = 0.0

    def get(self, key: str) -> Reply | None:
        """Return what is kept of a question."""
        return None if self._store is None else self._store.get(key)

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return the price of so many tokens; None without prices."""
        price_in, price_out = self._settings.price_in, self._settings.price_out
        if price_in is price_out is None:
            return None
        return (prompt_tokens * (price_in or 0.0) + completion_tokens * (price_out or 0.0)) / _MILLION

    def spent(self) -> float:
        """Return what the judge has cost so far, in all processes that share the store."""
        if self._store is None:
            return self._own
        self._store.refresh()
        return self._store.spent(self._name)

    async def keep(
        self,
        key: str,
        question: Question,
        found: Completion,
        estimate: tuple[int, int],
        seconds: float,
        attempts: int,
    ) -> Reply:
        """Keep an answer as received; when this returns, it is on the disk.

        Args:
            key: Name of the question.
            question: What was asked.
            found: What came back.
            estimate: Tokens of question and answer, where the endpoint does not count: it may charge all the same.
            seconds: How long it took.
            attempts: Requests that were sent for it.

        Raises:
            DiskError: If the disk is full.
        """
        counted = (found.prompt_tokens, found.completion_tokens)
        error = f"refused: {found.refusal}" if found.refusal else None
        cost = self.cost(*(counted if any(counted) else estimate))
        reply = Reply(found.text, found.finish_reason, *counted, seconds, error, attempts, cost=cost)
        self._own += cost or 0.0
        if self._store is not None:
            asked = {
                "judge": self._name,
                "model": self._settings.model,
                "endpoint": endpoint_name(self._settings),
                "number": question.number,
                "seed": question.seed,
                "currency": self._settings.currency,
            }
            await asyncio.to_thread(self._store.put, key, asked | vars(reply) | {"body": found.body})
        return reply

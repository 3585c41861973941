"""What the gatekeeper remembers, as the bus holds it: loaded once, then changed by commits alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from services.gatekeeper.domain import restoring
from services.gatekeeper.domain import state as states
from services.gatekeeper.handler import Outcome
from shared.bus import Bus, Commit, CommitResult, Lease, StateChange, Token
from shared.contracts import StateRestored, Stream

NAME: Final = "gatekeeper"

log = structlog.get_logger()


class MovedError(Exception):
    """The state is not what it was: begin anew from what the bus holds."""


class Memory:
    """The state under one lease, and the version of it that the next commit expects."""

    def __init__(self, bus: Bus, lease: Lease) -> None:
        self._bus, self._lease = bus, lease
        self._version = 0
        self.state = states.State()

    async def load(self) -> bool:
        """Load the state; return False where the bus holds none."""
        held = await self._bus.load_state(NAME)
        self.state, self._version = states.load(held.fields), held.version
        return held.version > 0

    async def restore(self, known: StateRestored, *, now: int) -> None:
        """Put on an empty bus what Postgres knows and what is still to be told, and say so."""
        log.info("state restored", version=known.version, open_signals=len(known.open_signals))
        change = StateChange(NAME, 0, states.dump(restoring.restore(known)))
        outputs = [(Stream.ALERTS, alert) for alert in restoring.alerts(known, now=now)]
        await self._bus.commit(Commit(outputs=outputs, state=change, lease=self._lease))

    async def commit(self, outcome: Outcome, tokens: Sequence[Token], trim_before: Mapping[Stream, str]) -> None:
        """Commit *outcome* and take its state; raise `MovedError` when the bus holds another one."""
        change = StateChange(NAME, self._version, dict(states.changed(self.state, outcome.state)))
        commit = Commit(tokens, outcome.outputs, change, self._lease, trim_before)
        if await self._bus.commit(commit) is not CommitResult.COMMITTED:
            raise MovedError
        self.state, self._version = outcome.state, self._version + 1

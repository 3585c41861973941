"""A stage's state on the bus: loaded once, then changed by commits alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.bus import Bus, Commit, CommitResult, Lease, StateChange, Token
from shared.contracts import Message, Stream

State = TypeVar("State")


class StaleStateError(Exception):
    """Another holder has changed the state: load it again from the bus."""


@dataclass(frozen=True)
class StateForm(Generic[State]):
    """The encoding of a state as fields of bytes."""

    load: Callable[[Mapping[str, bytes]], State]  #: no fields give the initial state
    dump: Callable[[State], Mapping[str, bytes]]
    changed: Callable[[State, State], Mapping[str, bytes]]  #: the fields in which the second differs from the first


class StateStore(Generic[State]):
    """The state under one lease, whose name it has, and the version of it that the next commit expects."""

    def __init__(self, bus: Bus, lease: Lease, form: StateForm[State]) -> None:
        self._bus, self._lease, self._form = bus, lease, form
        self._version = 0
        self.state = form.load({})

    async def load(self) -> bool:
        """Load the state; return False where the bus holds none."""
        held = await self._bus.load_state(self._lease.name)
        self.state, self._version = self._form.load(held.fields), held.version
        return held.version > 0

    async def put(self, state: State, outputs: Sequence[tuple[Stream, Message]] = ()) -> None:
        """Put *state* on a bus that holds none, and publish *outputs*; whether that was done, `load` says."""
        change = StateChange(self._lease.name, 0, dict(self._form.dump(state)))
        await self._bus.commit(Commit(outputs=outputs, state=change, lease=self._lease))

    async def commit(
        self,
        state: State,
        outputs: Sequence[tuple[Stream, Message]],
        tokens: Sequence[Token],
        trim_before: Mapping[Stream, str] | None = None,
    ) -> None:
        """Commit and take *state*; raise `StaleStateError` when the bus holds another one than was known."""
        change = StateChange(self._lease.name, self._version, dict(self._form.changed(self.state, state)))
        commit = Commit(tokens, outputs, change, self._lease, trim_before or {})
        if await self._bus.commit(commit) is not CommitResult.COMMITTED:
            raise StaleStateError
        self.state, self._version = state, self._version + 1

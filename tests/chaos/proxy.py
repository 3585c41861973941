"""A TCP proxy before the bus, with doors for each service, that cuts connections in mid-flight."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal, Self

CHUNK: Final = 1 << 16
Cut = Literal["before the command", "before the answer", "within the answer", "silently"]
CUTS: Final[tuple[Cut, ...]] = ("before the command", "before the answer", "within the answer", "silently")


@dataclass(eq=False)
class Armed:
    """A cut that waits for its moment: the next command that contains all of *words*."""

    cut: Cut
    words: Sequence[bytes]
    struck: asyncio.Event = field(default_factory=asyncio.Event)

    def fits(self, data: bytes) -> bool:
        """Return whether *data* holds the command."""
        return all(word in data for word in self.words)


@dataclass(eq=False)
class Link:
    """One connection of a client and its counterpart to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    cut: Cut | None = None

    def abort(self) -> None:
        """Reset both sides, as a lost network would."""
        for side in (self.client, self.server):
            side.transport.abort()


class Proxy:
    """Doors to servers of one host; an async context manager.  The usual server's *port* may be set later."""

    def __init__(self, host: str, port: int = 0) -> None:
        self.host, self.port = host, port
        self._doors: dict[tuple[str, int], asyncio.Server] = {}
        self._armed: dict[str, list[Armed]] = {}
        self._links: dict[str, set[Link]] = {}

    async def door(self, name: str, port: int = 0, doors: Mapping[int, int] | None = None) -> int:
        """Return the port at which *name* finds the server at *port*; 0: the usual server.

        Where that server names ports of others, as a sentinel or a cluster's node does, their *doors* are named in its
        answers instead.
        """
        named = {} if doors is None else doors  # they may come later
        if (name, port) not in self._doors:
            self._links.setdefault(name, set())
            self._armed.setdefault(name, [])
            self._doors[name, port] = await asyncio.start_server(
                lambda reader, writer: self._serve(name, port, named, reader, writer), "127.0.0.1", 0
            )
        return int(self._doors[name, port].sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for door in self._doors.values():
            door.close()
        for name in self._links:
            self.cut_all(name)

    async def cut(self, name: str, cut: Cut, words: Sequence[bytes], seconds: float) -> bool:
        """Cut the connection by which *name* sends its next command with *words*; return whether it came in time."""
        armed = Armed(cut, words)
        self._armed[name].append(armed)
        try:
            await asyncio.wait_for(armed.struck.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            if not armed.struck.is_set():
                self._armed[name].remove(armed)
        return True

    def cut_all(self, name: str) -> int:
        """Cut every connection of *name*; return how many there were."""
        links = list(self._links[name])
        for link in links:
            link.abort()
        return len(links)

    async def _serve(
        self,
        name: str,
        port: int,
        doors: Mapping[int, int],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        try:
            from_server, to_server = await asyncio.open_connection(self.host, port or self.port)
        except OSError:  # the server is dead at this moment
            writer.transport.abort()
            return
        link = Link(writer, to_server)
        self._links[name].add(link)
        try:
            await asyncio.gather(self._commands(name, link, reader), self._answers(link, from_server, doors))
        except (OSError, EOFError):
            pass
        finally:
            link.abort()
            self._links[name].discard(link)

    async def _commands(self, name: str, link: Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(CHUNK):
            if armed := next((one for one in self._armed[name] if one.fits(data)), None):
                self._armed[name].remove(armed)
                link.cut = armed.cut
                armed.struck.set()
                if link.cut == "before the command":
                    raise EOFError
            if link.cut != "silently":
                link.server.write(data)
                await link.server.drain()
        raise EOFError

    async def _answers(self, link: Link, reader: asyncio.StreamReader, doors: Mapping[int, int]) -> None:
        while data := await reader.read(CHUNK):
            for port, door in doors.items():
                data = _renamed(data, port, door)
            if link.cut == "silently":
                continue
            if link.cut == "within the answer":
                link.client.write(data[: len(data) // 2])
                with contextlib.suppress(OSError):
                    await link.client.drain()
            if link.cut is not None:
                raise EOFError
            link.client.write(data)
            await link.client.drain()
        raise EOFError


def _renamed(answer: bytes, port: int, door: int) -> bytes:
    """Return *answer* with *door* in the place of *port*; both have five digits, so that lengths stay true."""
    return answer.replace(f"{port:05}\r\n".encode(), f"{door:05}\r\n".encode())

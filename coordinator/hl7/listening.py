"""Messages by MLLP: each connection in turn, each message answered when it is stored and done, and a graceful stop."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from coordinator.hl7.answering import ERROR
from coordinator.hl7.framing import END, START
from coordinator.hl7.message import header_of
from coordinator.hl7.receiving import Received, Site, finish_interrupted, receive
from pathway.errors import PathwayError, StoreError

log = logging.getLogger(__name__)

END_OF_MESSAGE = END + b"\r"
LARGEST = 16 * 1024 * 1024
NOT_STORED = "it could not be stored, so nothing was done: send it again"


@dataclass
class Listener:
    """`now` gives the instant at which a message came; `on_message` is told of each one after its answer."""

    site: Site
    now: Callable[[], datetime]
    on_message: Callable[[Received], None] = lambda received: None
    largest: int = LARGEST
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    # One at a time: two systems that tell of one patient are taken in the order in which they spoke.
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, host: str, port: int, on_ready: Callable[[int], None] = lambda port: None) -> None:
        """Until `stopping` is set; then what has come is finished and answered.

        What was stored and interrupted when it last ran is done first: its sender may never send it again.
        """
        await asyncio.to_thread(self._finish_interrupted)
        server = await asyncio.start_server(self._connected, host, port, limit=self.largest)
        on_ready(server.sockets[0].getsockname()[1])
        await self.stopping.wait()
        server.close()
        await asyncio.gather(*self._open, return_exceptions=True)
        await server.wait_closed()

    def _finish_interrupted(self) -> None:
        try:
            finish_interrupted(self.site, self.now())
        except StoreError as error:
            # Whoever sends meanwhile is told that nothing could be stored.
            log.warning("what was interrupted could not be finished yet: %s", error)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        peer = writer.get_extra_info("peername")
        place = f"MLLP {peer[0]}" if peer else "MLLP"
        try:
            while (block := await self._next(reader)) is not None:
                for data in _parts(block):
                    await self._answered(writer, data, place)
        except (ConnectionError, TimeoutError) as error:
            # Whoever went away without an answer sends it again, and then it is known.
            log.info("a sender went away: %s", type(error).__name__)
        finally:
            self._open.discard(task)
            writer.close()

    async def _next(self, reader: asyncio.StreamReader) -> bytes | None:
        """The next block, what is left of one that was cut off, or None when there will be no more."""
        reading = asyncio.ensure_future(self._block(reader))
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
            return None
        finally:
            reading.cancel()
            stopping.cancel()

    async def _block(self, reader: asyncio.StreamReader) -> bytes | None:
        try:
            return await reader.readuntil(END_OF_MESSAGE)
        except asyncio.IncompleteReadError as cut:
            return bytes(cut.partial) if cut.partial.strip(START + END + b"\r\n\x00 ") else None
        except asyncio.LimitOverrunError:
            # Too large to be a message of this kind: its beginning is kept, and the rest is not waited for.
            return await reader.read(self.largest)

    async def _answered(self, writer: asyncio.StreamWriter, data: bytes, place: str) -> None:
        at = self.now()
        async with self._turn:
            received = await asyncio.to_thread(self._received, data, place, at)
        writer.write(START + received.ack(at) + END_OF_MESSAGE)
        await writer.drain()
        self.on_message(received)

    def _received(self, data: bytes, place: str, at: datetime) -> Received:
        try:
            return receive(self.site, data, place, at)
        except Exception as error:
            # Not stored means not accepted, whatever the reason; the next message is tried all the same.
            said = str(error) if isinstance(error, PathwayError) else type(error).__name__
            log.warning("a message could not be stored: %s", said)
            return Received(header_of(data), ERROR, "", f"{NOT_STORED} ({said})")


def _parts(block: bytes) -> list[bytes]:
    """The message of a block; and what came before its start, where that says anything, as one of its own."""
    before, start, message = block.removesuffix(END_OF_MESSAGE).partition(START)
    if not start:
        return [before]
    return [part for part in (before, message) if part.strip()]

#!/usr/bin/env python3
"""Firefox as Playwright starts it: commands that this Firefox does not know yet are left out.

Playwright drives the system's Firefox over WebDriver BiDi, and asks each new profile for the
colours that the reader's system prefers, which Firefox 153 does not know: no profile opens. So it
starts this program in Firefox's place (tests/browser.py), and talks to Firefox through it. Where
Firefox answers that it does not know such a command, this says that it is done.
"""

import asyncio
import json
import os
import re
import sys
from asyncio import StreamReader, StreamWriter
from functools import partial

OPTIONAL = re.compile(r"emulation\.|network\.addDataCollector")  # a page runs without them
HEAD = b"\r\n\r\n"  # ends what both sides send before the first frame


async def main() -> int:
    """Start the Firefox that the variable FIREFOX names; gives its exit status."""
    firefox = await asyncio.create_subprocess_exec(
        os.environ["FIREFOX"], *sys.argv[1:], stderr=asyncio.subprocess.PIPE
    )
    assert firefox.stderr is not None
    async for line in firefox.stderr:
        listens = re.search(rb"BiDi listening on ws://127\.0\.0\.1:(\d+)", line)
        if listens:
            server = await asyncio.start_server(partial(relay, int(listens[1])), "127.0.0.1", 0)
            own = server.sockets[0].getsockname()[1]
            line = b"WebDriver BiDi listening on ws://127.0.0.1:%d\n" % own
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
    return await firefox.wait()


async def relay(port: int, reader: StreamReader, writer: StreamWriter) -> None:
    """Stand between a WebSocket client and Firefox, which listens on `port`."""
    answers, firefox = await asyncio.open_connection("127.0.0.1", port)
    head = await reader.readuntil(HEAD)
    firefox.write(re.sub(rb"(?i)\bhost: \S+", b"Host: 127.0.0.1:%d" % port, head))
    writer.write(await answers.readuntil(HEAD))
    asked = asyncio.create_task(copy(reader, firefox))
    try:
        while True:
            writer.write(await frame(answers))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        asked.cancel()
        writer.close()


async def copy(reader: StreamReader, writer: StreamWriter) -> None:
    """Hand on all that the client sends."""
    while block := await reader.read(1 << 16):
        writer.write(block)
        await writer.drain()
    writer.close()


async def frame(answers: StreamReader) -> bytes:
    """The next frame from Firefox, a WebSocket's without a mask, or what stands in for it."""
    start = await answers.readexactly(2)
    more = await answers.readexactly({126: 2, 127: 8}.get(start[1], 0))
    size = int.from_bytes(more) if more else start[1]
    body = await answers.readexactly(size)
    if b'"unknown command"' in body[:200]:
        answer = json.loads(body)
        if answer["type"] == "error" and OPTIONAL.match(answer["message"]):
            body = json.dumps({"type": "success", "id": answer["id"], "result": {}}).encode()
            return start[:1] + bytes([len(body)]) + body  # fewer than 126 bytes
    return start + more + body


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

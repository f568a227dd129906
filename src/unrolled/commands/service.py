"""The HTTP service of `unrolled serve`, on Starlette: what is asked, checked, and answered.

    POST /read    {"text": "…", "model": "lstm", "words": 0} -> the fields of `verdicts.Verdict`
    GET /health   {"status": "ok", "models": ["lstm", …]}
    GET /         a page for people

An answer that is not 200 is {"error": "a sentence"}. The time of a reading is bounded, since a
model reads 250 words at most; what is limited here is the request's size, the time that it may take
to arrive or to wait, and how many there are at once.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import resources
from typing import Any, NamedTuple, TypeVar

import anyio
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from unrolled.commands.verdicts import Reader
from unrolled.datasets import DataError

T = TypeVar("T")
FIELDS = ("text", "model", "words")
MOST_WORDS = 50  # that moved the verdict, in one answer
RETRY_AFTER = {"Retry-After": "1"}  # seconds
SAFE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
PAGE = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}


class Limits(NamedTuple):
    """body: bytes of a request; seconds: that it may take to arrive, and then to wait.

    at_once: reviews that are read at the same time; waiting: requests that may wait for that;
    connections: that may be open.
    """

    body: int = 100_000
    seconds: float = 10
    at_once: int = 2
    waiting: int = 16
    connections: int = 500


class Capacity:
    """Room for so many calls at once, and so many that wait; HTTPException 503 beyond."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.limiter = anyio.CapacityLimiter(limits.at_once)
        self.inside = 0  # calls that run or wait

    async def run(self, work: Callable[[], T]) -> T:
        """work() in a thread, as soon as one is free."""
        if self.inside >= self.limits.at_once + self.limits.waiting:
            raise HTTPException(503, "All places are taken; try again in a second.", RETRY_AFTER)
        self.inside += 1
        try:
            # What has begun is finished: the time counts for those that wait.
            with anyio.fail_after(self.limits.seconds):
                return await anyio.to_thread.run_sync(work, limiter=self.limiter)
        except TimeoutError:
            said = f"No place became free within {self.limits.seconds} seconds; try again."
            raise HTTPException(503, said, RETRY_AFTER) from None
        finally:
            self.inside -= 1


async def body(request: Request, limits: Limits) -> bytes:
    """The request's body; HTTPException 413 if it is too large, 408 if it is too slow."""
    too_large = f"The request is larger than {limits.body:,} bytes."
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limits.body:
        raise HTTPException(413, too_large)
    came = bytearray()
    try:
        with anyio.fail_after(limits.seconds):
            async for part in request.stream():
                came += part
                if len(came) > limits.body:
                    raise HTTPException(413, too_large)
    except TimeoutError:
        said = f"The request did not arrive within {limits.seconds} seconds."
        raise HTTPException(408, said, {"Connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "The request broke off.") from None
    return bytes(came)


def asked(content_type: str, content: bytes, readers: Mapping[str, Reader]) -> Callable[[], Any]:
    """What a request asks for, as a call that does it; an HTTPException says what is wrong."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        said = f"Send the Content-Type application/json, not {content_type!r:.60}."
        raise HTTPException(415, said)
    try:
        fields = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        said = f"The request is not in UTF-8: byte {error.start} is wrong."
        raise HTTPException(400, said) from None
    except (RecursionError, ValueError) as error:
        raise HTTPException(400, f"The request is not valid JSON: {error!s:.80}.") from None
    if not isinstance(fields, dict):
        raise HTTPException(422, 'Send a JSON object, such as {"text": "a wonderful film"}.')
    if unknown := [name for name in fields if name not in FIELDS]:
        said = f"There is no field {unknown[0]!r:.60}; the fields are {', '.join(FIELDS)}."
        raise HTTPException(422, said)
    text, name, words = fields.get("text"), fields.get("model", "lstm"), fields.get("words", 0)
    if not isinstance(text, str):
        raise HTTPException(422, "The field text has to be there, and has to be a string.")
    if not isinstance(name, str) or name not in readers:
        raise HTTPException(422, f"The field model has to be one of {', '.join(readers)}.")
    if isinstance(words, bool) or not isinstance(words, int) or not 0 <= words <= MOST_WORDS:
        said = f"The field words has to be a whole number from 0 to {MOST_WORDS}."
        raise HTTPException(422, said)
    return partial(readers[name].read, text, moved=words)


def failed(request: Request, error: Exception) -> Response:
    """An error as JSON: one sentence."""
    if not isinstance(error, HTTPException):
        return answer({"error": "Something went wrong here; the server's log says what."}, 500)
    said = error.detail
    if error.status_code == 404:
        said = f"There is nothing at {request.url.path!r:.80}; send reviews to /read."
    elif error.status_code == 405:
        allowed = (error.headers or {})["Allow"]
        said = f"{request.method} is not possible at {request.url.path}; use {allowed}."
    return answer({"error": said}, error.status_code, error.headers)


def answer(
    content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON, with the headers that keep browsers from guessing."""
    return JSONResponse(content, status, {**SAFE, **(headers or {})})


class KnownHosts:
    """Refuses, with a sentence, a request that calls this server by none of the names."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "*" in self.hosts:
            await self.app(scope, receive, send)
            return
        called = Headers(scope=scope).get("host", "")
        name = re.sub(r":\d*$", "", called).lower()  # without the port
        if name in self.hosts:
            await self.app(scope, receive, send)
            return
        said = f"The request's Host is {called!r:.60}; expected {' or '.join(self.hosts)}."
        await answer({"error": said}, 400)(scope, receive, send)


def service(
    readers: Mapping[str, Reader], limits: Limits | None = None, hosts: Sequence[str] = ("*",)
) -> Starlette:
    """The application: readers by name; hosts: the names by which requests may call this server.

    With the loopback names alone, a page of another site that has its own name point here (DNS
    rebinding) is refused. `state.capacity` of the application is its Capacity.
    """
    bounds = limits or Limits()
    capacity = Capacity(bounds)

    async def read(request: Request) -> Response:
        content = await body(request, bounds)
        work = asked(request.headers.get("content-type", ""), content, readers)
        try:
            verdict = await capacity.run(work)
        except DataError:
            raise HTTPException(422, "The field text holds no word.") from None
        return answer(verdict.as_json())

    async def health(request: Request) -> Response:
        return answer({"status": "ok", "models": list(readers)})

    async def page(request: Request) -> Response:
        name, media_type = PAGE[request.url.path]
        content = resources.files("unrolled.commands").joinpath("page", name).read_bytes()
        return Response(content, media_type=media_type, headers=SAFE)

    app = Starlette(
        routes=[
            Route("/read", read, methods=["POST"]),
            Route("/health", health),
            *(Route(path, page) for path in PAGE),
        ],
        middleware=[Middleware(KnownHosts, hosts=hosts)],
        exception_handlers={HTTPException: failed, Exception: failed},
    )
    app.state.capacity = capacity
    return app

"""Start a local HTTP service that reads film reviews: a page for people, JSON for programs.

    curl -H 'Content-Type: application/json' -d '{"text": "a wonderful film"}' \\
        http://127.0.0.1:8000/read

The answer has the fields of `unrolled read --json`. The service listens on the loopback address
alone unless --host says otherwise; it knows no users and no passwords. A request for which it has
no room is refused at once, with status 503 and Retry-After. After Ctrl-C or SIGTERM it finishes
the requests that it is answering, and ends.
"""

import argparse
import errno
import os
import signal
import socket
import sys

from unrolled.commands.read import count
from unrolled.commands.verdicts import MODELS, load_reader
from unrolled.extras import need

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HERE = ("127.0.0.1", "localhost", "[::1]")  # as a request names them
ENDING = 30  # seconds that requests which are being answered have, once a signal has come
WARM_UP = "a film"  # read before the first request, so that compiled loops are loaded


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `unrolled serve`."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; default: %(default)s"
    )
    parser.add_argument(
        "--port",
        type=port,
        default=8000,
        help="port to listen on; 0: any free one; default: %(default)s",
    )
    parser.add_argument(
        "--at-once",
        type=positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="read N reviews at the same time; default: one for each core",
    )
    parser.add_argument(
        "--waiting",
        type=count,
        default=16,
        metavar="N",
        help="let N more requests wait; default: %(default)s",
    )
    parser.add_argument(
        "--body",
        type=positive,
        default=100_000,
        metavar="BYTES",
        help="largest body of a request; default: %(default)s",
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        default=10,
        help="how long a request's body may take to arrive, and then the request may wait; "
        "default: %(default)s",
    )


def positive(text: str) -> int:
    """A whole number above 0; ArgumentTypeError for another text."""
    number = count(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, came {text!r}")
    return number


def port(text: str) -> int:
    """A port's number, 0 to 65535; ArgumentTypeError for another text."""
    number = count(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, came {text!r}")
    return number


def listening(host: str, number: int) -> socket.socket:
    """A socket that listens there; OSError, with the address, if it cannot.

    Its connections inherit TCP_NODELAY. Without it the second packet of an answer, the JSON behind
    the headers, waits 40 ms for the client's delayed acknowledgement of the first.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, number), family=family)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while")[0]  # the address stands before it
        if error.errno == errno.EADDRINUSE:
            why += "; --port 0 takes any free one"
        raise OSError(f"cannot listen on {host}, port {number}: {why}.") from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def run(options: argparse.Namespace) -> None:
    """Listen, load the models, and answer until a signal comes.

    ModuleNotFoundError, naming the extra, without Starlette and uvicorn.
    """
    need("starlette", "serve")
    uvicorn = need("uvicorn", "serve")
    from unrolled.commands.service import Limits, service

    limits = Limits(options.body, options.seconds, options.at_once, options.waiting)
    local = options.host in LOOPBACK
    with listening(options.host, options.port) as server:  # first: it may be refused
        readers = {name: load_reader(name) for name in MODELS}
        for reader in readers.values():
            reader.read(WARM_UP, moved=1)
        config = uvicorn.Config(
            service(readers, limits, hosts=HERE if local else ("*",)),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,  # uvicorn's own would close the log handlers of this process
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=ENDING,
        )
        number = server.getsockname()[1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        print(f"Unrolled reads reviews on http://{host}:{number} (Ctrl-C stops it).", flush=True)
        if not local:
            said = "Anyone who can reach this address can use the service."
            print(f"unrolled serve: {said}", file=sys.stderr, flush=True)
        until_a_signal(uvicorn.Server(config), server)


def until_a_signal(server: object, listener: socket.socket) -> None:
    """Answer requests until SIGINT or SIGTERM; then finish those that are being answered.

    uvicorn raises the signal again when it has shut down, which is then no longer of use: the
    process ends with status 0.
    """
    kept = {number: signal.signal(number, done) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listener])  # type: ignore[attr-defined]
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def done(number: int, frame: object) -> None:
    """What a signal does once the service has ended: nothing."""

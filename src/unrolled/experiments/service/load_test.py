"""What the service of `unrolled serve` bears: requests per second, latency, and beyond capacity.

The real server runs as a process of its own on the loopback address. Clients, threads of this
process, each keep one connection and send the next review as soon as the last one is answered. So
this is a closed loop: it measures how long an answer takes under so many clients, not what happens
if requests come whether or not the last ones were answered. Clients and server share the machine's
processors: `load_average` says how much ran on them, at the start and at the end, where the system
tells it. Every answer is compared with that of the library.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unrolled import datasets, load_model
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.record import Runs, data_entry
from unrolled.extras import progress

NAMED_BY = ()
RUNS: Runs = (({}, (0,)),)
HOST = "127.0.0.1"  # never another machine
NUM_WORDS, READ = 10_000, 250  # words that the model knows; ids that it reads, the last ones
PERCENTILES = (50, 90, 99)
EXPLAINED = 8  # words, where an answer explains itself
PATIENCE = 60  # seconds that a client waits for an answer


@dataclass(frozen=True)
class Settings:
    """The service's places, and what is sent; the seed draws the reviews."""

    seed: int = field(default=0, metadata={"help": "seed of the reviews"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    reviews: int = field(default=50, metadata={"help": "reviews to send"})
    at_once: int = field(default=2, metadata={"help": "reviews that the service reads at once"})
    waiting: int = field(default=8, metadata={"help": "requests that may wait"})
    clients: int = field(default=8, metadata={"help": "clients within capacity, at most"})
    beyond: int = field(default=32, metadata={"help": "clients beyond capacity"})
    seconds: float = field(default=6.0, metadata={"help": "that each number of clients sends"})
    requests: int = field(default=2000, metadata={"help": "of each number of clients, at most"})


class Answer(NamedTuple):
    """One request: which review, when it was sent and answered, in seconds, and the answer."""

    review: int
    sent: float
    answered: float
    status: int
    retry_after: bool
    probability: float | None


@contextmanager
def served(settings: Settings) -> Iterator[int]:
    """The server as a process on a free port; yields the port.

    RuntimeError if it does not start, or does not end well.
    """
    command = [sys.executable, "-m", "unrolled", "serve", "--host", HOST, "--port", "0"]
    command += ["--at-once", str(settings.at_once), "--waiting", str(settings.waiting)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        found = re.search(r":(\d+) ", line)
        if found is None:
            raise RuntimeError(f"the service did not start: {line!r}")
        yield int(found[1])
        process.send_signal(signal.SIGTERM)
        if status := process.wait(PATIENCE):
            raise RuntimeError(f"the service ended with {status}")
    finally:
        process.kill()
        process.wait()


def bodies(texts: list[str], words: int = 0) -> list[bytes]:
    """The requests: one for each text."""
    return [json.dumps({"text": text, "words": words}).encode() for text in texts]


def ask(connection: http.client.HTTPConnection, body: bytes, review: int) -> Answer:
    """Send one request and wait for its answer."""
    sent = time.perf_counter()
    connection.request("POST", "/read", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = json.loads(response.read())
    answered = time.perf_counter()
    retry_after = response.headers.get("Retry-After") is not None
    return Answer(review, sent, answered, response.status, retry_after, content.get("probability"))


def asked(port: int, requests: list[bytes], clients: int, settings: Settings) -> list[Answer]:
    """What so many clients are answered, for `seconds`, or until `requests` are sent."""
    answers: list[list[Answer]] = [[] for _ in range(clients)]
    ready = threading.Barrier(clients)
    each = max(1, settings.requests // clients)

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
        ready.wait()
        end = time.perf_counter() + settings.seconds
        for k in range(each):
            if k and time.perf_counter() > end:
                break
            review = (number + k * clients) % len(requests)
            answers[number].append(ask(connection, requests[review], review))
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answer for some in answers for answer in some]


def milliseconds(answers: list[Answer]) -> list[float]:
    """The percentiles of the time from request to answer; none of no answers."""
    times = [1000 * (answer.answered - answer.sent) for answer in answers]
    return [round(float(value), 3) for value in np.percentile(times, PERCENTILES)] if times else []


def summary(answers: list[Answer], expected: list[float]) -> dict[str, Any]:
    """Counts by status, answers per second, latency, and how far answers are from expected."""
    read = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 503]
    span = max(a.answered for a in answers) - min(a.sent for a in answers)
    far = [abs((a.probability or 0) - expected[a.review]) for a in read]
    return {
        "statuses": {str(status): n for status, n in Counter(a.status for a in answers).items()},
        "read_per_second": round(len(read) / span, 2),
        "milliseconds": milliseconds(read),
        "milliseconds_refused": milliseconds(refused),
        "refused_with_retry_after": sum(answer.retry_after for answer in refused),
        "largest_difference": float(max(far, default=0)),
    }


def load_average() -> float | None:
    """How many processes ran or waited for a processor, the mean of a minute; None on Windows."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Measure the library alone, then the service with more and more clients."""
    clock = Clock()
    busy = [load_average()]
    (x, _), _ = datasets.load_data(NUM_WORDS, settings.data)
    index = datasets.get_word_index(settings.data)
    rows = np.random.default_rng(settings.seed).permutation(len(x))[: settings.reviews]
    texts = [datasets.decode(x[row][1:], index) for row in rows]
    model = load_model("lstm")
    ids = [np.array(x[row][-READ:]) for row in rows]
    model.predict(ids[:1])  # compiled loops are loaded
    expected, alone = [], []
    for some in ids:
        start = time.perf_counter()
        expected.append(float(model.predict([some])[0, 0]))
        alone.append(1000 * (time.perf_counter() - start))
    clients = [n for n in (1, 2, 4, 8, 16) if n <= settings.clients]
    levels: dict[str, Any] = {}
    with served(settings) as port:
        plain, explained = bodies(texts), bodies(texts, EXPLAINED)
        todo = [(str(n), n, plain) for n in clients]
        todo += [("1, explained", 1, explained), ("beyond", settings.beyond, plain)]
        for name, n, requests in progress(todo, "clients"):
            levels[name] = {
                "clients": n,
                **summary(asked(port, requests, n, settings), expected),
            }
    clock.lap("all")
    busy.append(load_average())
    return {
        "data": data_entry(settings.data),
        "seconds": clock.seconds,
        "curves": {},
        "figures": {
            "load_average": busy,
            "percentiles": list(PERCENTILES),
            "library_milliseconds": [
                round(float(value), 3) for value in np.percentile(alone, PERCENTILES)
            ],
            "words": [len(x[row]) - 1 for row in rows],
            "levels": levels,
        },
    }

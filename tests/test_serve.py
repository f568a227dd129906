"""The service of `unrolled serve`: its answers, its refusals, its limits, and how it ends."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest
from starlette.testclient import TestClient

from unrolled.commands import main, serve, verdicts
from unrolled.commands.service import PAGE, Limits, service

HERE = "http://127.0.0.1"


@pytest.fixture(scope="module")
def readers():
    return {name: verdicts.load_reader(name) for name in verdicts.MODELS}


@pytest.fixture(scope="module")
def client(readers):
    app = service(readers, Limits(body=2000), hosts=serve.HERE)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        yield client


def error(response):
    """The one sentence of an answer that is an error."""
    assert list(response.json()) == ["error"]
    said = response.json()["error"]
    assert said[0].isupper() or said.startswith("GET")
    assert said.endswith(".")
    return said


@pytest.mark.parametrize("name", verdicts.MODELS)
def test_the_answer_is_that_of_the_command(client, readers, name):
    text = "Not a bad film, but “naïve”."
    response = client.post("/read", json={"text": text, "model": name, "words": 3})
    assert response.status_code == 200
    expected = json.loads(json.dumps(readers[name].read(text, moved=3).as_json()))
    assert response.json() == expected
    assert len(expected["moved"]) == 3


def test_the_lstm_reads_and_words_cost_nothing_unless_asked_for(client):
    found = client.post("/read", json={"text": "wonderful"}).json()
    assert (found["model"], found["verdict"], found["moved"]) == ("lstm", "positive", [])


def posted(client, content, content_type="application/json"):
    return client.post("/read", content=content, headers={"Content-Type": content_type})


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b'{"text": ', 400),
        (b"\xff\xfe", 400),
        (b"[" * 1900, 400),
        (b'{"text": "good", "words": ' + b"1" * 1800 + b"}", 422),
        (b'"good"', 422),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"text": 5}', 422),
        (b'{"text": null}', 422),
        (b'{"text": ["good"]}', 422),
        (b'{"text": ""}', 422),
        (b'{"text": " ?! "}', 422),
        (b'{"text": "good", "model": "best"}', 422),
        (b'{"text": "good", "model": ["lstm"]}', 422),
        (b'{"text": "good", "model": "\\ud800"}', 422),
        (b'{"text": "good", "words": -1}', 422),
        (b'{"text": "good", "words": 51}', 422),
        (b'{"text": "good", "words": true}', 422),
        (b'{"text": "good", "words": 1.5}', 422),
        (b'{"text": "good", "words": NaN}', 422),
        (b'{"text": "good", "txet": 1}', 422),
        (b'{"text": "' + b"x" * 2000 + b'"}', 413),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else str(value),
)
def test_what_cannot_be_read_is_refused_with_a_sentence(client, content, status):
    response = posted(client, content)
    assert response.status_code == status
    error(response)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_refused(client, kind):
    response = posted(client, b'{"text": "good"}', kind)
    assert response.status_code == 415
    error(response)


def test_a_content_type_may_name_its_charset(client):
    assert posted(client, b'{"text": "good"}', "application/JSON; charset=utf-8").is_success


def test_strange_letters_are_read(client):
    assert posted(client, b'{"text": "good \\ud800 \\u0000"}').is_success


def test_a_body_without_a_length_is_limited_too(client):
    def parts():
        for _ in range(5):
            yield b" " * 500

    response = client.post("/read", content=parts(), headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    error(response)


@pytest.mark.parametrize("path", ["/nothing", "/read/", "/../models/lstm.npz"])
def test_another_path_is_not_there(client, path):
    response = client.get(path, follow_redirects=True)
    assert response.status_code in (404, 405)
    error(response)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_refused(client, method):
    response = client.request(method, "/read")
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    error(response)


def test_another_name_for_this_server_is_refused(client, readers):
    response = client.get("/health", headers={"Host": "example.org"})
    assert response.status_code == 400
    for host in ("localhost:8000", "127.0.0.1:1", "[::1]:8000"):
        assert client.get("/health", headers={"Host": host}).is_success
    with TestClient(service(readers)) as everywhere:
        assert everywhere.get("/health", headers={"Host": "example.org"}).is_success


def test_health_names_the_models(client):
    assert client.get("/health").json() == {"status": "ok", "models": list(verdicts.MODELS)}


@pytest.mark.parametrize("path", PAGE)
def test_the_page_is_there_and_asks_no_other_server(client, path):
    response = client.get(path)
    assert response.status_code == 200
    assert "http://" not in response.text
    assert "https://" not in response.text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_fault_of_the_service_tells_no_secret(readers):
    class Broken:
        def read(self, text, moved):
            raise ZeroDivisionError("secret")

    app = service({"lstm": Broken()})
    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.post("/read", json={"text": "good"})
        assert response.status_code == 500
        assert "secret" not in error(response)
        assert client.get("/health").is_success


class Held:
    """A reader that answers when it is let go."""

    def __init__(self, reader):
        self.reader, self.begun, self.go = reader, threading.Semaphore(0), threading.Event()

    def read(self, text, moved):
        self.begun.release()
        assert self.go.wait(60)
        return self.reader.read(text, moved)


def ask(client, found):
    found.append(client.post("/read", json={"text": "good"}))


def until(holds):
    """Waits until it holds; fails after a minute."""
    for _ in range(6000):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never held")


def test_beyond_capacity_is_told_to_come_again_and_the_others_are_answered(readers):
    held = Held(readers["lstm"])
    app = service({"lstm": held}, Limits(at_once=1, waiting=1, seconds=60))
    answers = []
    with TestClient(app) as client:
        threads = [threading.Thread(target=ask, args=(client, answers)) for _ in range(2)]
        threads[0].start()
        assert held.begun.acquire(timeout=60)  # one is read
        threads[1].start()
        until(lambda: app.state.capacity.inside == 2)  # and one waits
        assert client.get("/health").is_success  # what costs nothing is answered all the time
        response = client.post("/read", json={"text": "good"})
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        error(response)
        held.go.set()
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in answers] == [200, 200]
        assert client.post("/read", json={"text": "good"}).is_success  # there is room again


def test_who_waits_too_long_is_told_so(readers):
    held = Held(readers["lstm"])
    app = service({"lstm": held}, Limits(at_once=1, waiting=5, seconds=0.2))
    answers = []
    with TestClient(app) as client:
        first = threading.Thread(target=ask, args=(client, answers))
        first.start()
        assert held.begun.acquire(timeout=60)
        response = client.post("/read", json={"text": "good"})
        assert response.status_code == 503
        assert "Retry-After" in response.headers
        error(response)
        held.go.set()
        first.join()
        assert answers[0].status_code == 200  # what had begun was finished


@pytest.fixture
def server(request):
    """A process that serves on a free port, and the port; its parameter: --seconds."""
    command = [sys.executable, "-m", "unrolled", "serve", "--port=0", f"--seconds={request.param}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **pipes)
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
    if found is None:
        process.kill()
        pytest.fail(line + process.communicate()[1])
    yield process, int(found[1])
    process.kill()
    process.communicate()


@pytest.mark.parametrize("server", [600], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_serves_and_a_signal_ends_it_when_its_answers_are_given(server, number):
    process, port = server
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    text = "a wonderful film " * 200
    body = json.dumps({"text": text, "words": 5}).encode()
    connection.putrequest("POST", "/read")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:-1])
    with socket.create_connection(("127.0.0.1", port)) as other:  # the request above has begun
        other.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert other.recv(100).startswith(b"HTTP/1.1 200")
    process.send_signal(number)
    connection.send(body[-1:])
    response = connection.getresponse()
    assert response.status == 200
    assert json.loads(response.read())["verdict"] == "positive"
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("server", [1], indirect=True)
def test_a_request_that_does_not_arrive_is_given_up(server):
    _, port = server
    with socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
        slow.sendall(b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as strange:
        strange.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
        assert strange.recv(100).startswith(b"HTTP/1.1 400")
    with pytest.raises(OSError):  # noqa: PT011 (another address of this machine, or none)
        socket.create_connection(("127.0.0.2", port), timeout=60)


def test_a_connection_sends_each_packet_at_once():
    """Otherwise the body of an answer waits for the acknowledgement of its headers."""
    with (
        serve.listening("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_in_use_is_one_sentence(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(port) in line

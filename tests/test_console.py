"""The command `unrolled`: what it prints, what it refuses, and its exit status."""

import io
import json
import shlex
import subprocess
import sys

import numpy as np
import pytest

from unrolled import Sequential, inspection, layers, load_model, saving, set_random_seed
from unrolled.commands import main, verdicts, write
from unrolled.datasets import DataError, encode, stdlib, words
from unrolled.experiments.shared import generation, small


@pytest.fixture(scope="module")
def reader():
    return verdicts.load_reader("lstm")


class Piped(io.TextIOWrapper):
    """Standard input that is a pipe with these bytes."""

    def __init__(self, content):
        super().__init__(io.BytesIO(content), encoding="ascii")

    def isatty(self):
        return False


def told(capsys, *arguments):
    """The exit status, and what was printed on stdout and on stderr."""
    status = main(list(arguments))
    return (status, *capsys.readouterr())


def refused(capsys, *arguments):
    """The one sentence with which a command fails."""
    status, out, err = told(capsys, *arguments)
    assert (status, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(f"unrolled {arguments[0]}: ")
    return line


@pytest.mark.parametrize("name", verdicts.MODELS)
def test_the_verdict_is_the_models(capsys, name):
    text = "A slow start, but the ending is WONDERFUL!"
    status, out, err = told(capsys, "read", text, "--model", name, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    ranks = {word: rank for rank, word in enumerate(words.vocabulary(), 1)}
    ids = encode(text, ranks, 10_000)
    model = load_model(name)
    p = float(model.predict([ids])[0, 0])
    assert found["probability"] == pytest.approx(p, abs=1e-5)
    assert found["confidence"] == pytest.approx(max(p, 1 - p), abs=1e-5)
    assert found["verdict"] == ("positive" if p > 0.5 else "negative")
    assert (found["model"], found["words"], found["left_out"]) == (name, 8, 0)
    changes = inspection.occlusion(model, np.array(ids))
    sizes = [abs(word["change"]) for word in found["moved"]]
    assert sizes == sorted(sizes, reverse=True)
    for word in found["moved"]:
        assert word["word"] == text.lower().replace(",", "").replace("!", "").split()[word["place"]]
        assert word["change"] == pytest.approx(changes[1 + word["place"]], abs=1e-3)


@pytest.mark.parametrize("count", [249, 250, 251, 400])
def test_of_a_long_review_the_last_words_are_read(reader, count):
    text = "good " * (count - 3) + "awful boring zxcvq"
    found = reader.read(text, moved=1)
    ids = [1, *[words.vocabulary().index("good") + 4] * (count - 3)]
    ids += [words.vocabulary().index(word) + 4 for word in ("awful", "boring")] + [2]
    p = float(load_model("lstm").predict([ids[-250:]])[0, 0])
    assert found.probability == pytest.approx(p, abs=1e-5)
    assert (found.words, found.left_out) == (count, max(0, count - 250))
    assert found.unknown == 1
    (word,) = found.moved
    assert text.split()[word.place] == word.word


def test_words_that_the_model_does_not_know_move_nothing(reader):
    assert reader.read("zxcvq qvcxz", moved=5).moved == []
    assert reader.read("wonderful", moved=0).moved == []


def test_what_phones_and_windows_write_is_read_as_from_a_keyboard(reader):
    found = reader.read('I don\'t like it. Not "one" bit ... really - no film', moved=12)
    strange = "\ufeffI don’t like it.\r\nNot “one”\u00a0bit … really — no film\r\n"
    assert reader.read(strange, moved=12) == found
    assert found.unknown == 0


def test_words_that_are_all_unknown_make_no_verdict(capsys):
    known_none = "this verdict means nothing"
    assert known_none in told(capsys, "read", "zxcvq qvcxz")[1]
    assert known_none in told(capsys, "read", "good " + "zxcvq " * 250)[1]
    _, out, _ = told(capsys, "read", "good zxcvq")
    assert known_none not in out
    assert "does not know 1 of the words" in out


def test_a_text_without_words_is_refused(reader, capsys):
    with pytest.raises(DataError):
        reader.read(" !? ")
    assert "word" in refused(capsys, "read", " !? ")


def test_the_review_comes_from_the_argument_a_file_or_a_pipe(capsys, monkeypatch, tmp_path):
    text = "naïve “at times” but wonderful"
    path = tmp_path / "review.txt"
    path.write_text(text, encoding="utf-8")
    found = [told(capsys, "read", text), told(capsys, "read", "--file", str(path))]
    for arguments in [], ["-"], ["--file", "-"]:
        monkeypatch.setattr("sys.stdin", Piped(text.encode()))
        found.append(told(capsys, "read", *arguments))
    assert all(one == found[0] for one in found)
    status, out, err = found[0]
    assert (status, err) == (0, "")
    assert out.startswith("positive")
    assert "wonderful" in out


def test_a_review_without_quotes_is_read_whole(capsys):
    assert told(capsys, "read", "not", "a", "good film") == told(capsys, "read", "not a good film")
    assert told(capsys, "read", "--json", "good", "film")[0] == 0


def test_the_name_of_a_file_is_read_as_a_review_but_not_in_silence(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "review.txt").write_text("wonderful", encoding="utf-8")
    status, out, err = told(capsys, "read", "review.txt")
    assert (status, out) == (0, told(capsys, "read", "review txt")[1])
    assert err == "unrolled read: review.txt is also a file: --file reads it.\n"


def test_no_more_words_are_shown_than_asked_for(capsys):
    _, out, _ = told(capsys, "read", "a truly wonderful film", "--words", "0")
    assert len(out.splitlines()) == 1
    _, out, _ = told(capsys, "read", "a truly wonderful film", "--words", "2")
    assert sum(line.startswith("  ") for line in out.splitlines()) == 2


def test_bytes_that_are_no_text_are_refused(capsys, monkeypatch, tmp_path):
    path = tmp_path / "review.txt"
    path.write_bytes(b"good \xff")
    assert "review.txt" in refused(capsys, "read", "--file", str(path))
    monkeypatch.setattr("sys.stdin", Piped(b"good \xff"))
    said = "standard input: expected text in UTF-8, but byte 5 is not; save it as UTF-8."
    for arguments in [], ["-"], ["--file", "-"]:
        monkeypatch.setattr("sys.stdin", Piped(b"good \xff"))
        assert refused(capsys, "read", *arguments) == f"unrolled read: {said}"


def test_a_file_that_is_not_there_is_named(capsys, tmp_path):
    path = tmp_path / "nowhere.txt"
    line = refused(capsys, "read", "--file", str(path))
    assert line == f"unrolled read: {path}: No such file or directory."


def test_a_terminal_is_not_waited_for(capsys, monkeypatch):
    piped = Piped(b"")
    piped.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", piped)
    assert "--file" in refused(capsys, "read")
    assert "no word" in refused(capsys, "read", "-")  # waits, until the end of what is typed


def test_a_damaged_model_is_one_sentence(capsys, monkeypatch, tmp_path):
    (tmp_path / "lstm.npz").write_bytes(b"PK and nothing else")
    monkeypatch.setattr(saving, "STORED", tmp_path)
    assert "lstm.npz" in refused(capsys, "read", "good")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sing"],
        ["read", "good", "--words", "-1"],
        ["read", "good", "--words", "many"],
        ["read", "good", "--model", "best"],
        ["read", "good", "--file", "x"],
        ["write", "--length", "-1"],
        ["write", "--temperature", "warm"],
        ["write", "--seed", "-1"],
        ["write", "--prompt", "café"],
        ["write", "--temperature", "-1"],
        ["write", "--temperature", "nan"],
        ["write", "--top-k", "0"],
        ["write", "--top-k", "101"],
        ["write", "--nucleus", "0"],
        ["write", "--nucleus", "1.5"],
        ["read", "good", "--words", "1", "--oops"],
        ["serve", "--port", "65536"],
        ["serve", "--at-once", "0"],
        ["serve", "--seconds", "0"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_refused(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    shown, _, reason = capsys.readouterr().err.rpartition(": error: ")
    assert shown.startswith("usage: unrolled")
    option = next((word for word in reversed(arguments) if word.startswith("--")), "")
    assert option in reason  # which one it is


@pytest.mark.parametrize("command", [[], ["read"], ["write"], ["serve"]], ids="".join)
def test_every_command_explains_itself(capsys, command):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("usage: unrolled")


@pytest.fixture
def writer(monkeypatch, tmp_path):
    """A small stored writer, which learned nothing, in place of the book's."""
    set_random_seed(3)
    symbols = len(stdlib.SYMBOLS)
    lstm = layers.LSTM(16, return_sequences=True, stateful=True)
    model = Sequential([layers.Embedding(symbols, 8), lstm, layers.Dense(symbols, "softmax")])
    model.build((None, None))
    *others, kernel, bias = model.get_weights()
    bias[0] = -30  # START, at which it would stop
    model.set_weights([*others, 8 * kernel, bias])
    small.store(tmp_path / "writer.npz", model, *small.packed(model.weights), {})
    monkeypatch.setattr(saving, "STORED", tmp_path)
    return load_model("writer")


def ended(text):
    """The text as it is printed: its last line is ended."""
    return text if text.endswith("\n") else text + "\n"


def test_no_length_is_too_large(capsys, monkeypatch):
    monkeypatch.setattr(write, "characters", lambda *_: iter("f()"))
    assert told(capsys, "write", "--length", str(10**30)) == (0, "def f()\n", "")


def test_what_is_written_is_what_the_network_generates(capsys, writer):
    for options, change in (
        (["--temperature", "1"], lambda p: p),
        (["--temperature", "0.7"], lambda p: generation.with_temperature(p, 0.7)),
        (["--temperature", "1", "--top-k", "5"], lambda p: generation.top_k(p, 5)),
        (["--temperature", "1", "--nucleus", "0.6"], lambda p: generation.nucleus(p, 0.6)),
        (["--temperature", "0"], lambda p: generation.top_k(p, 1)),
    ):
        start = [stdlib.START + "class A"]
        rng = np.random.default_rng(4)
        (expected,) = generation.generate(writer, start, 60, rng, change).texts()
        arguments = ["write", "--prompt", "class A", "--length", "60", "--seed", "4", *options]
        assert told(capsys, *arguments) == (0, ended("class A" + expected), ""), options


def test_the_same_seed_writes_the_same_and_another_does_not(capsys, writer):
    texts = [
        told(capsys, "write", "--temperature", "1", "--seed", str(seed))[1] for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]
    assert len(texts[0].removesuffix("\n")) in range(403, 405)


def test_writing_ends_with_the_file(capsys, writer):
    *others, bias = writer.get_weights()
    bias[0] = 30
    writer.set_weights([*others, bias])
    small.store(saving.STORED / "writer.npz", writer, *small.packed(writer.weights), {})
    assert told(capsys, "write", "--prompt", "import re") == (0, "import re\n", "")


def test_a_character_that_the_network_does_not_know_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["write", "--prompt", "café"])
    assert "ASCII characters only, came 'é'" in capsys.readouterr().err


def test_a_missing_writer_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(saving, "STORED", tmp_path)
    assert "writer" in refused(capsys, "write")


def test_the_package_is_the_command_too():
    done = subprocess.run(
        [sys.executable, "-m", "unrolled", "read", "--json"],
        input="terrible",
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["verdict"] == "negative"


def test_a_reader_that_has_enough_is_no_error():
    command = f"{shlex.quote(sys.executable)} -m unrolled read good | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [("read <&-", 1, "--file"), ("read good >&-", 0, ""), ("write --length 9 >&-", 0, "")],
)
def test_a_closed_stream_is_no_traceback(command, status, said):
    line = f"{shlex.quote(sys.executable)} -m unrolled {command}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert said in done.stderr

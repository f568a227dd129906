"""Publish the lab: its scripts, the stored models and the words they know, into one folder.

`python tools/lab.py` writes _build/extra/lab, which Sphinx copies into the book (html_extra_path).
The models become classic scripts, since a page opened from a folder may load nothing else.
"""

import base64
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets, saving
from unrolled.datasets.challenge import load_plots

ROOT = Path(__file__).resolve().parents[1]
FILLER = ROOT / "tools" / "lab_filler.txt"  # neutral words: tools/lab_filler.py chooses them
OUT = ROOT / "_build" / "extra" / "lab"
MODELS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
NAMES = (
    "embeddings",
    "kernel",
    "recurrent_kernel",
    "bias",
    "output_kernel",
    "output_bias",
)
PART = 160_000  # letters of base64 in a file, so that no script is large
PAIRS = 8  # of the challenge set, of each kind, to choose from: all would make the page too heavy
NEGATIONS = ("negation", "double negation")  # kinds of challenge reviews that turn on one
LIMIT = 1_500_000  # bytes of all models and words of one page
WRITER = "writer"  # the stored model of the page that writes
FOLLOWED = {  # properties of code, by their names in the experiment `clamping`
    "in_string": "inside a string",
    "in_quotes": "inside a one-line string",
    "in_triple_quotes": "inside triple quotes",
    "in_comment": "inside a comment",
    "brackets": "open brackets",
    "indentation": "indentation",
    "column": "place in the line",
}


def packed(weight: np.ndarray, scale: np.ndarray) -> dict[str, Any]:
    """A weight for the page: int8 in base64 and a float32 scale for each column, or float32."""
    kind = "<i1" if weight.dtype == np.int8 else "<f4"
    entry = {"shape": weight.shape, "data": _base64(weight.astype(kind))}
    return entry | ({"scales": _base64(scale.astype("<f4"))} if kind == "<i1" else {})


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def challenge() -> list[datasets.ChallengeReview]:
    """The challenge reviews that the page has: text, label, phenomenon, pair."""
    return [review for review in datasets.load_challenge() if review.pair < PAIRS]


def opinions() -> list[list[str]]:
    """The pairs that the page scores broken gates on: praise, blame, and a plot of 100 words."""
    plots = load_plots()
    texts = [r.text for r in datasets.load_challenge() if r.phenomenon == "early verdict"]
    alone = [text.removesuffix(plots[k // 2]).rstrip() for k, text in enumerate(texts)]
    return [list(pair) for pair in zip(alone[::2], alone[1::2], plots, strict=True)]


def negation() -> dict[str, int]:
    """How many of the challenge reviews with a negation the stored LSTM gets right, of all."""
    run = json.loads((ROOT / "results" / "challenge-lstm-seed0.json").read_text(encoding="utf-8"))
    shares = [run["figures"]["phenomena"][name]["accuracy"] for name in NEGATIONS]
    counts = [sum(r.phenomenon == n for r in datasets.load_challenge()) for n in NEGATIONS]
    return {"right": round(float(np.dot(shares, counts))), "all": sum(counts)}


def described(models: Path, name: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """A stored model's header, what the page is told of it, and the scripts with its weights."""
    header, arrays = saving.read(models / f"{name}.npz")
    weights = dict(zip(NAMES, map(packed, arrays["weights"], arrays["scales"]), strict=True))
    letters = ""
    for weight in weights.values():
        letters += weight["data"]
        weight["letters"] = len(weight.pop("data"))
    parts = [letters[start : start + PART] for start in range(0, len(letters), PART)]
    files = {
        f"{name}-{number}.js": f'Lab.receive("{name}", {number}, "{part}");\n'
        for number, part in enumerate(parts)
    }
    about = {
        "kind": name,
        "units": weights["recurrent_kernel"]["shape"][0],
        "features": weights["embeddings"]["shape"][1],
        "parts": len(parts),
        "weights": weights,
    }
    return header, about, files


def export_readers(models: Path) -> dict[str, str]:
    """The scripts of the page that reads: models.js, texts.js and the weights."""
    files: dict[str, str] = {}
    found = []
    for name, title in MODELS.items():
        header, about, scripts = described(models, name)
        files |= scripts
        about["title"] = title
        about["num_words"] = about["weights"]["embeddings"]["shape"][0]
        about["accuracy"] = round(header["test_accuracy"], 4)
        found.append(about)
    known = {"models": found, "vocabulary": header["vocabulary"]}
    texts = {
        "challenge": challenge(),
        "opinions": opinions(),
        "negation": negation(),
        "filler": FILLER.read_text(encoding="utf-8").strip(),
    }
    files["models.js"] = f"Lab.data = {_json(known)};\n"
    files["texts.js"] = f"Object.assign(Lab.data, {_json(texts)});\n"
    return files


def named_units(results: Path) -> list[dict[str, Any]]:
    """The units that follow a property of the code, as recorded: on test packages, too."""
    path = results / "clamping-seed0.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))["figures"]["properties"]
    return [
        {"unit": entry["unit"], "name": FOLLOWED[name], "r": entry["correlation"]["test"]}
        for name, entry in found.items()
        if entry["passes"]
    ]


def export_writer(models: Path, results: Path = ROOT / "results") -> dict[str, str]:
    """The scripts of the page that writes: writer.js and the weights."""
    header, about, files = described(models, WRITER)
    about["facts"] = {
        "source": header["data"]["name"],
        "minutes": header["settings"]["budget"] / 60,
        "bits": header["bits"][header["settings"]["measured_on"]],
    }
    known = {
        "models": [about],
        "symbols": header["vocabulary"],
        "named": named_units(results),
    }
    files["writer.js"] = f"Lab.data = {_json(known)};\n"
    return files


def main(models: Path = saving.STORED, out: Path = OUT) -> None:
    """Write the folder anew; SystemExit if a page is too large to be loaded with ease."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(ROOT / "lab", out)
    for files in (export_readers(models), export_writer(models)):
        size = sum(len(text.encode()) for text in files.values())
        if size > LIMIT:
            raise SystemExit(f"{out}: models and words take {size:,} bytes, more than {LIMIT:,}")
        for name, text in files.items():
            (out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

"""Choose the lab's neutral words: `python tools/lab_filler.py` writes tools/lab_filler.txt.

The plots of the challenge set judge nothing, but their words move a network all the same. This
puts sentences of them in an order in which all three networks of the lab, reading nothing else,
stay close to a probability of one half. It tries no text in front of them.
"""

import re
from typing import NamedTuple

import numpy as np

import lab
from unrolled import Sequential, datasets, load_model, saving
from unrolled.activations import Array
from unrolled.datasets.challenge import load_plots
from unrolled.inspection import START, UNKNOWN

COUNT = 150  # words that the lab's slider can add
WIDTH = 10  # beginnings that are kept after each sentence


class Beginning(NamedTuple):
    """Sentences in order, the distances from one half after each word, and each model's states."""

    chosen: tuple[int, ...]
    distances: tuple[float, ...]
    states: list[list[Array]]


def sentences(word_index: dict[str, int]) -> list[tuple[str, list[int]]]:
    """The plots' sentences whose words the networks know, each with its ids."""
    texts = [s.strip() for plot in load_plots() for s in re.findall(r"[^.]+\.", plot)]
    ids = [datasets.encode(text, word_index, num_words=10_000) for text in texts]
    return [(text, row[1:]) for text, row in zip(texts, ids, strict=True) if UNKNOWN not in row]


def read(models: list[Sequential], ids: Array, before: list) -> tuple[Array, list]:
    """Let each model go on from its states `before`, (B, H) or None, with ids (B, T), 0 behind.

    Gives how far the farthest of them is from one half after each word, (B, T), and the states.
    """
    distance, after = np.zeros(ids.shape), []
    for model, states in zip(models, before, strict=True):
        embedding, layer, dense = model.layers
        y, *final = layer.forward(embedding(ids), ids != 0, initial_state=states)[0]
        distance = np.maximum(distance, np.abs(dense(y)[..., 0] - 0.5))
        after.append(final)
    return distance, after


def choose(models: list[Sequential], texts: list[list[int]]) -> tuple[int, ...]:
    """Numbers of the sentences of the best beginning that has COUNT words, by beam search."""
    _, states = read(models, np.array([[START]]), [None] * len(models))
    kept, done = [Beginning((), (), states)], []
    table = np.array([row + [0] * (max(map(len, texts)) - len(row)) for row in texts])
    while kept:
        longer = []
        for beginning in kept:
            before = [[np.repeat(s, len(texts), axis=0) for s in m] for m in beginning.states]
            distance, after = read(models, table, before)
            for number, row in enumerate(texts):
                if number in beginning.chosen:
                    continue
                own = [[s[number : number + 1] for s in m] for m in after]
                far = (*beginning.distances, *distance[number, : len(row)].tolist())
                longer.append(Beginning((*beginning.chosen, number), far, own))
        longer.sort(key=lambda b: np.mean(b.distances[:COUNT]))
        done += [b for b in longer if len(b.distances) >= COUNT][:1]
        kept = [b for b in longer if len(b.distances) < COUNT][:WIDTH]
        if done:
            kept = [b for b in kept if np.mean(b.distances) < np.mean(done[0].distances)]
    return min(done, key=lambda b: np.mean(b.distances[:COUNT])).chosen


def main() -> None:
    """Choose, write the file, and print how far the networks go."""
    models = [load_model(name) for name in lab.MODELS]
    for model in models:
        model.layers[1].return_sequences = model.layers[1].return_state = True
    header, _ = saving.read(saving.find("lstm"))
    known = sentences({word: rank for rank, word in enumerate(header["vocabulary"], 1)})
    chosen = choose(models, [ids for _, ids in known])
    lab.FILLER.write_text(" ".join(known[k][0] for k in chosen) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""From training to a service in Keras: strings in, one file out, and the same answers all the way.

A small LSTM learns from strings: `TextVectorization` counts the words, `tf.data` puts reviews of
like length into a batch. Then the words are built into the model, which takes a string, and it is
saved: as a Keras file, as an exported SavedModel, and, for phones, converted to LiteRT in float32
and with int8 weights. The LiteRT models take the ids of 250 words, padded, since strings have to
become ids outside of them. Each reads the same held-out reviews, and is timed one by one, in
seconds of the processor over all threads, so that other work on the machine hardly counts. The
first 250 words of a review are read. The test part is not.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled import datasets
from unrolled.activations import Array
from unrolled.experiments.shared import reviews
from unrolled.experiments.shared.measures import Clock
from unrolled.experiments.shared.paired import difference
from unrolled.experiments.shared.record import Runs, data_entry
from unrolled.extras import progress

NAMED_BY = ()
RUNS: Runs = (({}, (0, 1, 2)),)
BUCKETS = (50, 100, 150, 200)  # words; a bucket ends at each
PERCENTILES = (50, 90, 99)
Answer = Callable[[list[str]], Array]  # texts of N reviews -> (N,) probabilities


@dataclass(frozen=True)
class Settings:
    """The network, its training, and how much it reads; the seed draws all."""

    seed: int = field(default=0, metadata={"help": "seed of weights, reviews and batches"})
    data: str = field(
        default="imdb", metadata={"choices": ("imdb", "sample"), "help": "real or synthetic"}
    )
    num_words: int = field(default=10_000, metadata={"help": "words known to the model"})
    num_train: int = field(default=4000, metadata={"help": "training reviews"})
    num_judged: int = field(default=1000, metadata={"help": "reviews of other movies to judge"})
    timed: int = field(default=100, metadata={"help": "of these, how many are timed"})
    maxlen: int = field(default=250, metadata={"help": "words read of a review, the first ones"})
    embedding: int = field(default=32, metadata={"help": "numbers a word is given"})
    units: int = field(default=32, metadata={"help": "units of the LSTM"})
    epochs: int = field(default=3, metadata={"help": "passes over the training reviews"})
    batch_size: int = field(default=64, metadata={"help": "reviews in a training step"})
    learning_rate: float = field(default=0.003, metadata={"help": "Adam's learning rate"})


def texts_of(x: Any, index: dict[str, int]) -> list[str]:
    """The words of each review's ids, as a string; a word beyond the vocabulary is "unk"."""
    return [datasets.decode(ids[1:], index).replace("<unk>", "unk") for ids in x]


def build(settings: Settings) -> Any:
    """The network, compiled: ids (B, T), 0 for padding -> probabilities (B, 1)."""
    import keras

    keras.utils.set_random_seed(settings.seed)
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(settings.num_words, settings.embedding, mask_zero=True)(ids)
    x = keras.layers.LSTM(settings.units)(x)
    p = keras.layers.Dense(1, activation="sigmoid")(x)
    model = keras.Model(ids, p)
    adam = keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0)
    model.compile(adam, "binary_crossentropy", metrics=["accuracy"])
    return model


def batches(ids: Any, y: Array, settings: Settings, buckets: bool) -> Any:
    """A shuffled tf.data.Dataset of padded batches, of like length if buckets.

    ids: a ragged tensor (N, None) of ids.
    """
    import tensorflow as tf

    rows = tf.data.Dataset.from_tensor_slices((ids, y.astype("float32")))
    rows = rows.map(lambda row, label: (tf.cast(row, tf.int32), label))  # of ragged a plain tensor
    rows = rows.shuffle(len(y), seed=settings.seed)
    if not buckets:
        return rows.padded_batch(settings.batch_size, ([None], []))
    return rows.bucket_by_sequence_length(
        lambda row, label: tf.size(row),
        [end + 1 for end in BUCKETS],
        [settings.batch_size] * (len(BUCKETS) + 1),
    )


def tokens(dataset: Any) -> int:
    """Time steps of all batches of an epoch, padding among them."""
    return sum(int(np.prod(x.shape)) for x, _ in dataset)


def with_strings(model: Any, vocabulary: list[str], settings: Settings) -> Any:
    """The model with its words built in: strings (B,) -> probabilities (B, 1)."""
    import keras

    vectorize = keras.layers.TextVectorization(
        settings.num_words, standardize=None, vocabulary=vocabulary
    )
    texts = keras.Input((), dtype="string")
    return keras.Model(texts, model(vectorize(texts)[:, : settings.maxlen]))


def litert(model: Any, settings: Settings, int8: bool) -> bytes:
    """The model converted for LiteRT, for one review of `maxlen` ids (1, T).

    int8: weights of a thousand numbers or more are stored as int8, by dynamic range quantisation.
    """
    import tensorflow as tf

    signature = [tf.TensorSpec((1, settings.maxlen), tf.int32)]
    function = tf.function(lambda ids: model(ids, training=False), input_signature=signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    content: bytes = converter.convert()
    return content


def interpreter(path: Path) -> Any:
    """LiteRT's interpreter with the model of a file, ready to run on one thread."""
    import tensorflow as tf

    found = tf.lite.Interpreter(model_path=str(path), num_threads=1)
    found.allocate_tensors()
    return found


def words_of(text: str) -> list[str]:
    """The words as TensorFlow splits them: at ASCII's blanks only.

    `str.split` splits at others, too: at the character U+0085, which stands in some reviews.
    """
    return [word.decode() for word in text.encode().split()]


def in_batches(model: Any, settings: Settings) -> Answer:
    """What a function of strings (B,) that gives (B, 1) answers to any number of texts."""
    import tensorflow as tf

    def answer(texts: list[str]) -> Array:
        size = settings.batch_size
        parts = [tf.constant(texts[k : k + size]) for k in range(0, len(texts), size)]
        return np.concatenate([np.asarray(model(part))[:, 0] for part in parts])

    return answer


def one_by_one(found: Any, words: dict[str, int], settings: Settings) -> Answer:
    """What a LiteRT model, which reads one review, answers; words: the id of each."""
    (taken,), (given,) = found.get_input_details(), found.get_output_details()

    def answer(texts: list[str]) -> Array:
        said = []
        for text in texts:
            ids = np.zeros((1, settings.maxlen), np.int32)
            row = [words.get(word, 1) for word in words_of(text)[: settings.maxlen]]
            ids[0, : len(row)] = row
            found.set_tensor(taken["index"], ids)
            found.invoke()
            said.append(float(found.get_tensor(given["index"])[0, 0]))
        return np.array(said)

    return answer


def bytes_of(path: Path) -> int:
    """Of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def saved_forms(
    model: Any, strings: Any, words: dict[str, int], folder: Path, settings: Settings
) -> tuple[dict[str, Answer], dict[str, int], dict[str, float]]:
    """How each form of the model answers, its bytes on disk, the processor's seconds of loading."""
    import keras
    import tensorflow as tf

    strings.save(folder / "model.keras")
    strings.export(folder / "exported", verbose=False)
    (folder / "float32.tflite").write_bytes(litert(model, settings, int8=False))
    (folder / "int8.tflite").write_bytes(litert(model, settings, int8=True))

    def from_keras() -> Answer:
        loaded = keras.saving.load_model(folder / "model.keras")
        return in_batches(lambda texts: loaded.predict(texts, verbose=0), settings)

    def exported() -> Answer:
        loaded = tf.saved_model.load(str(folder / "exported"))
        return in_batches(lambda texts: loaded.serve(texts), settings)

    def lite(name: str) -> Callable[[], Answer]:
        return lambda: one_by_one(interpreter(folder / f"{name}.tflite"), words, settings)

    ways = {
        "strings": ("model.keras", from_keras),
        "SavedModel": ("exported", exported),
        "LiteRT float32": ("float32.tflite", lite("float32")),
        "LiteRT int8": ("int8.tflite", lite("int8")),
    }
    answers, sizes, loading = {}, {}, {}
    for name, (file, load) in ways.items():
        sizes[name] = bytes_of(folder / file)
        start = time.process_time()
        answers[name] = load()
        loading[name] = round(time.process_time() - start, 4)
    return answers, sizes, loading


def timed(answers: dict[str, Answer], texts: list[str]) -> dict[str, list[float]]:
    """Percentiles of the processor's milliseconds of one answer, the forms in turns."""
    times: dict[str, list[float]] = {name: [] for name in answers}
    for answer in answers.values():
        answer(texts[:1])  # Keras traces a call of a new shape, which is not timed
    for text in texts:
        for name, answer in answers.items():
            start = time.process_time()
            answer([text])
            times[name].append(1000 * (time.process_time() - start))
    return {
        name: [round(float(value), 3) for value in np.percentile(values, PERCENTILES)]
        for name, values in times.items()
    }


def run(settings: Settings, partial: Path) -> dict[str, Any]:
    """Train from strings, save every form, and let each read the held-out reviews."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf

    clock = Clock()
    (x, y), _ = datasets.load_data(None, settings.data)
    index = datasets.get_word_index(settings.data)
    movies, _ = datasets.load_movies(settings.data)
    rng = np.random.default_rng(settings.seed)
    learned, judged = map(rng.permutation, datasets.split_by_movie(movies, seed=settings.seed))
    learned, judged = learned[: settings.num_train], judged[: settings.num_judged]
    texts = texts_of(x[learned], index)
    vectorize = keras.layers.TextVectorization(
        settings.num_words, standardize=None, output_mode="int", ragged=True
    )
    vectorize.adapt(tf.constant(texts))
    ids = vectorize(tf.constant(texts))[:, : settings.maxlen]
    clock.lap("words")

    model = build(settings)
    bucketed = batches(ids, y[learned], settings, buckets=True)
    at_random = batches(ids, y[learned], settings, buckets=False)
    steps = {"buckets": tokens(bucketed), "at random": tokens(at_random)}
    steps["words"] = int(ids.flat_values.shape[0])
    clock.lap("batches")
    history = model.fit(bucketed, epochs=settings.epochs, verbose=0)
    clock.lap("training")

    unseen = texts_of(x[judged], index)
    vocabulary = vectorize.get_vocabulary(include_special_tokens=False)
    words = {word: k for k, word in enumerate(vocabulary, 2)}  # 0: padding, 1: unknown
    padded = vectorize(tf.constant(unseen))[:, : settings.maxlen].to_tensor()
    whole = model.predict(padded, batch_size=settings.batch_size, verbose=0)[:, 0]
    strings = with_strings(model, vocabulary, settings)
    clock.lap("judging")
    with tempfile.TemporaryDirectory() as name:
        answers, sizes, loading = saved_forms(model, strings, words, Path(name), settings)
        clock.lap("saving")
        said = {"trained": whole}
        for form, answer in progress(answers.items(), "forms"):
            said[form] = answer(unseen)
            clock.lap(form)
        latency = timed(answers, unseen[: settings.timed])
        clock.lap("timing")
    truth = y[judged]
    right = {form: (p > 0.5) == truth for form, p in said.items()}
    lost = difference(right["LiteRT float32"], right["LiteRT int8"], movies[judged])
    return {
        "data": data_entry(settings.data),
        "seconds": clock.seconds,
        "curves": {"accuracy": [round(v, 4) for v in history.history["accuracy"]]},
        "figures": {
            "steps_an_epoch": steps,
            "bytes": {"trained": int(sum(w.nbytes for w in model.get_weights())), **sizes},
            "loading_seconds": loading,
            "percentiles": list(PERCENTILES),
            "milliseconds": latency,
            "largest_difference": {
                form: float(np.abs(p - whole).max()) for form, p in said.items()
            },
            "answers_changed": {
                form: int(np.sum((p > 0.5) != (whole > 0.5))) for form, p in said.items()
            },
            "accuracy": {form: reviews.accuracy(p, truth) for form, p in said.items()},
            "right_bits": {form: reviews.right_bits(p, truth) for form, p in said.items()},
            "lost_by_int8": [round(value, 4) for value in lost],
        },
    }

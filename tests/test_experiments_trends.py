"""Chapter 14's experiments: their layers, their accountant, and that each runs from end to end."""

from itertools import pairwise

import numpy as np
import pytest

import right_bits
from unrolled import datasets, set_random_seed
from unrolled.batches import padded
from unrolled.experiments.__main__ import main
from unrolled.experiments.shared import minimal, record, subset
from unrolled.experiments.trends import attention, efficiency, privacy, search, workers
from unrolled.gradcheck import check_layer
from unrolled.layers import LSTM
from unrolled.optimizers import SGD

RNG = np.random.default_rng(0)
MASK = np.array([[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 1]], bool)


@pytest.mark.parametrize("T", [1, 2, 7, 8, 9, 100])
def test_rounds_give_what_the_loop_gives(T):
    a, b = RNG.uniform(0, 1, (T, 3, 4)), RNG.standard_normal((T, 3, 4))
    before = a.copy(), b.copy()
    expected = minimal.one_by_one(a, b)
    np.testing.assert_allclose(minimal.in_rounds(a, b), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal((a, b), before)
    h = np.zeros((3, 4))
    for t in range(T):
        h = a[t] * h + b[t]
        np.testing.assert_allclose(expected[t], h, rtol=1e-12)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize(
    "layer",
    [
        minimal.MinGRU(4),
        minimal.MinGRU(4, parallel=False),
        minimal.SelfAttention(4),
        minimal.PlaceMarks(),
        minimal.LastStep(),
    ],
    ids=["mingru", "mingru-loop", "attention", "places", "last"],
)
def test_gradients_of_the_small_layers(layer, mask):
    set_random_seed(1)
    x = RNG.standard_normal((3, 7, 5))
    layer.build(x.shape, "float64")
    if len(layer.weights) == 2:
        layer.weights[1][:] = RNG.standard_normal(8)  # or a wrong bias goes unseen
    assert check_layer(layer, x, mask).error < 1e-7


def test_mingru_is_its_formula_and_a_pad_changes_nothing():
    set_random_seed(2)
    x, H = RNG.standard_normal((2, 5, 3)), 4
    layers = [minimal.MinGRU(H), minimal.MinGRU(H, parallel=False)]
    layers[0].build(x.shape, "float64")
    layers[1].build(x.shape, "float64")
    layers[1].set_weights(layers[0].get_weights())
    W, b = layers[0].weights
    h, expected = np.zeros((2, H)), []
    for t in range(5):
        z = 1 / (1 + np.exp(-(x[:, t] @ W[:, :H] + b[:H])))
        h = (1 - z) * h + z * (x[:, t] @ W[:, H:] + b[H:])
        expected.append(h)
    padded = np.concatenate([RNG.standard_normal((2, 3, 3)), x], axis=1)
    mask = np.arange(8)[None].repeat(2, 0) >= 3
    for layer in layers:
        np.testing.assert_allclose(layer(x), np.stack(expected, 1), rtol=1e-12)
        after = layer(padded, mask)[:, 3:]
        np.testing.assert_allclose(after, np.stack(expected, 1), rtol=1e-12)


def test_attention_is_its_formula_and_looks_at_no_pad():
    set_random_seed(3)
    x = RNG.standard_normal((3, 7, 5))
    layer = minimal.SelfAttention(4)
    layer.build(x.shape, "float64")
    y = layer(x, MASK)
    for k, real in enumerate(MASK):
        Q, K, V = np.split(x[k, real] @ layer.weights[0], 3, axis=1)
        share = np.exp(Q @ K.T / 2)
        expected = share / share.sum(axis=1, keepdims=True) @ V
        np.testing.assert_allclose(y[k, real], expected, rtol=1e-10)


def test_attention_hears_order_only_by_the_place_marks():
    set_random_seed(4)
    x, order = RNG.standard_normal((1, 9, 6)), RNG.permutation(9)
    layer = minimal.SelfAttention(4)
    layer.build(x.shape, "float64")
    marked = minimal.PlaceMarks()
    marked.build(x.shape, "float64")
    plain = [layer(z).mean(1) for z in (x, x[:, order])]
    placed = [layer(marked(z)).mean(1) for z in (x, x[:, order])]
    np.testing.assert_allclose(*plain, rtol=1e-10)
    assert np.abs(placed[0] - placed[1]).max() > 1e-6
    assert len(np.unique(minimal.waves(200, 16).round(6), axis=0)) == 200
    np.testing.assert_array_equal(minimal.waves(9, 6)[-4:], minimal.waves(4, 6))


@pytest.mark.parametrize("truncate", [1, 3, 7, 20])
def test_the_short_memory_is_truncated_backpropagation(truncate):
    set_random_seed(5)
    x, dy = RNG.standard_normal((3, 7, 5)), RNG.standard_normal((3, 4))
    whole, short = LSTM(4), minimal.ShortMemoryLSTM(4, truncate)
    for layer in (whole, short):
        layer.build(x.shape, "float64")
    short.set_weights(whole.get_weights())
    (y, cache), (y_whole, cache_whole) = short.forward(x, MASK), whole.forward(x, MASK)
    np.testing.assert_allclose(y, y_whole, rtol=1e-12)
    dx, gradients = short.backward(dy, cache)
    expected, of_whole = whole.backward(dy, cache_whole, truncate=truncate)
    np.testing.assert_allclose(dx, expected, rtol=1e-10, atol=1e-14)
    for mine, others in zip(gradients, of_whole, strict=True):
        np.testing.assert_allclose(mine, others, rtol=1e-10, atol=1e-14)
    assert (dx[:, : 7 - min(7, truncate)] == 0).all()


# Published by TensorFlow Privacy in the test of compute_dp_sgd_privacy: reviews, batch, noise,
# epochs, δ, ε.
@pytest.mark.parametrize(
    ("n", "batch", "noise", "epochs", "delta", "published"),
    [(60_000, 150, 1.3, 15, 1e-5, 0.941870567), (100_000, 100, 1.0, 30, 1e-7, 1.70928734)],
)
def test_epsilon_is_the_published_one(n, batch, noise, epochs, delta, published):
    steps = -(-epochs * n // batch)
    assert privacy.epsilon(noise, batch / n, steps, delta) == pytest.approx(published, rel=1e-6)


@pytest.mark.parametrize("rate", [0.01, 0.3, 1.0])
def test_epsilon_is_that_of_the_integrated_moments(rate):
    noise, steps, delta = 1.5, 40, 1e-5
    z = np.linspace(-80, 80, 400_001)
    log_without = -(z**2) / (2 * noise**2) - np.log(np.sqrt(2 * np.pi) * noise)
    log_with_one = np.log(rate * np.exp((2 * z - 1) / (2 * noise**2)) + 1 - rate)  # over it
    found = []
    for order in range(2, 50):
        moment = np.log(np.trapezoid(np.exp(log_without + order * log_with_one), z))
        found.append((steps * moment - np.log(delta)) / (order - 1))
    assert privacy.epsilon(noise, rate, steps, delta) == pytest.approx(min(found), rel=1e-6)


def test_epsilon_falls_with_noise_and_rises_with_steps():
    values = [privacy.epsilon(noise, 0.05, 100, 1e-5) for noise in (0, 0.5, 1, 2, 8)]
    assert values == sorted(values, reverse=True)
    assert np.isinf(values[0])
    assert privacy.epsilon(1, 0.05, 200, 1e-5) > values[2]


def test_the_attack_counts_pairs():
    members, others = np.array([0.1, 0.2, 0.3]), np.array([0.15, 0.4, 0.5])
    found = privacy.attack(members, others)
    assert found["auc"] == pytest.approx(7 / 9)
    assert found["found"] == pytest.approx(1 / 3)
    assert privacy.attack(others, others)["auc"] == 0.5


@pytest.mark.parametrize("clip", [1e9, 0.01])
def test_the_clipped_sum_is_that_of_each_example_alone(clip):
    set_random_seed(6)
    model = privacy.build(20, 3)
    model.compile()
    model.build((None, None), "float64")
    for w in model.weights:
        w[...] = np.random.default_rng(w.size).standard_normal(w.shape)
    lists = [[1, 5, 5, 7], [1, 9], [1, 4, 3, 2, 5, 5, 19]]  # 5 comes twice: its row counts once
    y, expected = np.array([0, 1, 1]), [np.zeros_like(w) for w in model.weights]
    lengths = []
    for ids, label in zip(lists, y, strict=True):
        before = model.get_weights()
        model.optimizer = SGD(learning_rate=1.0)
        model.train_on_batch([ids], label[None])
        alone = [b - w for b, w in zip(before, model.weights, strict=True)]
        model.set_weights(before)
        lengths.append(np.sqrt(sum(np.square(g).sum() for g in alone)))
        scale = min(1, clip / lengths[-1])
        expected = [e + scale * g for e, g in zip(expected, alone, strict=True)]
    ids, _ = padded([np.array(row) for row in lists])
    found = privacy.clipped_sum(model, ids, y, clip)
    for mine, others in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, others, rtol=1e-7, atol=1e-12)
    assert max(lengths) > 0.01


def test_private_training_without_noise_learns_and_with_much_does_not():
    settings = privacy.Settings(private_batch=64, private_epochs=12)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    x = [[1, *rng.integers(4, 30, 3).tolist(), 2 + int(label)] for label in y]
    right = []
    for noise in (0, 50):
        set_random_seed(7)
        model = privacy.build(30, 4)
        privacy.train_privately(model, x, y, noise, settings, seed=0)
        right.append(np.mean((model.predict(x)[:, 0] > 0.5) == y))
    assert right[0] > 0.9 > right[1] + 0.1


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder for recorded runs."""
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    return tmp_path


def record_small(name, *options):
    """The run of an experiment on synthetic reviews, recorded and read back."""
    assert main([name, *options]) == 0
    (result,) = record.read_results(name)
    answers = right_bits.pairs(result["figures"])
    assert answers
    for bits, accuracy in answers:
        assert right_bits.agree(bits, accuracy)
    return result


def test_privacy_runs_on_made_reviews(results):
    small = ["--members=200", "--num-test=50", "--tokens=8", "--units=4", "--epochs=2"]
    small += ["--private-units=2", "--private-epochs=2", "--private-batch=50"]
    small += ["--private-members=200", "--private-words=200", "--num-words=300"]
    figures = record_small("privacy", "--data=sample", *small)["figures"]
    assert figures["steps"] == 8
    assert figures["rate"] == 0.25
    assert figures["overfitted"]["epoch"] == 2
    for entries in figures["private"].values():
        assert [entry["noise"] for entry in entries] == list(privacy.NOISES)
        eps = [entry["epsilon"] for entry in entries[1:]]
        assert eps == sorted(eps, reverse=True)
        assert all(0 <= entry["auc"] <= 1 for entry in entries)
    told = figures["private"]["linear"]
    assert told[0]["auc"] > told[-1]["auc"]


def test_members_others_and_validation_do_not_overlap():
    settings = privacy.Settings(data="sample")
    parts = privacy.draw(settings, 10_000, 100)
    reviews = {name: {tuple(ids) for ids in x} for name, (x, _) in parts.items()}
    assert len(parts["members"][0]) == len(parts["others"][0]) == 100
    assert not reviews["members"] & reviews["others"]
    assert not (reviews["members"] | reviews["others"]) & reviews["val"]


def test_a_subset_has_no_movie_twice_and_the_same_test_reviews_for_every_seed():
    (x, y), _ = datasets.load_sample(num_words=10_000)
    movies, _ = datasets.load_movies("sample")
    known = {tuple(ids[-60:]): row for row, ids in enumerate(x)}
    drawn = []
    for seed in (0, 1):
        options = {"data": "sample", "num_train": 300, "num_test": 40, "tokens": 60}
        drawn.append(subset.load_subset(attention.Settings(seed=seed, **options), num_val=100))
    for one in drawn:
        rows = [[known[tuple(ids)] for ids in part] for part in (one.x_train, one.x_val)]
        assert [len(part) for part in one.parts] == [300, 100, 40]
        assert not {*movies[rows[0]]} & {*movies[rows[1]]}
        for part, labels in zip(rows, (one.y_train, one.y_val), strict=True):
            assert np.array_equal(labels, y[part])
    assert drawn[0].x_train != drawn[1].x_train
    assert drawn[0].x_test == drawn[1].x_test
    assert np.array_equal(drawn[0].y_test, drawn[1].y_test)


class Learned:
    """A model whose weights are the number of its epochs, and its right answers a list's."""

    def __init__(self, right):
        self.right, self.epoch = right, 0

    def fit(self, x, y, **options):
        self.epoch += 1

    def predict(self, x, batch_size):
        return (np.arange(len(x)) < self.right[self.epoch - 1])[:, None] / 1.0

    def get_weights(self):
        return self.epoch

    def set_weights(self, epoch):
        self.epoch = epoch


def test_the_first_of_the_best_epochs_is_kept():
    model, ones = Learned([5, 8, 8, 2]), np.ones(10)
    reviews = subset.Reviews([], ones, [[1]] * 10, ones, [], ones)
    found = subset.train_and_choose(model, reviews, 4)
    assert (found["epoch"], found["val_accuracy"], model.epoch) == (2, 0.8, 2)
    assert found["val_accuracy_by_epoch"] == [0.5, 0.8, 0.8, 0.2]
    assert len(found["seconds_cpu_by_epoch"]) == 4


def test_attention_runs_on_made_reviews_and_contestants_are_equal_in_size(results):
    small = ["--num-train=100", "--num-test=50", "--tokens=12", "--units=8", "--epochs=2"]
    figures = record_small("attention", "--data=sample", *small)["figures"]
    assert set(figures) == {"LSTM", "attention", "attention with places"}
    for units in (8, 32, 100):
        sizes = [
            sum(w.size for w in subset.build(make(), settings).weights[1:])
            for settings in [attention.Settings(num_words=10, units=units)]
            for make in attention.contestants(units).values()
        ]
        assert max(sizes) < 1.05 * min(sizes), units  # within a percent from 32 units on
        assert units == 8 or max(sizes) < 1.01 * min(sizes)
    plain = figures["attention"]
    assert plain["shuffled_accuracy"] == pytest.approx(plain["test_accuracy"], abs=0.021)
    best = {name: max(tried["val_accuracy_by_epoch"]) for name, tried in plain["tried"].items()}
    assert plain["val_accuracy"] == max(best.values()) == best[plain["pooling"]]


def test_shuffling_keeps_the_words_and_the_start():
    reviews = [[1, *range(5, 30)], [1, 7]]
    mixed = attention.shuffled(reviews)
    assert [sorted(ids) for ids in mixed] == reviews
    assert mixed[0] != reviews[0]
    assert [ids[0] for ids in mixed] == [1, 1]


def test_efficiency_runs_on_made_reviews(results, monkeypatch):
    monkeypatch.setattr(efficiency, "LENGTHS", (2, 3))
    small = ["--num-train=100", "--num-test=50", "--tokens=30", "--short-tokens=10"]
    small += ["--units=4", "--epochs=1"]
    figures = record_small("efficiency", "--data=sample", *small)["figures"]
    padding = figures["padding"]
    computed = [entry["tokens_an_epoch"] for entry in padding.values()]
    assert computed == sorted(computed, reverse=True)
    assert computed[0] == 100 * 30
    loop = figures["minGRU"]["minGRU, equal units, loop"]
    rounds = figures["minGRU"]["minGRU, equal units, rounds"]
    assert loop["test_accuracy"] == pytest.approx(rounds["test_accuracy"], abs=0.05)
    assert set(figures["step_milliseconds"]) == {"lengths", "batch 1", "batch 32"}


@pytest.mark.parametrize("units", [8, 32, 64])
def test_an_equal_mingru_is_as_large_as_the_lstm(units):
    sizes = [
        sum(w.size for w in subset.build(efficiency.pooled(layer), small).weights[1:])
        for small in [efficiency.Settings(units=units, num_words=10)]
        for layer in (
            LSTM(units, return_sequences=True),
            minimal.MinGRU(efficiency.equal_units(units)),
        )
    ]
    assert max(sizes) < 1.01 * min(sizes)


def test_search_halves_and_the_winner_is_the_best_of_the_last_two(results):
    small = ["--candidates=4", "--num-train=64", "--num-val=60", "--num-test=50"]
    figures = record_small("search", "--data=sample", "--num-words=3000", *small)["figures"]
    rounds = figures["rounds"]
    assert [len(entries) for entries in rounds] == [4, 2, 1]
    assert [entries[0]["reviews"] for entries in rounds] == [16, 32, 64]
    for entries, after in pairwise(rounds):
        scores = {entry["candidate"]: entry["chosen_by"] for entry in entries}
        left = {entry["candidate"] for entry in after}
        gone = [value for k, value in scores.items() if k not in left]
        assert min(scores[k] for k in left) >= max(gone)
    winner = figures["candidates"][rounds[-1][0]["candidate"]]
    assert figures["winner"]["candidate"] == winner
    assert figures["winner"]["chosen_by"] == rounds[-1][0]["chosen_by"]


def test_candidates_stay_in_the_space():
    rng = np.random.default_rng(0)
    drawn = [search.draw(rng) for _ in range(200)]
    assert {c.units for c in drawn} == {8, 16, 32, 64}
    assert {c.epochs for c in drawn} == {1, 2, 3, 4}
    assert all(10**-3.5 < c.learning_rate < 10**-1.5 and 0 <= c.dropout <= 0.6 for c in drawn)


def test_two_workers_end_with_the_weights_of_one(tmp_path):
    import tensorflow as tf

    settings = workers.Settings(steps=2, batch_size=8, tokens=6, num_words=30, units=4)
    first, second = workers.train_apart(settings, "worker", tmp_path)
    weights, _ = workers.own_steps(settings, tf.distribute.get_strategy(), slice(None))
    alone = {"weights": weights}
    start = {"weights": workers.build_weights(settings)}
    assert workers.apart(first, second) == 0
    assert workers.apart(first, alone) < 1e-6
    assert workers.apart(start, alone) > 1e-3


def test_a_worker_that_fails_is_one_sentence_and_none_is_left():
    import subprocess
    import sys

    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    fails = subprocess.Popen([sys.executable, "-c", "raise ValueError('no port')"], **pipes)
    sleeps = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], **pipes)
    with pytest.raises(RuntimeError, match="no port"):
        workers.wait([fails, sleeps])
    assert sleeps.poll() is not None
    sleeps = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], **pipes)
    with pytest.raises(RuntimeError, match="ended with"):
        workers.wait([sleeps], limit=0.2)
    assert sleeps.poll() is not None


def test_made_data_is_from_the_seed_and_can_be_learned():
    x, y = workers.made_data(workers.Settings())
    again, _ = workers.made_data(workers.Settings())
    other, _ = workers.made_data(workers.Settings(seed=1))
    np.testing.assert_array_equal(x, again)
    assert (x != other).any()
    assert x.min() > 0
    assert x.max() < 2000
    assert np.mean(((x < 1000).mean(axis=1) > 0.5) == y) > 0.9

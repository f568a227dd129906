"""The experiments on the small models: what they measure, on synthetic reviews and by hand."""

import json
from functools import partial

import numpy as np
import pytest
from scipy.sparse import csr_array

import right_bits
from unrolled import datasets, load_model, saving
from unrolled.activations import sigmoid
from unrolled.experiments.__main__ import main
from unrolled.experiments.reviews import challenge, gates, models
from unrolled.experiments.shared import (
    linear,
    measures,
    pairs,
    reader,
    record,
    small,
    teacher,
)
from unrolled.experiments.shared.measures import wilson
from unrolled.experiments.trends import int8

TINY = {"data": "sample", "embedding": 4, "units": 3, "epochs": 2, "maxlen": 40}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder for recorded runs."""
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.fixture
def few(monkeypatch):
    """Synthetic reviews, fewer than the loaders give."""
    load = partial(datasets.load_sample, 200, 60)
    for module in (datasets, datasets.sources):  # where tests and where experiments look
        monkeypatch.setattr(module, "load_sample", load)


def run(name, **settings):
    return main([name, *(f"--{key.replace('_', '-')}={value}" for key, value in settings.items())])


def test_training_gives_the_same_weights_again_and_stores_only_the_books_model(results, few):
    (x, y), _ = datasets.load_sample(num_words=10_000)
    settings = models.Settings("gru", 3, **TINY)
    x = [np.array(ids) for ids in x]
    one, curves = small.train(settings, x, y)
    other, _ = small.train(settings, x, y)
    for a, b in zip(one.weights, other.weights, strict=True):
        assert np.array_equal(a, b)
    assert [len(curve) for curve in curves.values()] == [2, 2]
    assert [type(layer).__name__ for layer in one.layers] == ["Embedding", "GRU", "Dense"]
    assert run("models", model="rnn", **TINY) == 0
    assert not (results.parent / "models").exists()
    (result,) = record.read_results("models")
    figures = result["figures"]
    assert np.sum(figures["confusion"]) == figures["first_test_reviews"] == 60
    assert right_bits.agree(figures["right_bits"], figures["test_accuracy"])
    assert figures["first_right"] == pytest.approx(60 * figures["test_accuracy"])


@pytest.mark.parametrize(
    ("pooling", "layer"), [("max", "GlobalMaxPooling1D"), ("average", "GlobalAveragePooling1D")]
)
def test_pooling_gives_the_classifier_all_states(few, pooling, layer):
    (x, y), _ = datasets.load_sample(num_words=10_000)
    x = [np.array(ids) for ids in x]
    last, _ = small.train(models.Settings("lstm", **TINY), x, y)
    pooled, _ = small.train(models.Settings("lstm", pooling=pooling, **TINY), x, y)
    kinds = [type(part).__name__ for part in pooled.layers]
    assert kinds == ["Embedding", "LSTM", layer, "Dense"]
    states = pooled.layers[1](pooled.layers[0](x[0][None]))
    assert states.shape == (1, len(x[0]), TINY["units"])
    read = states.max(axis=1) if pooling == "max" else states.mean(axis=1)
    np.testing.assert_allclose(pooled.predict([x[0]]), pooled.layers[-1](read), atol=1e-6)
    assert not np.array_equal(pooled.weights[0], last.weights[0])


def test_the_books_model_is_stored_as_it_was_measured(results, few, monkeypatch):
    index = datasets.get_word_index("sample")
    _, (test_ids, y_test) = datasets.load_data(10_000, "sample")
    monkeypatch.setattr(models, "Settings", partial(models.Settings, **TINY))
    monkeypatch.setattr(models, "taught", lambda settings: ([], np.empty(0)))
    settings = models.Settings("lstm", unlabelled=50_000, excerpts=1)
    figures = models.run(settings, results)["figures"]
    monkeypatch.setattr(saving, "STORED", results.parent / "models")
    loaded = load_model("lstm")
    header, _ = saving.read(saving.find("lstm"))
    assert header["test_accuracy"] == figures["test_accuracy"]
    assert header["vocabulary"][:2] == sorted(index, key=index.get)[:2]
    probability = loaded.predict([np.array(ids[-40:]) for ids in test_ids])[:, 0]
    measured = measures.test_figures(y_test, probability)
    assert measured["confusion"] == figures["confusion"]
    assert measured["test_loss"] == pytest.approx(figures["test_loss"], abs=1e-5)


def test_choosing_reads_a_split_by_movie_and_not_the_test_set(results):
    settings = models.Settings("rnn", **TINY | {"validation": 0.3, "epochs": 1})
    figures = models.run(settings, results)["figures"]
    assert set(figures) == {"validation_loss", "validation_accuracy", "excerpt_accuracy"}


def test_scores_count_reviews_pairs_and_order():
    reviews = datasets.load_challenge()
    labels = np.array([float(review.label) for review in reviews])
    perfect = pairs.scores(labels)
    mixed = perfect["phenomena"]["mixed"]
    for name in ("accuracy", "pairs", "ordered"):
        assert (perfect[name], mixed[name]) == (1, 1)
        assert perfect[f"{name}_interval"] == pytest.approx(wilson(1, 256), abs=1e-4)
        assert mixed[f"{name}_interval"] == pytest.approx(wilson(1, 32), abs=1e-4)
    always = pairs.scores(np.full(512, 0.9))
    assert (always["accuracy"], always["pairs"], always["ordered"]) == (0.5, 0, 0.5)
    assert always["accuracy_interval"] == pytest.approx(wilson(0.5, 256), abs=1e-4)
    leaning = pairs.scores(0.6 + labels / 10)  # says positive always, but in the right order
    assert (leaning["accuracy"], leaning["pairs"], leaning["ordered"]) == (0.5, 0, 1)
    one = np.where([review.phenomenon == "sarcasm" for review in reviews], labels, 1 - labels)
    one[0] = 1
    scored = pairs.scores(one)
    assert scored["phenomena"]["sarcasm"]["accuracy"] == 1
    negation = scored["phenomena"]["negation"]
    assert (negation["accuracy"], negation["pairs"], negation["ordered"]) == (1 / 64, 0, 1 / 64)
    assert scored["accuracy"] == pytest.approx(65 / 512)
    with pytest.raises(ValueError, match="expected 512 probabilities"):
        pairs.scores(one[1:])
    with pytest.raises(ValueError, match="expected 512 probabilities"):
        pairs.scores(np.where(np.arange(512) == 3, np.nan, one))


def test_wilsons_interval_is_where_the_normal_test_just_does_not_reject():
    """Its ends are the probabilities p from which the share is 1.96 standard errors away."""
    for share, n in ((0.0, 32), (0.3, 32), (0.5, 10), (1.0, 256)):
        low, high = wilson(share, n)
        assert low <= share <= high
        for end in {low, high} - {0.0, 1.0}:
            error = (end * (1 - end) / n) ** 0.5
            assert abs(end - share) == pytest.approx(1.959964 * error)
    assert wilson(0.0, 32)[0] == pytest.approx(0, abs=1e-12)
    assert wilson(0.5, 32) == pytest.approx((0.3364, 0.6636), abs=1e-4)
    with pytest.raises(ValueError, match="at least 1 trial"):
        wilson(0.5, 0)


def test_a_linear_model_answers_the_challenge_set():
    (x, y), _ = datasets.load_sample()
    index = datasets.get_word_index("sample")
    found = challenge.linear_answers("pairs", x, y, 10.0, index)
    features = linear.Features("pairs")
    classifier = linear.fit(features.fit_transform(x, y), y, 10.0)
    ids = np.empty(1, dtype=object)
    for place in (0, 37):
        ids[0] = datasets.encode(datasets.load_challenge()[place].text, index)
        expected = classifier.predict_proba(features.transform(ids))[0, 1]
        assert found[place] == pytest.approx(expected, abs=1e-9)
    assert found.shape == (512,)


def test_the_challenge_takes_the_answers_that_models_recorded(results, few):
    assert run("challenge", model="rnn", seed=1) == 1  # not recorded yet
    recorded = record.record(models, models.Settings("rnn", 1, **TINY))
    path = results / "models-rnn-seed1-unlabelled50000-excerpts1.json"
    recorded.rename(path)
    assert run("challenge", model="rnn", seed=1) == 0
    (result,) = record.read_results("challenge")
    figures = json.loads(path.read_text())["figures"]
    assert result["figures"]["answers"] == figures["challenge_answers"]
    assert result["figures"]["weights_from"] == path.name
    assert len(set(figures["challenge_answers"])) > 1


def test_the_challenge_answers_that_models_records_are_of_the_stored_weights(results, few):
    settings = models.Settings("gru", 3, **TINY)
    given = models.run(settings, results)["figures"]["challenge_answers"]
    (x, y), _ = datasets.load_sample(num_words=10_000)
    model, _ = small.train(settings, [np.array(ids[-40:]) for ids in x], y)
    ids = pairs.challenge_ids(datasets.get_word_index("sample"), 10_000)
    expected = model.predict(ids)[:, 0]
    assert 0 < np.abs(given - expected).max() < 0.01  # int8 weights, as those that are stored


def test_excerpts_are_stretches_of_their_texts():
    rng = np.random.default_rng(0)
    texts = [[1, *rng.permutation(1000)[:n].tolist()] for n in (300, 39, 3, 80)] * 50
    found = teacher.excerpts(texts, seed=2)
    assert found == teacher.excerpts(texts, seed=2) != teacher.excerpts(texts, seed=3)
    places = set()
    for text, (start, *words) in zip(texts, found, strict=True):
        first = text.index(words[0])
        places.add(first)
        assert start == 1 <= first
        assert words == text[first : first + len(words)]
        longest = min(teacher.LONGEST, len(text) - 1)
        assert min(teacher.SHORTEST, len(text) - 1) <= len(words) <= longest
    assert len(places) > 40


def test_the_teacher_is_asked_once(tmp_path, monkeypatch):
    asked = []

    class Model:
        def predict(self, x, batch_size):
            asked.append(x)
            return np.array([[len(ids) / 100] for ids in x])

    stored = tmp_path / "best.npz"
    stored.write_bytes(b"weights")
    monkeypatch.setattr(teacher, "STORED", stored)
    monkeypatch.setattr(reader, "load", lambda path: (Model(), {}))
    settings = reader.Settings(tokens=8)
    texts = [[1, 5], [1, *range(20)]]
    first = teacher.answers(settings, texts, tmp_path / "kept")
    np.testing.assert_array_equal(first, [0.02, 0.08])
    np.testing.assert_array_equal(teacher.answers(settings, texts, tmp_path / "kept"), first)
    assert len(asked) == 1
    teacher.answers(settings, texts[:1], tmp_path / "kept")
    stored.write_bytes(b"other weights")
    teacher.answers(settings, texts, tmp_path / "kept")
    assert len(asked) == 3


def test_on_held_out_movies_the_teacher_has_not_seen_their_labels(tmp_path, monkeypatch):
    """It is trained on the reviews that `reader.load_reviews` keeps, and on no others."""
    trained = []
    train = reader.train

    def watched(settings, reviews, *others, **more):
        trained.append(reviews)
        return train(settings, reviews, *others, **more)

    monkeypatch.setattr(reader, "train", watched)
    small_reader = {"num_words": 600, "tokens": 20, "dimensions": 4, "units": 4, "vote_bits": 12}
    settings = reader.Settings("validation", data="sample", epochs=1, **small_reader)
    given = teacher.answers(settings, [[1, 5, 6], [1, 7]], tmp_path)
    kept = reader.load_reviews(settings)
    assert ((given > 0) & (given < 1)).all()
    assert trained[0].x.tolist() == kept.x.tolist()
    everything, _ = datasets.load_data(source="sample")
    assert len(kept.x) + len(kept.x_measured) == len(everything[0])


def test_a_small_model_learns_the_teachers_answers(results, few, monkeypatch):
    """On whole texts and on excerpts of them, cut and with rare words unknown as it reads them."""
    (x, y), _ = datasets.load_sample()
    told = np.where(y == 1, 0.05, 0.95)

    def answers(settings, texts, kept):
        assert settings.measured_on == "test"
        assert [len(text) for text in texts[len(x) :]] <= [41] * len(x)
        return np.concatenate([told, told])

    monkeypatch.setattr(reader, "unlabelled_texts", lambda data, measured: [*x])
    monkeypatch.setattr(teacher, "answers", answers)
    seen = []
    train = small.train
    monkeypatch.setattr(models, "train", lambda *a: seen.append(a) or train(*a))
    settings = models.Settings("gru", **TINY, unlabelled=len(x), excerpts=1, num_words=50)
    models.run(settings, results)
    _, learned, labels, _ = seen[0]
    assert len(learned) == len(labels) == 3 * len(x)
    np.testing.assert_array_equal(labels[len(x) :], np.concatenate([told, told]))
    for ids, text in zip(learned[len(x) : 2 * len(x)], x, strict=True):
        np.testing.assert_array_equal(ids, [i if i < 50 else 2 for i in text[-40:]])


def test_a_split_that_the_teacher_does_not_share_is_refused(results, capsys):
    assert run("models", unlabelled=10, validation=0.3, **TINY) == 1
    assert "holds out 0.2" in capsys.readouterr().err


def test_the_challenge_says_what_has_to_be_recorded_first(results, capsys):
    assert run("challenge", model="words") == 1
    assert "experiments baselines --model words --seed 0" in capsys.readouterr().err


def test_the_challenge_takes_no_seed_that_would_change_nothing(results, capsys):
    assert run("challenge", model="best", seed=1) == 1
    assert "no other seed than 0" in capsys.readouterr().err


def test_recorded_challenge_runs_score_their_answers():
    runs = record.read_results("challenge")
    assert {run["settings"]["model"] for run in runs} == {
        settings["model"] for settings, _ in challenge.RUNS
    }
    for figures in (run["figures"] for run in runs):
        answers = figures.pop("answers")
        assert figures.pop("weights_from")
        again = pairs.scores(answers)
        assert json.loads(json.dumps(again)) == figures


def test_words_are_listed_by_how_far_they_move_the_verdict(monkeypatch):
    monkeypatch.setattr(gates, "OFTEN", 2)
    reviews = [np.array([1, 4, 5, 2]), np.array([1, 5, 4, 6])]
    verdicts = [np.array([0.0, 1, -2, 9]), np.array([0.0, -1, 1, 4])]
    found = gates.moving_words(reviews, verdicts, ["up", "down", "rare"])
    down, up = ["down", -2.0], ["up", 1.5]
    assert (found["down"], found["up"], found["frequent"]) == ([down, up], [up, down], 2)
    assert found["explained"] == pytest.approx(
        np.var([-2, -2, 1.5, 1.5]) / np.var([-3, -1, 1, 2]), abs=1e-4
    )


def test_following_is_correlation_over_steps_and_at_the_end():
    rng = np.random.default_rng(0)
    labels, lengths = np.array([0, 1, 1, 0, 1]), (6, 9, 7, 8, 6)
    seen = {"h": [rng.normal(size=(T, 5)) for T in lengths], "verdict": []}
    seen["f"] = [np.full((T, 5), [0.5, 0.95, 0.95, 0.5, 1]) for T in lengths]
    for label, h in zip(labels, seen["h"], strict=True):
        seen["verdict"].append(2 * h[:, 3])
        h[-1, 1] = 5 * label
    found = gates.rounded(gates.follow(seen, labels))
    assert found["h with verdict"][3] == 1
    assert found["h with label"][1] == 1
    assert found["open"] == [0, 1, 1, 0, 1]
    assert found["half-life"][:2] == [1, 13.5134]
    assert found["steps"] == 36


def test_memory_is_what_counts_before_the_end_against_the_end(monkeypatch):
    sizes, gate = 1.1 ** np.arange(70.0)[:, None], np.linspace(0.8, 0.99, 70)[:, None]
    monkeypatch.setattr(gates.inspection, "state_gradients", lambda *_: {"c": sizes, "h": gate})
    monkeypatch.setattr(gates.inspection, "read", lambda *_: {"f": gate, "h": gate})
    found = gates.memory(None, [np.arange(70)] * 3)
    for place, lag in enumerate(gates.LAGS):
        assert found["by all paths"][place] == pytest.approx(1.1**-lag)
        assert found["by the gate"][place] == pytest.approx(np.prod(gate[70 - lag :]))
    monkeypatch.setattr(gates.inspection, "read", lambda *_: {"h": gate})
    assert "by the gate" not in gates.memory(None, [np.arange(70)])


def test_words_that_decide_a_linear_model_are_found_and_others_are_not():
    """Where the right order is known, deleting by it turns verdicts; at random it does not."""
    from unrolled import Sequential, layers

    model = Sequential(
        [
            layers.Embedding(100, 1, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.build((None, None))
    rng = np.random.default_rng(2)
    words = np.zeros((100, 1))
    words[50:60], words[60:70] = 30, -30  # ten words for, ten against
    model.set_weights([words, np.ones((1, 1)), np.zeros(1)])
    reviews = []
    for _ in range(20):
        decisive = rng.choice(np.arange(50, 60), 3) + 10 * rng.integers(2)
        reviews.append(np.array([1, *rng.permutation([*rng.integers(3, 50, 60), *decisive])]))
    found = gates.rounded(gates.faithfulness(model, reviews, rng))
    for name in ("occlusion", "integrated gradients"):
        sure = found["sure"][name]
        assert sure[0] == pytest.approx(sigmoid(np.array(90 / 64)), abs=1e-3)
        assert sure[3] == pytest.approx(0.5, abs=1e-3)  # four words deleted, three decided
    assert found["sure"]["random"][3] > 0.7
    assert found["gap"] < 1e-3


def test_int8_measures_each_format_of_the_same_weights(results, few):
    assert run("int8", model="rnn", data="sample", epochs=1) == 0
    (result,) = record.read_results("int8")
    formats = result["figures"]["formats"]
    assert list(formats) == list(int8.FORMATS)
    assert formats["float32"]["answers_changed"] == 0
    sizes = [formats[name]["bytes"] for name in int8.FORMATS]
    assert sizes[1] * 2 == sizes[0]
    assert sizes[0] / 4 < sizes[2] < sizes[4] < sizes[3] < sizes[0] / 3
    assert 0 < formats["int8 per column"]["mean_change"] < 0.02
    assert formats["float16"]["mean_change"] < formats["int8 per array"]["mean_change"]


def test_a_soft_label_counts_as_two_weighted_ones():
    """As many copies of a review as its label says in tenths, with one label or the other."""
    rng = np.random.default_rng(0)
    x = csr_array((rng.random((40, 6)) < 0.5).astype(np.float32))
    p = rng.integers(1, 10, 40) / 10
    tenths = np.rint(10 * p).astype(int)
    copies = np.repeat(np.arange(40), 10)
    labels = np.concatenate([np.arange(10) < n for n in tenths]).astype(int)
    soft = linear.fit(x, p, penalty=1.0)
    hard = linear.fit(x[copies], labels, penalty=0.1)  # ten times the rows weigh ten times
    np.testing.assert_allclose(soft.coef_, hard.coef_, rtol=1e-2, atol=1e-3)
    ratio = linear.log_count_ratio(x, p, smoothing=1.0)
    repeated = linear.log_count_ratio(x[copies], labels, smoothing=10.0)
    np.testing.assert_allclose(ratio, repeated, atol=1e-12)

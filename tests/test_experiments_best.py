"""The stronger readers: their parts by hand and by differences, no label leaks, and whole runs."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import right_bits
from test_datasets_archive import pack
from unrolled import datasets, saving, set_random_seed
from unrolled.datasets import DataError, imdb
from unrolled.experiments.__main__ import main
from unrolled.experiments.reviews import ablation, best, fast, race, selftraining, without_lstm
from unrolled.experiments.shared import paired, parts, quick, reader, vectors
from unrolled.experiments.shared.pairs import challenge_ids
from unrolled.experiments.shared.record import read_results
from unrolled.gradcheck import check_layer
from unrolled.layers import LSTM, Bidirectional

DIFFERENCES = 1e-7
SMALL = {"data": "sample", "num_words": 600, "tokens": 120, "dimensions": 8, "units": 6}


@pytest.fixture
def two_texts(acl_imdb, monkeypatch):
    """The small aclImdb folder with two texts in train/unsup, numbered 2 and 10."""
    monkeypatch.setattr(imdb, "UNLABELLED", 2)
    folder = acl_imdb / "train" / "unsup"
    (folder / "0_0.txt").unlink()
    (folder / "10_0.txt").write_text("A DULL marvel.")
    (folder / "2_0.txt").write_text("great film, nobody rated it")
    return acl_imdb


@pytest.fixture
def few(monkeypatch):
    """Synthetic reviews, fewer than the loaders give, where it does not matter what is learned."""
    for load in ("load_sample", "sample_movies"):
        made = partial(getattr(datasets, load), 400, 60)
        monkeypatch.setattr(datasets.sources, load, made)


def test_unlabelled_texts_are_encoded_like_the_test_reviews(two_texts):
    word_index = datasets.get_word_index("imdb", path=two_texts)
    great, film, it, a, dull = (word_index[w] + 3 for w in ["great", "film", "it", "a", "dull"])
    expected = [[1, great, film, it], [1, a, dull]]  # 2 before 10; unknown words left out
    for path in (two_texts, two_texts.parent, pack(two_texts, ".tar.xz")):
        assert list(datasets.load_unlabelled(path=path)) == expected
    limited = datasets.load_unlabelled(num_words=great + 1, path=two_texts)
    assert limited[0] == [1, great, 2, 2]


def test_unlabelled_texts_beside_keras_file(imdb_npz, two_texts):
    words = {name: k for k, name in enumerate(["a", "great", "dull", "film", "it"], start=1)}
    imdb_npz.with_name("imdb_word_index.json").write_text(json.dumps(words))
    assert list(datasets.load_unlabelled(path=imdb_npz)) == [[1, 5, 7, 8], [1, 4, 6]]
    (two_texts / "train" / "unsup" / "10_0.txt").unlink()
    with pytest.raises(DataError, match="holds 1 reviews in train/unsup where 2 are expected"):
        datasets.load_unlabelled(path=imdb_npz)
    two_texts.rename(two_texts.with_name("elsewhere"))
    with pytest.raises(FileNotFoundError, match=r"no aclImdb lies beside it: put"):
        datasets.load_unlabelled(path=imdb_npz)


def test_an_ngram_has_its_bucket_wherever_it_stands():
    one = list(parts.ngram_buckets(np.array([[0, 0, 7, 8, 9], [8, 7, 8, 9, 9]]), 3, 20))
    two = list(parts.ngram_buckets(np.array([7, 8, 9]), 3, 20))
    for n in range(3):
        assert one[n].min() >= 0
        assert one[n].max() < 2**20
        assert one[n][0, 2:].tolist() == two[n].tolist()  # padding is the same as nothing
        assert one[n][0, 4] == one[n][1, 3]  # (9), (8, 9), (7, 8, 9)
    assert one[1][1, 0] != one[1][1, 2]  # (0, 8) is not (7, 8)
    assert two[1][1] != list(parts.ngram_buckets(np.array([8, 7]), 2, 20))[1][1]  # order counts
    many = list(parts.ngram_buckets(np.arange(4000), 2, 22))[1]
    assert len(np.unique(many)) > 3980


def test_text_input_by_hand():
    votes = np.arange(3 * 2 * 64, dtype=np.float32).reshape(3, 2, 64)
    layer = parts.TextInput(10, 2, pair_bits=4, votes=votes)
    layer.build((None, None))
    words, pairs = layer.weights
    assert not pairs.any()
    pairs[...] = np.arange(32).reshape(16, 2)
    x = np.array([[0, 1, 5, 12], [0, parts.FOLD + 1, 5, 12]])
    y = layer(x)
    assert y.shape == (2, 4, 4) == layer.compute_output_shape((2, 4))
    assert layer.compute_mask(x).tolist() == [[False, True, True, True]] * 2
    ids, real = np.array([0, 1, 5, 12]), np.array([0, 1, 1, 1])
    _, pair = parts.ngram_buckets(ids, 2, 4)
    expected = words[[0, 1, 5, parts.UNKNOWN]] + pairs[pair]
    np.testing.assert_allclose(y[0, :, :2], expected, rtol=1e-6)
    np.testing.assert_array_equal(y[1, :, :2], y[0, :, :2])
    for n, bucket in enumerate(parts.ngram_buckets(ids, 2, 6)):
        assert y[0, :, 2 + n].tolist() == (parts.SCALE * votes[0, n, bucket] * real).tolist()
        assert (
            y[1, :, 2 + n].tolist() == (parts.SCALE * votes[2, n, bucket] * real).tolist()
        )  # of fold 1


def test_word_dropout_takes_the_vote_along_and_spares_the_padding():
    set_random_seed(0)
    layer = parts.TextInput(50, 3, word_dropout=0.5, votes=np.ones((1, 2, 2**16)))
    x = np.tile(np.arange(10, 40), (40, 1))
    x[:, :5] = 0
    y = layer(x, training=True)
    unknown = (y[:, :, :3] == layer.weights[0][parts.UNKNOWN]).all(axis=-1)
    assert not unknown[:, :5].any()
    assert 0.45 < unknown[:, 5:].mean() < 0.55
    np.testing.assert_array_equal(y[:, 5:, 3] == 0, unknown[:, 5:])
    assert (layer(x)[:, 5:, 3:] == parts.SCALE).all()
    assert not layer(x)[:, :5, 3:].any()


def test_an_ngram_votes_once():
    ids = np.array([[3, 5, 3, 3, 5], [5, 5, 4, 3, 4]])
    first = [[1, 1, 0, 0, 0], [1, 0, 1, 1, 0]]
    assert parts.first_time(ids).tolist() == np.array(first, bool).tolist()
    layer = parts.TextInput(9, 1, votes=np.ones((1, 1, 64)))
    assert (layer(ids)[:, :, 1] == parts.SCALE * np.array(first)).all()


def test_vote_dropout_takes_all_votes_of_a_review_or_none():
    set_random_seed(0)
    layer = parts.TextInput(50, 3, vote_dropout=0.5, votes=np.ones((1, 2, 2**16)))
    x = np.tile(np.arange(7, 13), (400, 1))
    votes = layer(x, training=True)[:, :, 3:].reshape(400, -1)
    assert set(votes.sum(axis=1)) == {0, 12 * parts.SCALE}
    assert 150 < (votes[:, 0] == 0).sum() < 250
    assert (layer(x)[:, :, 3:] == parts.SCALE).all()


def test_gradients_of_the_parts_agree_with_differences():
    rng = np.random.default_rng(0)
    ids = np.array([[0, 3, 1, 7], [2, 5, 5, 3]])
    text = parts.TextInput(6, 3, pair_bits=2, votes=rng.standard_normal((1, 2, 8)))
    text.build((None, None), "float64")
    assert check_layer(text, ids).error < DIFFERENCES
    dropping = parts.TextInput(6, 3, pair_bits=2, dropout=0.4)
    dropping.build((None, None), "float64")
    assert check_layer(dropping, ids, training=True).error < DIFFERENCES
    frozen = parts.TextInput(6, 3, frozen=True)
    y, cache = frozen.forward(ids)
    _, (gradient,) = frozen.backward(np.ones_like(y), cache)
    assert not gradient.any()
    x, mask = rng.standard_normal((3, 4, 5)), np.arange(4) >= np.array([[0], [2], [1]])
    for layer in (
        parts.MaxAndMean(),
        parts.MaxAndMean(beside=2),
        parts.SumOfVotes(2),
        parts.Beside(LSTM(3, return_sequences=True), 2),
        parts.Beside(Bidirectional(LSTM(3, return_sequences=True)), 1),
    ):
        layer.build(x.shape, "float64")
        result = check_layer(layer, x, mask)
        assert result.error < DIFFERENCES, (layer, result)
    assert np.array_equal(layer(x, mask)[..., -1:], x[..., -1:])


def test_max_and_mean_look_at_real_steps_only():
    x = np.array([[[9.0], [1.0], [2.0]]])
    y = parts.MaxAndMean()(x, mask=[[False, True, True]])
    assert y.tolist() == [[2.0, 1.5]]
    y = parts.MaxAndMean(beside=1)(np.concatenate([x, -x], axis=2), mask=[[0, 1, 1]])
    assert y.tolist() == [[2.0, 1.5, -3.0 / parts.SCALE]]


def test_the_sum_of_votes_is_what_stands_beside_maximum_and_mean():
    x = np.random.default_rng(0).standard_normal((2, 4, 5))
    mask = np.array([[0, 1, 1, 1], [1, 1, 1, 1]])
    total = parts.SumOfVotes(3)(x, mask)
    np.testing.assert_allclose(total, (x * mask[:, :, None]).sum(axis=1)[:, 2:] / parts.SCALE, 1e-6)
    np.testing.assert_array_equal(total, parts.MaxAndMean(beside=3)(x, mask)[:, 4:])


def test_the_rate_rises_and_falls_and_the_mean_of_weights_follows():
    optimizer = parts.FallingAdam(peak=0.1, steps=20, average=0.5)
    weight, rates, seen = np.zeros(1), [], []
    for _ in range(20):
        optimizer.apply([np.ones(1)], [weight])
        rates.append(optimizer.learning_rate)
        seen.append(weight[0])
    assert max(rates) == pytest.approx(0.1)
    assert np.argmax(rates) == 1
    assert rates[0] == pytest.approx(0.05)
    assert rates[-1] == pytest.approx(0.1 / 18)
    assert np.all(np.diff(rates[3:]) < 0)
    assert min(seen) < optimizer.averages[0][0] < max(seen)
    mean = seen[0]
    for number, value in enumerate(seen, start=1):
        mean += (1 - min(0.5, number / (number + 9))) * (value - mean)
    assert optimizer.averages[0][0] == pytest.approx(mean)


def test_shortened_keeps_the_first_quarter_and_the_end():
    assert parts.shortened([1, 2, 3], 4) == [1, 2, 3]
    assert parts.shortened(list(range(10)), 4) == [0, 7, 8, 9]


def test_neighbours_and_ppmi_by_hand(record):
    counts = vectors.neighbours([[1, 3, 4, 2, 3], [4, 99]], num_words=6, window=2).toarray()
    expected = np.zeros((6, 6))
    expected[3, 4] = expected[4, 3] = 1 + 1 / 2  # 3 4 and 4 . 3; not across reviews
    np.testing.assert_allclose(counts, expected)

    from scipy.sparse import csr_array

    counts = np.array([[0.0, 4, 1], [4, 0, 1], [1, 1, 0]])
    words, context = counts.sum(axis=1), counts.sum(axis=1) ** 0.75
    with np.errstate(divide="ignore"):
        pmi = np.log(counts * context.sum() / np.outer(words, context))
    found = vectors.ppmi(csr_array(counts)).toarray()
    record("eq-ppmi", np.abs(found - np.maximum(pmi, 0)).max(), 1e-6)


def test_words_in_the_same_places_get_like_vectors():
    rng = np.random.default_rng(0)
    reviews = [[1, 5, rng.choice([10, 11]), 6, 7, rng.choice([12, 13]), 8] for _ in range(300)]
    v = vectors.word_vectors(reviews, num_words=14, dimensions=4)
    assert v.shape == (14, 4)
    assert v.dtype == np.float32
    assert not v[:3].any()
    assert np.sqrt(np.mean(v[[5, 6, 10, 12]] ** 2)) == pytest.approx(0.25, rel=1e-3)
    near, far = v[10] @ v[11], v[10] @ v[12]
    assert near > 0.9 * v[10] @ v[10] > far


def test_no_vote_on_a_review_has_seen_its_label():
    (x, y), _ = datasets.load_sample(num_train=120, num_test=2)
    movies, _ = datasets.sample_movies(120, 2)
    folds = vectors.movie_folds(movies, 3, seed=0)
    assert len(set(zip(movies, folds, strict=True))) == len(set(movies))
    votes = vectors.ngram_votes(x, y, folds, bits=12)
    assert votes.shape == (4, 3, 2**12)
    flipped = np.where(folds == 1, 1 - y, y)
    others = vectors.ngram_votes(x, flipped, folds, bits=12)
    np.testing.assert_array_equal(votes[2], others[2])  # table 1 + k has not seen fold k
    for table in (0, 1, 3):
        assert np.any(votes[table] != others[table])


def test_votes_are_the_same_for_any_number_of_threads(monkeypatch):
    (x, y), _ = datasets.load_sample(num_train=60, num_test=2)
    found = []
    for count in (1, 3):
        monkeypatch.setattr(vectors, "threads", partial(int, count))
        found.append(vectors.ngram_votes(x, y, np.arange(60) % 3, bits=12))
    np.testing.assert_array_equal(*found)


def test_votes_alone_classify_what_their_labels_teach():
    (x, y), (x_test, y_test) = datasets.load_sample()
    votes = vectors.ngram_votes(x, y, np.arange(len(y)) % 2, bits=16)[0]
    sums = [
        sum(votes[n, b].sum() for n, b in enumerate(parts.ngram_buckets(np.array(ids[1:]), 3, 16)))
        for ids in x_test
    ]
    assert np.mean((np.array(sums) > 0) == y_test) > 0.9
    probability = vectors.nbsvm_probability(x, y, x_test, bits=16)
    assert np.mean((probability > 0.5) == y_test) > 0.95


@pytest.mark.parametrize("measured_on", ["test", "validation"])
def test_the_best_reader_learns_from_votes(measured_on, tmp_path):
    small = {**SMALL, "vote_bits": 14, "epochs": 2, "batch_size": 32, "folds": 2}
    settings = best.Settings(measured_on=measured_on, learning_rate=0.01, average=0.9, **small)
    result = best.run(settings, tmp_path)
    assert result["figures"][f"{measured_on}_accuracy"] > 0.8
    assert ("test_accuracy" in result["figures"]) == (measured_on == "test")
    answers = right_bits.pairs(result["figures"])
    assert len(answers) == 3  # the reader, NB-SVM, and both together
    assert all(right_bits.agree(bits, accuracy) for bits, accuracy in answers)
    assert result["seconds"]["training"] > 0


def test_votes_from_answers_have_not_seen_the_answer_they_are_given_to():
    """As for labels: a text's own n-grams say nothing of it in the table of its fold."""
    (x, y), _ = datasets.load_sample(num_train=60, num_test=2)
    texts = [[1, 9000 + n, 9000 + n, 7] for n in range(40) for _ in range(2)]  # pairs of equals
    answers = np.linspace(0.1, 0.9, 80)
    folds = np.arange(60) % 3
    votes, joined = vectors.votes_from_answers(x, y, folds, texts, answers, bits=16, seed=1)
    np.testing.assert_array_equal(joined[:60], folds)
    assert set(joined[60:]) == {0, 1, 2}
    classes = np.concatenate([y, answers > 0.5])
    expected = vectors.ngram_votes([*x, *texts], classes, joined, bits=16)
    np.testing.assert_array_equal(votes, expected)
    alone = [n for n in range(0, 80, 2) if joined[60 + n] == joined[61 + n]]
    assert alone
    for n in alone:
        (bucket,) = next(iter(parts.ngram_buckets(np.array([texts[n][1]]), 1, 16)))
        assert votes[1 + joined[60 + n], 0, bucket] == 0 != votes[0, 0, bucket]


def test_a_student_learns_what_its_teacher_answers(more_texts, monkeypatch, tmp_path):
    trained = []
    train = reader.train

    def watched(settings, reviews, *others, **more):
        model, curves = train(settings, reviews, *others, **more)
        trained.append((settings, more, model))
        return model, curves

    monkeypatch.setattr(reader, "train", watched)
    monkeypatch.setattr(reader, "student", lambda settings: replace(settings, epochs=1))
    small = {**SMALL, "vote_bits": 14, "epochs": 2, "batch_size": 32, "folds": 2}
    result = best.run(best.Settings(**small, self_training=1), tmp_path)
    (first, none, teacher), (second, lesson, _), (third, again, _), (fourth, _, _) = trained
    assert [settings.epochs for settings, _, _ in trained] == [2, 1, 1, 1]
    assert second == replace(first, epochs=1)
    assert third == replace(second, units=0)
    assert fourth == replace(second, layer="dense")
    assert "unlabelled" not in none
    assert again["soft_labels"] is lesson["soft_labels"]
    assert lesson["unlabelled"] == more_texts
    expected = reader.predict(teacher, more_texts, first.tokens)
    np.testing.assert_array_equal(lesson["soft_labels"], expected)
    figures = result["figures"]
    names = ("teacher", "without_lstm", "word_alone", "nbsvm_soft", "nbsvm", "ensemble")
    assert all(f"{name}_accuracy" in figures for name in names)
    answers = right_bits.pairs(figures)
    assert len(answers) == 7
    assert all(right_bits.agree(bits, accuracy) for bits, accuracy in answers)
    parts = ("vectors", "votes", "fit", "labelling", "student_votes", "student")
    spent = sum(result["seconds"][part] for part in parts)
    assert result["seconds"]["training"] == pytest.approx(spent)


def test_a_layer_that_sees_each_word_alone_knows_no_order():
    says = {}
    for layer in ("lstm", "dense"):
        settings = reader.Settings(**SMALL, votes=0, layer=layer)
        set_random_seed(0)
        model = reader.build_model(settings)
        says[layer] = reader.predict(model, [[1, 5, 6, 7, 8], [1, 8, 7, 6, 5]], 100)
        assert model.layers[1].compute_output_shape((None, None, 8)) == (None, None, 12)
    assert np.ptp(says["dense"]) < 1e-6 < np.ptp(says["lstm"])
    with pytest.raises(ValueError, match="no last state"):
        reader.build_model(reader.Settings(**SMALL, layer="dense", pooling="last"))


def test_self_training_needs_texts_to_learn(tmp_path):
    with pytest.raises(ValueError, match="unlabelled reviews: real data"):
        best.run(best.Settings(**SMALL, self_training=1), tmp_path)


@pytest.mark.parametrize("measured_on", ["test", "validation"])
def test_the_reader_without_its_lstm_is_else_the_best_one(measured_on, tmp_path):
    settings = without_lstm.Settings(measured_on=measured_on)
    with_it = reader.Settings(measured_on=measured_on)
    assert vars(settings) == vars(with_it) | {"units": 0}
    small = {**SMALL, "vote_bits": 14, "epochs": 2, "batch_size": 32, "folds": 2, "units": 0}
    result = without_lstm.run(without_lstm.Settings(measured_on=measured_on, **small), tmp_path)
    figures = result["figures"]
    assert right_bits.agree(figures["right_bits"], figures[f"{measured_on}_accuracy"])
    assert ("test_accuracy" in figures) == (measured_on == "test")
    assert figures[f"{measured_on}_accuracy"] > 0.8
    assert figures["parameters"] == 600 * 8 + 2 * 8 + 3 + 1  # words; maximum, mean, votes, bias


def test_a_review_learns_with_the_votes_that_have_not_seen_its_label(monkeypatch):
    given = []
    fit = reader.Sequential.fit
    monkeypatch.setattr(
        reader.Sequential, "fit", lambda m, x, *a, **o: given.append(x) or fit(m, x, *a, **o)
    )
    (x, y), _ = datasets.load_sample(num_train=40, num_test=2)
    folds = np.arange(40) % 3
    votes = np.zeros((4, 3, 64), np.float16)
    settings = best.Settings(**SMALL, epochs=1)
    reader.train(settings, reader.Reviews(x, y, folds, x, y), None, votes, folds)
    ((ids),) = given
    assert [review[0] - parts.FOLD for review in ids] == folds.tolist()
    assert [review[1:] for review in ids] == [parts.shortened(r, 120)[1:] for r in x]


def test_the_same_seed_gives_the_same_reader():
    settings = best.Settings(**SMALL, votes=0, epochs=1, batch_size=32)
    (x, y), _ = datasets.load_sample(num_train=100, num_test=2)
    reviews = reader.Reviews(x, y, np.arange(100), x, y)
    one, other = (reader.train(settings, reviews)[0].get_weights() for _ in range(2))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_stored_reader_answers_as_before(tmp_path):
    settings = reader.Settings(**SMALL, vote_bits=6, pair_bits=4)
    rng = np.random.default_rng(0)
    votes = rng.uniform(-1, 1, (3, 3, 64)).astype(np.float16)
    model = reader.build_model(settings, rng.standard_normal((600, 8)), votes)
    before = model.predict([[1, 5, 6, 7], [1, 9, 900]])
    weights, scales, whole = reader.rounded(model)
    after = model.predict([[1, 5, 6, 7], [1, 9, 900]])
    assert 0 < np.abs(after - before).max() < 0.02
    header = {"settings": vars(settings), "test_accuracy": 0.5}
    arrays = {"weights": weights, "scales": scales, "votes": whole}
    saving.write(tmp_path / "best.npz", header, arrays, compressed=True)
    again, found = reader.load(tmp_path / "best.npz")
    assert found["test_accuracy"] == 0.5
    np.testing.assert_array_equal(again.predict([[1, 5, 6, 7], [1, 9, 900]]), after)


def test_the_stored_reader_answers_the_challenge_set_as_recorded():
    assert (saving.STORED / "best.npz").stat().st_size < 8e6
    model, header = reader.load()
    (run,) = [r for r in read_results("best") if r["command"] == header["command"]]
    assert reader.Settings(**header["settings"]) == reader.student(reader.Settings())
    assert run["settings"] == vars(best.Settings(self_training=1))
    assert run["figures"]["test_accuracy"] == header["test_accuracy"]
    assert run["commit"] == header["commit"]
    word_index = {word: k for k, word in enumerate(header["vocabulary"], start=1)}
    ids = challenge_ids(word_index)
    answers = reader.predict(model, ids, header["settings"]["tokens"])
    (run,) = [r for r in read_results("challenge") if r["settings"]["model"] == "best"]
    assert run["figures"]["weights_from"] == "models/best.npz"
    np.testing.assert_allclose(answers, run["figures"]["answers"], atol=1e-3)


def test_the_stored_reader_reads_real_reviews_as_recorded(real_data):
    model, header = reader.load()
    (run,) = [r for r in read_results("best") if r["command"] == header["command"]]
    _, (x, y) = datasets.load_imdb(path=real_data)
    first = slice(run["figures"]["first_test_reviews"])
    right = (reader.predict(model, x[first], header["settings"]["tokens"]) > 0.5) == y[first]
    assert abs(int(right.sum()) - run["figures"]["first_right"]) <= 1


def test_every_part_can_be_switched_off():
    for change, votes, pairs, kind, pooling in (
        ({"pooling": "last", "votes": 0}, 0, 1, "Bidirectional", []),
        ({"pooling": "last"}, 3, 1, "Bidirectional", []),
        ({"directions": 1, "pooling": "max"}, 3, 1, "LSTM", ["GlobalMaxPooling1D"]),
        ({"pair_bits": 6, "pooling": "mean"}, 3, 2, "Bidirectional", ["GlobalAveragePooling1D"]),
        ({}, 3, 1, "Beside", ["MaxAndMean"]),
        ({"units": 0}, 3, 1, "MaxAndMean", []),
        ({"units": 0, "pooling": "max", "votes": 0}, 0, 1, "GlobalMaxPooling1D", []),
        ({"units": 0, "pooling": "votes"}, 3, 1, "SumOfVotes", []),
    ):
        settings = best.Settings(**SMALL | change)
        table = np.zeros((1, 3, 16), np.float16) if settings.votes else None
        model = reader.build_model(settings, None, table)
        assert model.predict([[1, 4, 5], [1, 4]]).shape == (2, 1)
        text, *others = model.layers
        assert (text.num_votes, len(text.weights)) == (votes, pairs)
        kinds = [type(layer).__name__ for layer in others]
        assert kinds == [kind, *pooling, "Dense"]


def test_a_pooling_is_refused_where_its_states_or_votes_are_missing():
    table = np.zeros((1, 3, 16), np.float16)
    for change, votes, words in (
        ({"pooling": "last", "units": 0}, table, "no last state"),
        ({"pooling": "votes", "units": 4}, table, "units=0"),
        ({"pooling": "votes", "units": 0}, None, "it needs them"),
    ):
        settings = best.Settings(**SMALL | change)
        with pytest.raises(ValueError, match=words):
            reader.build_model(settings, None, votes)


def test_votes_alone_start_as_their_sum():
    settings = best.Settings(**SMALL | {"units": 0, "pooling": "votes"})
    votes = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64)).astype(np.float16)
    model = reader.build_model(settings, None, votes)
    ids = np.array([1, 5, 6, 5, 7])
    total = 0.0
    for n, places in enumerate(parts.ngram_buckets(ids, 3, 6)):
        total += sum(votes[0, n, place] for place in dict.fromkeys(places.tolist()))
    logit = np.log(p := model.predict([ids.tolist()])[0, 0]) - np.log(1 - p)
    assert logit == pytest.approx(total, abs=1e-2)


def test_a_variant_changes_what_its_name_says_and_nothing_else():
    plain = vars(ablation.of_variant(ablation.Settings(), "last"))
    for name, change in ablation.VARIANTS.items():
        found = vars(ablation.of_variant(ablation.Settings(), name))
        assert {key: value for key, value in found.items() if value != plain[key]} == {
            key: value for key, value in change.items() if value != plain[key]
        }
    assert (plain["measured_on"], plain["tokens"], plain["pooling"]) == ("validation", 120, "last")
    assert not any(plain[part] for part in ("vectors", "votes", "dropout", "pair_bits", "average"))


def test_the_fast_reader_runs_and_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    options = {**SMALL, "pair_bits": 10, "epochs": 4, "batch_size": 32, "learning_rate": 0.02}
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    assert main(["fast", *arguments]) == 0
    (result,) = read_results("fast")
    assert result["figures"]["test_accuracy"] > 0.7
    assert right_bits.agree(result["figures"]["right_bits"], result["figures"]["test_accuracy"])
    assert main(["fast", "--measured-on=validation", *arguments]) == 0
    chosen = read_results("fast")[1]["figures"]
    assert chosen.keys() == {"validation_accuracy", "right_bits", "parameters"}
    assert right_bits.agree(chosen["right_bits"], chosen["validation_accuracy"])
    assert len(result["curves"]["loss"]) == 4
    seconds = result["seconds"]
    assert seconds["training"] == pytest.approx(seconds["vectors"] + seconds["fit"])


def test_the_race_times_both_readers_on_the_same_reviews(few, tmp_path, monkeypatch):
    monkeypatch.setattr(race.quick, "Settings", partial(fast.Settings, **SMALL | {"epochs": 1}))
    article = partial(race.article.Settings, maxlen=10, units=4, embedding=4, num_words=50)
    monkeypatch.setattr(race.article, "Settings", article)
    trained = []
    train = quick.train
    monkeypatch.setattr(race.quick, "train", lambda *a: trained.append(a) or train(*a))
    result = race.run(race.Settings(data="sample", epochs=2), tmp_path)
    seconds = result["seconds"]
    assert len(trained) == len(seconds["quick"]) == len(seconds["epochs"]) == 2
    assert seconds["article"] == pytest.approx(sum(seconds["epochs"]))
    ratio = seconds["article"] / max(seconds["quick"])
    assert result["figures"]["times_as_long"] == pytest.approx(ratio, abs=0.006)
    assert not any("accuracy" in name for name in result["figures"])


def test_the_ablation_goes_on_where_it_stopped(few, tmp_path, monkeypatch):
    settings = ablation.Settings(data="sample", num_words=600, dimensions=4, units=4, tokens=20)
    monkeypatch.setattr(ablation, "VOTE_BITS", 12)
    trained = []
    monkeypatch.setattr(ablation, "train", lambda *a: trained.append(a) or reader.train(*a))
    first = ablation.run(settings, tmp_path)
    names = list(ablation.VARIANTS)
    assert list(first["figures"]["validation_accuracy"]) == [*names, *ablation.COUNTED]
    assert len(trained) == len(names)
    for settings_of, _, given, votes, _ in trained:
        assert (given is not None, votes is not None) == (settings_of.vectors, settings_of.votes)
    (tmp_path / f"{names[-1]}.json").unlink()
    second = ablation.run(settings, tmp_path)
    assert len(trained) == len(names) + 1
    assert second["figures"] == first["figures"]


def test_the_ablation_keeps_every_answer_and_cuts_what_nbsvm_reads(few, tmp_path, monkeypatch):
    settings = ablation.Settings(data="sample", num_words=600, dimensions=4, units=4, tokens=20)
    monkeypatch.setattr(ablation, "VOTE_BITS", 12)
    monkeypatch.setattr(ablation, "VARIANTS", {"all": ablation.VARIANTS["all"]})
    figures = ablation.run(settings, tmp_path)["figures"]
    given = reader.load_reviews(ablation.of_variant(settings, "all"))
    count = len(given.y_measured)
    for name, text in figures["right_bits"].items():
        accuracy = paired.unpack(text, count).mean()
        assert accuracy == pytest.approx(figures["validation_accuracy"][name], abs=1e-5)
    for name, tokens in ("nbsvm", 10**6), ("nbsvm_cut", 20):
        read = [parts.shortened(ids, tokens) for ids in given.x_measured]
        says_positive = vectors.nbsvm_probability(given.x, given.y, read, bits=12) > 0.5
        right = paired.unpack(figures["right_bits"][name], count)
        np.testing.assert_array_equal(right, says_positive == given.y_measured)
    assert figures["right_bits"]["nbsvm"] != figures["right_bits"]["nbsvm_cut"]


def test_copies_of_measured_reviews_are_no_unlabelled_texts(monkeypatch):
    texts = [[1, 5, 6], [1, 5], [1, 7], [1, 5, 6]]
    monkeypatch.setattr(reader.datasets, "load_unlabelled", lambda: np.array(texts, dtype=object))
    assert reader.unlabelled_texts("imdb", [np.array([1, 5, 6]), [1, 8]]) == [[1, 5], [1, 7]]
    assert reader.unlabelled_texts("sample", [[1, 5]]) == []


@pytest.fixture
def more_texts(monkeypatch):
    """Synthetic reviews that come without their labels."""
    (x, _), _ = datasets.load_sample(30, 2, seed=7)
    for module in (selftraining, reader):
        monkeypatch.setattr(module, "unlabelled_texts", lambda data, measured: [*x])
    return [*x]


TINY = {"data": "sample", "num_words": 600, "tokens": 20, "dimensions": 4, "units": 4}


def test_self_training_learns_the_labels_that_each_variant_names(
    few, more_texts, tmp_path, monkeypatch
):
    trained = {}

    def recorded(settings, reviews, *others, unlabelled, soft_labels):
        names = list(selftraining.VARIANTS)
        trained[names[len(trained)]] = unlabelled, soft_labels, settings
        return reader.train(
            settings, reviews, *others, unlabelled=unlabelled, soft_labels=soft_labels
        )

    monkeypatch.setattr(selftraining, "train", recorded)
    monkeypatch.setattr(reader, "student", lambda settings: replace(settings, epochs=1))
    settings = selftraining.Settings(**TINY, vote_bits=12)
    result = selftraining.run(settings, tmp_path)

    teacher = np.array(json.loads((tmp_path / "teacher.json").read_text())["unlabelled"])
    assert len(teacher) == len(more_texts) == result["figures"]["unlabelled"]
    for name, (unlabelled, labels, _) in trained.items():
        expected = [] if name in ("teacher", "longer") else teacher
        assert len(unlabelled) == len(expected)
        np.testing.assert_allclose(labels, expected)
    assert trained["longer"][2].epochs > trained["teacher"][2].epochs
    assert trained["averaged"][2].average > 0 == trained["no_lstm"][2].units
    names = {"nbsvm", *selftraining.VARIANTS, "nbsvm_soft"}
    assert set(result["figures"]["validation_accuracy"]) == names


def test_self_training_goes_on_where_it_stopped(few, more_texts, tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "student", lambda settings: replace(settings, epochs=1))
    settings = selftraining.Settings(**TINY, vote_bits=12)
    first = selftraining.run(settings, tmp_path)
    (tmp_path / "averaged.json").unlink()
    trained = []
    monkeypatch.setattr(
        selftraining, "train", lambda *a, **k: trained.append(a) or reader.train(*a, **k)
    )
    assert selftraining.run(settings, tmp_path)["figures"] == first["figures"]
    assert len(trained) == 1


def test_a_reader_learns_soft_labels_as_labels(few):
    """Trained on texts alone whose soft labels say the opposite, it says the opposite."""
    plain = {"vectors": 0, "votes": 0, "frozen": 0, "dropout": 0.0, "word_dropout": 0.0}
    settings = reader.Settings(**SMALL | plain | {"epochs": 20, "learning_rate": 0.05})
    reviews = reader.load_reviews(settings)
    none = reader.Reviews(
        reviews.x[:0], reviews.y[:0], reviews.movies[:0], reviews.x_measured, reviews.y_measured
    )
    soft = np.where(reviews.y == 1, 0.1, 0.9)
    model, _ = reader.train(settings, none, unlabelled=list(reviews.x), soft_labels=soft)
    says = reader.predict(model, reviews.x, settings.tokens)
    assert says[reviews.y == 1].mean() < 0.3 < 0.7 < says[reviews.y == 0].mean()

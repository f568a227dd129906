"""Experiments on synthetic reviews: what they promise, and that they go on after a stop."""

import dataclasses
import json

import numpy as np
import pytest

import right_bits
from unrolled import Sequential, datasets
from unrolled.experiments.reviews import (
    embeddings,
    failures,
    imdb,
    learning_curve,
    order,
    padding,
    validation,
)
from unrolled.experiments.shared import article, measures, record, reviews

SMALL = {"data": "sample", "units": 4, "embedding": 4, "epochs": 1, "maxlen": 40}
MODULES = (padding, failures, order, learning_curve, validation, embeddings)


@pytest.fixture(scope="module")
def made():
    """Synthetic reviews as the experiments load them: (x_train, y_train), (x_test, y_test)."""
    return reviews.load(reviews.Training(data="sample"))


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder for recorded runs."""
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    return tmp_path


def recorded(module, **settings):
    """A run on synthetic reviews, written and read again."""
    path = record.record(module, module.Settings(**SMALL | settings))
    found = json.loads(path.read_text(encoding="utf-8"))
    answers = right_bits.pairs(found["figures"])
    assert answers or module is validation  # which compares splits, not models
    for bits, accuracy in answers:
        assert right_bits.agree(bits, accuracy)
    return found


class TestMeasures:
    y = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    p = np.array([0.05, 0.3, 0.62, 0.68, 0.9, 1.0, 0.41, 0.08])

    def test_brier_is_the_mean_square(self):
        from sklearn.metrics import brier_score_loss

        assert measures.brier(self.y, self.p) == pytest.approx(brier_score_loss(self.y, self.p))
        assert measures.brier(self.y, np.full(8, 0.5)) == 0.25

    def test_a_reliability_diagram_by_hand(self):
        found = measures.reliability(self.y, self.p, bins=5)
        assert found["count"] == [2, 1, 1, 2, 2]
        assert found["says"] == pytest.approx([0.065, 0.3, 0.41, 0.65, 0.95])
        assert found["is"] == [0, 0, 1, 0.5, 1]
        gaps = 2 * 0.065 + 0.3 + 0.59 + 2 * 0.15 + 2 * 0.05
        assert measures.calibration_error(found) == pytest.approx(gaps / 8, abs=1e-4)

    def test_answers_that_keep_their_word_have_no_calibration_error(self):
        rng = np.random.default_rng(0)
        p = rng.random(50_000)
        y = (rng.random(50_000) < p).astype(int)
        assert measures.calibration_error(measures.reliability(y, p)) < 0.01
        assert measures.calibration_error(measures.reliability(y, p**3)) > 0.1

    def test_roc_runs_from_corner_to_corner_and_knows_its_area(self):
        found = measures.roc(self.y, self.p, points=9)
        for name in "false_positive_rate", "true_positive_rate":
            rates = found[name]
            assert (rates[0], rates[-1]) == (0, 1)
            assert rates == sorted(rates)
        pairs = self.p[self.y == 1][:, None] - self.p[self.y == 0]
        assert found["area"] == pytest.approx(np.mean(pairs > 0), abs=1e-4)

    def test_by_group_counts_and_averages(self):
        found = measures.by_group(np.array([2, 1, 2, 2]), np.array([True, False, False, True]))
        assert found == {
            "1": {"count": 1, "accuracy": 0.0},
            "2": {"count": 3, "accuracy": round(2 / 3, 4)},
        }


class TestReviews:
    def test_reviews_come_whole_and_without_the_start_id(self, made):
        (x, y), _ = made
        theirs, labels = datasets.load_sample(num_words=10_000)[0]
        assert [ids.tolist() for ids in x] == [ids[1:] for ids in theirs]
        assert np.array_equal(y, labels)

    def test_the_linear_model_is_scikit_learns_tf_idf(self, made):
        from sklearn.feature_extraction.text import TfidfVectorizer

        (x, y), (x_test, _) = made
        theirs = TfidfVectorizer(analyzer=list, sublinear_tf=True)
        weighed = theirs.fit_transform(x)
        counts = reviews.bag(x, 10_000)
        model = reviews.Words(counts, y)
        used = np.flatnonzero(counts.sum(axis=0))
        assert np.array_equal(theirs.get_feature_names_out(), used)
        mine = model.weighing.transform(counts)[:, used]
        assert abs(mine - weighed).max() < 1e-6
        answers = model.answers(reviews.bag(x_test, 10_000))
        assert reviews.accuracy(answers, made[1][1]) > 0.7

    def test_steps_go_on_after_the_last_one_kept(self, tmp_path):
        seen = []

        def measure(name):
            if name == "b" and "b" not in seen:
                seen.append("b")
                raise KeyboardInterrupt
            seen.append(name)
            return {"value": len(seen)}

        with pytest.raises(KeyboardInterrupt):
            reviews.in_steps(tmp_path, "abc", measure)
        steps = reviews.in_steps(tmp_path, "abc", measure)
        assert seen == ["a", "b", "b", "c"]
        assert [step["value"] for step in steps.values()] == [1, 3, 4]
        assert reviews.seconds(steps).keys() == {"all", "all_cpu"}
        assert steps["a"] == {"value": 1}


class TestPadding:
    def test_a_mask_makes_the_sides_equal_and_nothing_else_does(self, results):
        found = recorded(
            padding, cell="gru", maxlen=150, reviews=64, held_out=32, learning_rate=0.01
        )
        accuracy = found["figures"]["accuracy"]
        assert len(found["curves"]) == len(accuracy) == 12
        for name in (name for name in accuracy if name.startswith("before, mask")):
            assert accuracy[name] == accuracy[name.replace("before", "after")]
        assert 0.1 < found["figures"]["padding"] < found["figures"]["padded_reviews"]

        def masked(summary, mask, side):
            settings = padding.Settings(**SMALL | {"cell": "lstm"})
            x = datasets.pad_sequences([[5, 6, 7], [8] * 9], 20, padding=padding.SIDES[side])
            return padding.build(settings, padding.MASKS[mask], summary).predict(x)

        for summary in padding.SUMMARIES:
            with_mask = [masked(summary, "mask", side) for side in padding.SIDES]
            without = [masked(summary, "no mask", side) for side in padding.SIDES]
            np.testing.assert_allclose(*with_mask, atol=1e-7)
            assert abs(without[0] - without[1]).max() > 1e-6, summary

    def test_all_combinations_start_from_the_same_weights(self):
        settings, first = padding.Settings(**SMALL), None
        for summary in padding.SUMMARIES:
            for masked in padding.MASKS.values():
                model = padding.build(settings, masked, summary)
                model.build((None, 5))
                first = first or model.get_weights()
                for mine, other in zip(first, model.get_weights(), strict=True):
                    assert np.array_equal(mine, other)


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """What a small run of `failures` found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNROLLED_RESULTS", str(tmp_path_factory.mktemp("failures")))
        return recorded(failures)["figures"]


class TestFailures:
    @pytest.mark.parametrize("model", ["lstm", "words"])
    def test_groups_add_up_to_the_whole(self, figures, model):
        found = figures[model]
        assert found["test_accuracy"] == pytest.approx(found["accuracy"]["in order"], abs=1e-4)
        for name in "by_length", "by_contrast", "by_negation":
            groups = found[name].values()
            right = sum(group["count"] * group["accuracy"] for group in groups)
            assert sum(group["count"] for group in groups) == 1000
            assert right / 1000 == pytest.approx(found["test_accuracy"], abs=1e-3)
        assert sum(found["reliability"]["count"]) == 1000

    def test_the_table_of_both_agrees_with_each(self, figures):
        (neither, words), (lstm, both) = figures["right"]
        assert neither + words + lstm + both == 1000
        assert (lstm + both) / 1000 == pytest.approx(figures["lstm"]["test_accuracy"])
        assert (words + both) / 1000 == pytest.approx(figures["words"]["test_accuracy"])

    def test_shuffled_words_are_the_same_bag(self, figures):
        accuracy = figures["words"]["accuracy"]
        assert accuracy["shuffled"] == accuracy["in order"] > accuracy["first half"]

    def test_the_forms_of_a_review(self):
        x = [np.arange(1, 8), np.array([9])]
        found = reviews.forms(x, maxlen=4, seed=0)
        assert found["in order"][0].tolist() == [4, 5, 6, 7]
        assert sorted(found["shuffled"][0]) == [4, 5, 6, 7]
        assert found["first half"][0].tolist() == [1, 2, 3, 4]
        assert found["last half"][0].tolist() == [4, 5, 6, 7]
        assert [form[1].tolist() for form in found.values()] == [[9]] * 4

    def test_groups_of_lengths_have_their_words(self):
        names = failures.lengths([np.zeros(n) for n in (1, 99, 100, 149, 150, 499, 500, 2000)])
        first, second, last = "0 to 99", "100 to 149", "500 or more"
        expected = [first, first, second, second, "150 to 199", "300 to 499", last, last]
        assert names.tolist() == expected

    def test_turns_of_phrase_are_counted_up_to_three(self):
        texts = ["good", "good but long", "but but", "but however though although"]
        x = [np.array(datasets.encode(text)) for text in texts]
        found = failures.turns(failures.Settings(data="sample"), x, failures.TURNS["contrast"])
        known = [word for word in texts[3].split() if _known(word)]
        assert found.tolist() == [0, 1, 2, min(len(known), 3)]

    def test_ratings_agree_with_the_labels(self):
        order = datasets.imdb.keras_order(25_000, 25_000, seed=113)[1]
        assert np.array_equal(failures.ratings() >= 7, order < 12_500)  # positive ones come first


def _known(word):
    return word in datasets.get_word_index("sample")


def test_each_form_is_learned_and_read(results, made, monkeypatch):
    learned, read = [], []
    train, answers = reviews.train, reviews.answers
    monkeypatch.setattr(reviews, "train", lambda s, part: learned.append(part[0]) or train(s, part))
    monkeypatch.setattr(reviews, "answers", lambda m, x: read.append(x) or answers(m, x))
    accuracy = recorded(order)["figures"]["accuracy"]
    assert {form: list(found) for form, found in accuracy.items()} == {
        form: [form, "in order"] for form in ("shuffled", "first half", "last half")
    }
    (x, _), (x_test, _) = made
    assert [form_of(x, ids) for ids in learned] == list(accuracy)
    rows = np.random.default_rng(0).permutation(len(x_test))
    asked = [form_of([x_test[row] for row in rows], ids) for ids in read]
    assert asked == [kind for found in accuracy.values() for kind in found]


def form_of(whole, x):
    """Which of the forms of whole reviews, cut to their last 40 words, x is."""

    def same(ours):
        return all(np.array_equal(a, b) for a, b in zip(x, ours, strict=True))

    if same([ids[-40:] for ids in whole]):
        return "in order"
    if same([ids[: (len(ids) + 1) // 2][-40:] for ids in whole]):
        return "first half"
    if same([ids[len(ids) // 2 :][-40:] for ids in whole]):
        return "last half"
    mixed = all(sorted(a) == sorted(b[-40:]) for a, b in zip(x, whole, strict=True))
    return "shuffled" if mixed else "none"


def test_more_labels_help_the_linear_model(results):
    found = recorded(learning_curve, largest=1000, seen=500, test_reviews=300)
    figures = found["figures"]
    assert figures["labels"] == [250, 500, 1000]
    assert figures["words"][-1] > figures["words"][0]
    assert [len(curve) for curve in found["curves"].values()] == [2, 1, 1]  # 500 reviews, all seen


class TestValidation:
    def test_a_random_split_shares_movies_and_a_grouped_one_does_not(self):
        movies, _ = datasets.load_movies("sample")
        sizes = []
        for kind, shares in ("random", True), ("by_movie", False):
            kept, held_out = validation.split(movies, kind, 0.2, seed=3)
            assert sorted([*kept, *held_out]) == list(range(len(movies)))
            assert bool({*movies[kept]} & {*movies[held_out]}) == shares
            sizes.append(len(held_out))
        assert sizes[0] == sizes[1]

    @pytest.mark.parametrize("model", ["words", "lstm"])
    def test_each_split_is_held_against_the_test_set(self, results, model):
        figures = recorded(validation, model=model, splits=2)["figures"]
        for kind in "random", "by_movie":
            assert {part: len(v) for part, v in figures[kind].items()} == {
                "validation": 2,
                "test": 2,
            }
        assert figures["random"] != figures["by_movie"]
        if model == "words":
            assert min(figures["random"]["test"] + figures["by_movie"]["test"]) > 0.7


def test_the_mean_of_embeddings_is_chosen_on_other_movies(results, made, monkeypatch):
    seen, fit = [], Sequential.fit

    def watched(model, x, y, *arguments, validation_data=((), ()), **options):
        seen.append((x, validation_data[0], options["epochs"]))
        given = {"validation_data": validation_data} if len(validation_data[1]) else {}
        return fit(model, x, y, *arguments, **given, **options)

    monkeypatch.setattr(Sequential, "fit", watched)
    found = recorded(embeddings, epochs=8, embedding=16, learning_rate=0.05, maxlen=400)
    (learned, chosen_by, _), (everything, nothing, epochs) = seen
    movies, _ = datasets.load_movies("sample")
    movie_of = {tuple(ids[-400:]): movie for ids, movie in zip(made[0][0], movies, strict=True)}
    movies_of = [{movie_of[tuple(ids)] for ids in x} for x in (learned, chosen_by)]
    assert not movies_of[0] & movies_of[1]
    assert len(learned) + len(chosen_by) == len(everything) == len(movies)
    assert (len(nothing), epochs) == (0, found["figures"]["epochs"])
    curve = found["curves"]["validation_accuracy"]
    assert len(curve) == 8
    assert found["figures"]["epochs"] == curve.index(max(curve)) + 1
    assert found["figures"]["test_accuracy"] > 0.6


OURS = {**SMALL, "maxlen": 20, "framework": "unrolled"}


class TestTheArticlesModels:
    @pytest.mark.parametrize("model", ["rnn", "lstm"])
    def test_both_libraries_build_the_same(self, model):
        settings = imdb.Settings(**OURS, model=model)
        ours = article.build_model(settings)
        theirs = article.build_model(dataclasses.replace(settings, framework="keras"))
        x = np.random.default_rng(0).integers(0, 10_000, (3, 20))
        ours.build((None, 20))
        ours.set_weights(theirs.get_weights())
        np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-6)
        assert [type(layer).__name__ for layer in ours.layers] == [
            type(layer).__name__ for layer in theirs.layers
        ]
        assert ours.optimizer.learning_rate == pytest.approx(float(theirs.optimizer.learning_rate))
        assert ours.layers[article.DROPOUT].rate == theirs.layers[article.DROPOUT].rate == 0.5

    @pytest.mark.parametrize(("framework", "as_ours"), [("keras-dense", True), ("keras", False)])
    def test_dense_gradients_make_keras_step_as_ours(self, framework, as_ours):
        settings = imdb.Settings(**OURS | {"dropout": 0.0}, model="rnn")
        ours = article.build_model(settings)
        theirs = article.build_model(dataclasses.replace(settings, framework=framework))
        ours.build((None, 20))
        ours.set_weights(theirs.get_weights())
        x = np.random.default_rng(0).integers(0, 5, (16, 20))  # each word many times
        y = np.arange(16) % 2
        for model in (ours, theirs):
            for _ in range(5):
                model.train_on_batch(x, y)
        apart = np.abs(ours.get_weights()[0] - theirs.get_weights()[0]).max()
        assert (apart < 1e-5) == as_ours, apart

    def test_dense_gradients_go_on_after_an_interruption(self, results, monkeypatch):
        settings = {**OURS, "framework": "keras-dense", "epochs": 2, "model": "rnn"}
        whole = recorded(imdb, **settings)
        next(results.glob("*.json")).unlink()
        keep = article._keep_state

        def stopped(*arguments):
            keep(*arguments)
            raise KeyboardInterrupt

        monkeypatch.setattr(article, "_keep_state", stopped)
        with pytest.raises(KeyboardInterrupt):
            recorded(imdb, **settings)
        monkeypatch.setattr(article, "_keep_state", keep)
        assert recorded(imdb, **settings)["curves"] == whole["curves"]

    def test_an_interrupted_run_ends_with_the_same_bits(self, results, monkeypatch):
        settings = {**OURS, "epochs": 2, "model": "rnn"}
        whole = recorded(imdb, **settings)
        next(results.glob("*.json")).unlink()

        step, calls = Sequential.update, []

        def counted(*arguments, **options):
            calls.append(1)
            if len(calls) == 20:  # in the second epoch
                raise KeyboardInterrupt
            return step(*arguments, **options)

        monkeypatch.setattr(Sequential, "update", counted)
        with pytest.raises(KeyboardInterrupt):
            recorded(imdb, **settings)
        resumed = recorded(imdb, **settings)
        assert len(calls) == 1 + 2 * 16  # 2000 reviews: no step is made twice, and one was stopped
        assert resumed["curves"] == whole["curves"]
        assert resumed["figures"] == whole["figures"]
        assert len(resumed["seconds"]["epochs"]) == 2

    def test_the_names_of_keras_runs_stay(self):
        name = record.run_name("imdb", imdb.Settings(model="rnn", seed=1), imdb.NAMED_BY)
        assert name == "imdb-rnn-seed1"
        other = imdb.Settings(model="rnn", framework="unrolled")
        assert record.run_name("imdb", other, imdb.NAMED_BY) == "imdb-rnn-seed0-frameworkunrolled"


def test_recorded_runs_share_one_small_lstm():
    """Failures, order and learning curve may stand in one table: same model, same training."""
    fields = {field.name for field in dataclasses.fields(reviews.Training)} - {"seed"}
    found = [
        {name: run["settings"][name] for name in fields}
        for module in ("failures", "order", "learning_curve")
        for run in record.read_results(module)
    ]
    assert len(found) > 2
    assert all(settings == found[0] for settings in found)


def test_no_module_is_an_experiment_by_accident():
    assert not hasattr(reviews, "Settings")
    for module in MODULES:
        assert module.Settings().data == "imdb"
        assert module.__doc__.splitlines()[0].endswith(".")

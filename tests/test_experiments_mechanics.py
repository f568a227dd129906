"""The experiments on gradients, memory, gates, clipping, truncation and optimisers."""

import dataclasses

import numpy as np
import pytest

from unrolled import set_random_seed
from unrolled.activations import sigmoid
from unrolled.experiments.__main__ import main
from unrolled.experiments.mechanics import (
    clipping,
    fading,
    gradients,
    horizon,
    optimisers,
    truncation,
    variants,
)
from unrolled.experiments.shared import record, tasks
from unrolled.layers import LSTM, SimpleRNN
from unrolled.optimizers import SGD, Adam

SMALL = {
    "gradients": {"units": 4, "steps": 10, "updates": 2},
    "horizon": {"parameters": 60, "updates": 2, "longest": 20, "test": 20, "validation": 20},
    "variants": {"units": 4, "updates": 2, "test": 20},
    "clipping": {"units": 4, "starts": 1, "updates": 2, "lag": 5},
    "fading": {"units": 4, "sequences": 20},
    "truncation": {"units": 4, "updates": 2, "steps": 20, "turns": 1},
    "optimisers": {"updates": 10, "batch_size": 4},
}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("name", SMALL)
def test_a_small_run_is_recorded(name, tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    options = [f"--{key.replace('_', '-')}={value}" for key, value in SMALL[name].items()]
    assert main([name, "--seed=1", *options]) == 0
    (result,) = record.read_results(name)
    assert result["seed"] == 1
    assert result["data"] == {"name": "made", "sha256": None}
    (path,) = tmp_path.glob("*.json")
    assert path.stat().st_size < 60_000


def test_recall_asks_at_the_end_for_the_first_input(rng):
    x, y, asked, _ = tasks.recall(rng, lag=7, size=50)
    assert x.shape == (50, 8, 2)
    assert (asked == ([False] * 7 + [True])).all()
    assert (x[:, 0, 1] == 2 * y[:, 7] - 1).all()
    assert (x[:, 1:, 1] == 0).all()
    assert 0 < y[:, 7].mean() < 1


def test_copying_asks_for_each_bit_a_lag_later(rng):
    x, y, asked, _ = tasks.copying(rng, lag=9, size=50)
    steps = np.flatnonzero(asked[0])
    assert steps.tolist() == [9, 10, 11]
    assert (x[:, steps - 9, 0] == 2 * y[:, steps] - 1).all()
    assert (x[:, 3:, 0] == 0).all()


def test_adding_asks_whether_two_marked_numbers_are_above_one(rng):
    x, y, asked, _ = tasks.adding(rng, lag=30, size=400)
    for row, answer in zip(x, y[:, -1], strict=True):
        first, second = np.flatnonzero(row[:, 1])
        assert first < 3
        assert answer == (row[first, 0] + row[second, 0] > 1)
    assert asked.sum() == 400
    assert 0.4 < y[:, -1].mean() < 0.6


def test_the_office_wants_the_last_number_written(rng):
    x, y, asked, numbers = tasks.office(rng, steps=40, size=5)
    assert numbers
    assert asked.all()
    for row, wanted in zip(x, y, strict=True):
        kept = None
        for (number, write, read), answer in zip(row, wanted, strict=True):
            kept = number if write else kept
            assert answer == pytest.approx(kept * read)


def test_held_bits_asks_at_reads_for_the_last_bit_written(rng):
    x, y, asked, _ = truncation.held_bits(rng, steps=60, size=5)
    assert (asked == (x[:, :, 2] == 1)).all()
    for row, wanted in zip(x, y, strict=True):
        kept = None
        for (bit, write, _), answer in zip(row, wanted, strict=True):
            kept = bit if write else kept
            assert answer == (kept > 0)


def test_models_of_equal_size_differ_by_less_than_three_percent():
    sizes = []
    for model, layer in tasks.LAYERS.items():
        built = layer(tasks.units_for(model, 1200))
        built.build((None, None, 2))
        sizes.append(sum(w.size for w in built.weights))
    assert max(sizes) < 1.03 * min(sizes)


def step_as_the_gradient_says(layer, batch, promised=1e-5):
    """The fall of the loss in a small step, relative to what its gradient promises.

    promised: far above the rounding of a float32 loss, 6e-8, on every processor.
    """
    learner = tasks.Learner(layer, SGD(1e-12))
    before = learner.step(batch)
    learner.optimizer.learning_rate = promised / sum(np.sum(g**2) for g in learner.gradients)
    learner.step(batch)
    return (before - learner.step(batch)) / promised


@pytest.mark.parametrize("make", [tasks.copying, tasks.office], ids=["bits", "numbers"])
def test_a_small_step_lowers_the_loss_as_the_gradient_says(make, rng):
    set_random_seed(0)
    fall = step_as_the_gradient_says(LSTM(8, return_sequences=True), make(rng, 8))
    assert fall == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("name", variants.CELLS)
def test_every_cell_follows_its_gradient(name, rng):
    set_random_seed(0)
    fall = step_as_the_gradient_says(variants.CELLS[name](8), tasks.copying(rng, 4))
    assert fall == pytest.approx(1, rel=0.05)


def test_training_ends_when_the_task_is_solved(rng):
    learner = tasks.Learner(SimpleRNN(8, return_sequences=True), Adam(0.03))
    losses = learner.train(lambda: tasks.recall(rng, 1), updates=500)
    assert len(losses) < 500
    assert learner.score(tasks.recall(rng, 1)) == 1


def test_the_score_of_numbers_is_relative_to_answering_zero(rng):
    learner = tasks.Learner(LSTM(3, return_sequences=True), SGD())
    batch = tasks.office(rng, 9)
    learner.answers(batch.x)
    learner.head.set_weights([np.zeros((3, 1)), np.zeros(1)])
    assert learner.score(batch) == pytest.approx(1)


def test_the_score_of_bits_is_the_share_of_logits_on_the_right_side_of_zero(rng):
    learner = tasks.Learner(LSTM(3, return_sequences=True), SGD())
    batch = tasks.recall(rng, 5, size=200)
    learner.answers(batch.x)
    learner.head.set_weights([np.zeros((3, 1)), np.array([0.2])])
    assert learner.score(batch) == pytest.approx(batch.y[:, -1].mean())


def test_a_loop_of_steps_is_the_layer(rng):
    set_random_seed(0)
    layer = LSTM(5, return_sequences=True)
    layer.build((None, None, 3))
    loop = variants._lstm(5)
    loop.weights = layer.get_weights()
    x = rng.standard_normal((4, 9, 3)).astype("float32")
    dy = rng.standard_normal((4, 9, 5)).astype("float32")
    (h, caches), (y, cache) = loop.forward(x), layer.forward(x)
    np.testing.assert_allclose(h, y, atol=1e-6)
    gradients = loop.backward(dy, caches)[1], layer.backward(dy, cache)[1]
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_cell_without_an_input_gate_has_none_and_learns_none(rng):
    loop = variants.CELLS["no input gate"](6)
    learner = tasks.Learner(loop, Adam(0.01))
    learner.train(lambda: tasks.office(rng, 8), updates=3)
    _, caches = loop.forward(tasks.office(rng, 8).x)
    assert all((cache.i == 1).all() for cache in caches)
    assert (loop.weights[0][:, :6] == 0).all()
    assert (loop.weights[1][:, :6] == 0).all()
    assert (loop.weights[2][:6] == 20).all()
    assert not np.array_equal(loop.weights[2][6:12], np.ones(6))  # the forget gate does learn


def test_variants_differ_in_the_gates_they_claim(rng):
    x = rng.standard_normal((2, 5, 3)).astype("float32")
    caches = {}
    for name in variants.CELLS:
        set_random_seed(0)
        loop = variants.CELLS[name](4)
        caches[name] = loop.forward(x)[1][-1]
    assert (caches["no forget gate"].f == 1).all()
    assert (caches["no output gate"].o == 1).all()
    assert np.allclose(caches["coupled gates"].f, 1 - caches["coupled gates"].i)
    first = {bias: variants._lstm(4, forget_bias=bias) for bias in (0.0, 3.0)}
    means = [first[bias].weights[2][4:8].mean() for bias in (0.0, 3.0)]
    assert means == [0, 3]


def test_the_straight_path_is_the_product_of_the_forget_gates():
    settings = gradients.Settings(units=4, features=2, sequences=3, steps=12)
    x, dh = gradients.inputs(settings)
    layer = gradients.layer_of(settings, "LSTM", bias=2)
    layer.weights[0][...] = layer.weights[1][...] = 0
    layer.weights[2][:4] = layer.weights[2][8:] = 0
    found = gradients.norms(layer, x, dh)
    f = sigmoid(np.array(2.0))
    assert found["straight"][0] == pytest.approx(found["c"][0])
    np.testing.assert_allclose(found["straight"], found["straight"][0] * f ** np.arange(13))
    np.testing.assert_allclose(found["c"], found["straight"])  # no other path is left


def test_growth_is_the_factor_of_one_step():
    settings = gradients.Settings(units=6, steps=30)
    x, dh = gradients.inputs(settings)
    layer = gradients.layer_of(settings, "RNN", gain=0.8)
    nearly_linear = gradients.norms(layer, 1e-6 * x, dh)["h"]
    assert gradients.growth(nearly_linear) == pytest.approx(0.8, rel=1e-6)


def test_every_model_is_trained_at_every_lag_and_rate_for_all_updates(monkeypatch):
    trained = []

    def failed(settings, task, model, lag, rate):
        trained.append((task, model, lag, rate))
        return {"validation": 0.5, "accuracy": 0.5, "solved_after": None}

    monkeypatch.setattr(horizon, "attempt", failed)
    found = horizon.run(horizon.Settings(), None)["figures"]["trained"]
    assert len(trained) == len(set(trained)) == 3 * 6 * 5 * 2
    for task, by_model in found.items():
        for model, by_lag in by_model.items():
            for lag, by_rate in by_lag.items():
                assert all((task, model, lag, rate) in trained for rate in by_rate)


def test_a_solved_task_is_trained_to_the_end(monkeypatch):
    updates = []

    def solved_at_once(self, batch):
        updates.append(batch)
        return 0.0

    monkeypatch.setattr(tasks.Learner, "step", solved_at_once)
    settings = horizon.Settings(parameters=60, updates=12, test=4, validation=4)
    monkeypatch.setattr(tasks.Learner, "score", lambda self, batch: 1.0)
    assert horizon.attempt(settings, "recall", "RNN", 10, 0.01)["solved_after"] == 10
    assert len(updates) == 12


def test_a_task_is_solved_when_the_running_loss_is_first_low():
    assert horizon.solved_after([0.7] * 30) is None
    assert horizon.solved_after([0.7] * 5 + [0.0] * 10 + [0.7] * 10) == 15
    assert horizon.solved_after([0.0] * 9) is None


def test_the_rate_is_chosen_on_other_sequences_than_it_is_tested_on():
    def recorded(validation, accuracy):
        by_rate = {
            rate: {"validation": v, "accuracy": a}
            for rate, v, a in zip(horizon.RATES, validation, accuracy, strict=True)
        }
        return {"figures": {"trained": {"recall": {"RNN": {10: by_rate}}}}}

    runs = [recorded((0.6, 0.9), (1.0, 0.8)), recorded((0.9, 0.6), (0.9, 1.0))]
    accuracy = horizon.accuracies(runs, "recall", "RNN")
    assert accuracy.tolist() == [[0.8], [0.9]]
    assert horizon.learned(accuracy).tolist() == [1]
    assert horizon.learned(accuracy, enough=0.8).tolist() == [2]


def test_the_narrow_network_has_the_units_of_the_lstm():
    settings = horizon.Settings()
    units = {model: horizon.layer_of(settings, model, 10).units for model in horizon.MODELS}
    assert units["RNN narrow"] == units["LSTM"] == units["LSTM open"] < units["RNN"] / 2


def test_open_gates_start_at_the_logarithm_of_the_lag(monkeypatch):
    biases = []
    monkeypatch.setattr(horizon, "open_gate", lambda layer, bias: biases.append(bias))
    settings = horizon.Settings(parameters=60, updates=1)
    for model in ("LSTM", "GRU open"):
        horizon.layer_of(settings, model, 20)
    assert biases == [np.log(20)]
    for model, bias in (("LSTM", 1), ("LSTM open", np.log(40))):
        layer = fading.layer_of(fading.Settings(units=3), model)
        assert layer.weights[2][3:6] == pytest.approx(bias)
        layer = truncation.learner_of(truncation.Settings(units=3), model, features=2).layer
        assert layer.weights[2][3:6] == pytest.approx(bias)


def test_a_bound_keeps_a_step_short(monkeypatch):
    settings = clipping.Settings(units=6, updates=2, lag=5)
    moved = []
    apply = SGD.apply

    def watch(self, gradients, weights):
        before = [w.copy() for w in weights]
        apply(self, gradients, weights)
        pairs = zip(weights, before, strict=True)
        moved.append(sum(np.sum((w - b) ** 2) for w, b in pairs) ** 0.5)

    monkeypatch.setattr(SGD, "apply", watch)
    clipping.losses_and_norms(settings, "RNN", 2.0, 0.05, 0)
    assert moved == pytest.approx([0.1, 0.1], rel=1e-4)
    moved.clear()
    _, norms = clipping.losses_and_norms(settings, "RNN", 2.0, 0.0, 0)
    assert moved == pytest.approx([2 * norm for norm in norms], rel=1e-4)


def test_pieces_take_less_memory():
    settings = truncation.Settings(turns=1)
    whole, small = (truncation.cost(settings, piece)["megabytes"] for piece in (400, 20))
    assert small < whole / 5


def test_a_cut_of_the_whole_length_is_no_cut():
    settings = truncation.Settings(units=4, updates=5)
    uncut = truncation.fixed(settings, "RNN", 1000, 1.0)
    assert truncation.fixed(settings, "RNN", 41, 1.0) == uncut


def test_a_cut_before_the_bit_changes_what_is_learned():
    settings = truncation.Settings(units=4, updates=30)
    cut, uncut = (truncation.fixed(settings, "LSTM", k, 0.1) for k in (2, 41))
    assert cut != uncut


def test_held_counts_by_the_steps_since_the_write(monkeypatch):
    def right_up_to_ten_steps(self, x):
        kept = np.take_along_axis(x[:, :, 0], tasks.last_write(x), axis=1)
        return np.where(np.arange(x.shape[1]) - tasks.last_write(x) <= 10, kept, -kept)

    monkeypatch.setattr(tasks.Learner, "answers", right_up_to_ten_steps)
    found = truncation.held(truncation.Settings(updates=0), 5)
    assert list(found.values()) == [1, 1, 1, 0, 0, 0, 0]


def test_a_summary_tells_the_norm_that_led_to_a_large_loss_from_the_largest():
    found = clipping.summary([0.7, 0.7, 2.2, *[0.05] * 10], [3.0, 5.0, 90.0, *[0.5] * 10])
    assert found["norm_before"] == 5
    assert found["largest_norm"] == 90
    assert found["median_norm"] == 0.5
    assert found["first_norm"] == 3
    assert found["end"] == 0.05
    assert clipping.summary([0.7] * 20, [9e9] * 20)["norm_before"] is None


def test_a_large_loss_is_no_exploding_gradient():
    def recorded(losses, norms):
        found = {"largest_loss": losses, "end": losses, "first_norm": [2.0], "largest_norm": norms}
        figures = {str(r): {str(b): found for b in clipping.BOUNDS} for r in clipping.RATES}
        return {"figures": {"LSTM": figures}}

    runs = [recorded([2.2], [199.0]), recorded([0.01], [201.0]), recorded([0.5], [2.0])]
    found = clipping.counts(runs, "LSTM")
    assert {name: count[3, 1] for name, count in found.items()} == {
        "learned": 1,
        "diverged": 1,
        "exploded": 1,
    }
    assert clipping.all_starts(runs, "LSTM", "largest_norm")[0, 0].tolist() == [199, 201, 2]


def test_every_start_has_its_own_numbers(monkeypatch):
    monkeypatch.setattr(
        clipping, "losses_and_norms", lambda _, cell, rate, bound, start: ([rate], [start])
    )
    figures = clipping.run(clipping.Settings(starts=3), None)["figures"]
    assert figures["RNN"]["0.5"]["5.0"]["first_norm"] == [0, 1, 2]
    assert figures["LSTM"]["8.0"]["0.05"]["largest_loss"] == [8, 8, 8]


def test_a_read_out_is_tested_on_other_states_than_it_is_fitted_to(rng):
    bits = rng.integers(0, 2, 400)
    states = rng.standard_normal((400, 3))
    assert 0.35 < fading.read_out(states, bits) < 0.65
    states[:, 1] = 5 - 1e-6 * bits
    assert fading.read_out(states, bits) == 1
    states[200:, 1] = 5 - 1e-6 * (1 - bits[200:])
    assert fading.read_out(states, bits) == 0


def test_the_distance_of_the_means_is_that_of_the_two_bits():
    states = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 5.0]])
    assert fading.between_means(states, np.array([0, 0, 1])) == pytest.approx(5)


def test_signal_and_gradient_fade_alike_in_a_linear_network(monkeypatch):
    settings = fading.Settings(units=4, sequences=20)
    layer = fading.layer_of(settings, "RNN")
    layer.weights[0][...] *= 1e-3  # so small that tanh is linear
    layer.weights[1][...] *= 0.8
    monkeypatch.setattr(fading, "layer_of", lambda *_: layer)
    found = fading.measure(settings, "RNN", 0.0)
    powers = 0.8 ** np.array(fading.LAGS)
    np.testing.assert_allclose(found["gradient"], powers, rtol=1e-3)
    at_the_bit = 2 * np.linalg.norm(layer.weights[0][1])
    np.testing.assert_allclose(found["between_means"], at_the_bit * powers, rtol=1e-3)


def test_before_training_is_before_and_after_is_after(monkeypatch):
    monkeypatch.setattr(gradients, "LAG", 5)
    monkeypatch.setattr(gradients, "FAR", 20)
    asked = []
    recall = gradients.recall

    def watched(rng, lag, *size):
        asked.append(lag)
        return recall(rng, lag, *size)

    monkeypatch.setattr(gradients, "recall", watched)
    settings = gradients.Settings(units=4)
    untrained, trained = (
        gradients.before_and_after(dataclasses.replace(settings, updates=n)) for n in (0, 3)
    )
    assert asked.count(20) == 2 * len(tasks.LAYERS)
    assert set(asked) == {5, 20}
    for cell in tasks.LAYERS:
        assert len(trained[cell]["before"]) == len(untrained[cell]["before"])
        assert 0.2 < untrained[cell]["far_accuracy"] < 0.8
        assert [found[cell]["updates"] for found in (untrained, trained)] == [0, 3]
        assert untrained[cell]["after"] == untrained[cell]["before"] == trained[cell]["before"]
        assert trained[cell]["after"] != trained[cell]["before"]


def test_each_curve_stands_under_the_rate_and_start_that_made_it(monkeypatch):
    def constant(settings, cell, optimiser, start):
        place = list(optimisers.STARTS).index(start)
        return [optimiser.learning_rate + place] * settings.updates

    monkeypatch.setattr(optimisers, "losses", constant)
    found = optimisers.run(optimisers.Settings(updates=10), None)["figures"]
    for cell in optimisers.TASKS:
        for curves in found["sweep"][cell].values():
            assert curves == {rate: [rate] for rate in optimisers.RATES}
        assert [curve[0] for curve in found["starts"][cell].values()] == [
            pytest.approx(0.003 + place) for place in range(6)
        ]


def test_the_recurrent_kernel_starts_as_its_name_says(monkeypatch):
    seen = {}
    settings = optimisers.Settings(updates=1, batch_size=2)
    for start in optimisers.STARTS:

        class Spy(tasks.Learner):
            def __init__(self, layer, optimizer, start=start):
                seen[start] = layer.weights[1].copy()
                super().__init__(layer, optimizer)

        monkeypatch.setattr(optimisers, "Learner", Spy)
        optimisers.losses(settings, "LSTM", SGD(), start)
    U = seen["orthogonal × 0.7"]
    np.testing.assert_allclose(U @ U.T, 0.49 * np.eye(16), atol=1e-5)
    assert (seen["identity"] == np.tile(np.eye(16), 4)).all()
    assert 0.005 < seen["normal × 0.01"].std() < 0.02
    assert np.abs(seen["Glorot"]).max() < np.sqrt(6 / 80)

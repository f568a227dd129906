"""Forecasts, and images and sounds as sequences: no look ahead, parts, sizes, and small runs."""

import numpy as np
import pytest

from unrolled import set_random_seed
from unrolled.datasets import load_series
from unrolled.experiments.__main__ import main
from unrolled.experiments.series import digits, forecast, thousands, tones
from unrolled.experiments.shared import forecasting, paired, record, sequences, sounds
from unrolled.experiments.shared.forecasting import Network, Scale
from unrolled.experiments.shared.sequences import Part, Parts

SMALL = {
    "forecast": {"series": "elnino", "horizon": 3, "window": 6, "units": 4, "epochs": 10},
    "digits": {"parameters": 200, "updates": 2, "waiting": 200, "waits": 2, "longest": 20},
    "tones": {"parameters": 200, "updates": 2, "train": 60, "measured": 30, "longest": 448},
    "thousands": {"parameters": 200, "updates": 2, "train": 60, "measured": 30, "longest": 256},
}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A function that records a small run of an experiment and returns it."""
    monkeypatch.setenv("UNROLLED_RESULTS", str(tmp_path))
    monkeypatch.setattr(forecast, "RATES", (0.01,))

    def make(name):
        options = [f"--{key.replace('_', '-')}={value}" for key, value in SMALL[name].items()]
        assert main([name, "--seed=1", *options]) == 0
        (result,) = record.read_results(name)
        return result

    return make


def test_a_small_forecast_is_recorded(recorded):
    figures = recorded("forecast")["figures"]
    first, last = figures["origins"]
    assert last - first == 12 * 16 - 2  # of 16 years, three steps each
    assert set(forecast.NETWORKS) < set(figures["models"])
    for found in figures["models"].values():
        assert len(found["by_step"]) == 3
        assert len(found["by_origin"]) == last - first
        assert np.mean(found["by_step"]) == pytest.approx(found["mae"], abs=1e-4)
        assert np.mean(found["by_origin"]) == pytest.approx(found["mae"], abs=1e-4)
    for found in figures["quantiles"].values():
        assert 0 <= found["coverage"] <= 1
        assert np.mean(found["coverage_by_step"]) == pytest.approx(found["coverage"], abs=1e-4)
        assert found["width"] > 0
    one, two = forecast.both_errors(record.read_results("forecast"), "persistence", "LSTM, direct")
    assert len(one) == len(two) == last - first
    assert paired.difference(one, one).mean == 0


def test_a_small_run_on_digits_is_recorded(recorded):
    figures = recorded("digits")["figures"]
    assert [*figures["reading"]] == ["8", "16"]
    assert [*figures["waiting"]] == ["0", "20"]
    assert set(figures["reading"]["8"]) == {*sequences.CELLS, *sequences.LARGER}
    assert figures["images"]["logistic regression"]["accuracy"] > 0.9
    assert len(paired.unpack(figures["reading"]["8"]["RNN"]["right_bits"], 500)) == 500


def test_a_small_run_on_tones_is_recorded(recorded):
    figures = recorded("tones")["figures"]
    assert [*figures["growing"]] == ["256"]
    assert [*figures["waiting"]] == ["0", "20"]
    assert [*figures["by_sample"]] == ["128"]
    assert set(figures["growing"]["256"]["simple"]) == {"samples", "spectrum", "spectrogram"}


def test_a_small_run_of_hundreds_of_steps_is_recorded(recorded):
    figures = recorded("thousands")["figures"]
    assert [*figures] == ["bit", "waiting", "sound"]
    for task, found in figures.items():
        assert [*found] == ["256"]
        networks = {*sequences.CELLS, *sequences.OPEN}
        assert {*found["256"]} - networks == ({"spectrogram"} if task == "sound" else set())


# Forecasts


def every_forecaster(values, origins):
    """name -> what each kind of forecaster says of the next four values."""
    H, m = 4, 12
    direct = forecasting.fit_autoregression(values[:150], 12, H)
    one = forecasting.fit_autoregression(values[:150], 12, 1)
    rates = forecasting.Smoothing(np.array(0.3), np.array(0.1), np.array(0.2), True)
    scale = Scale.of(values[:150])
    x = forecasting.before(scale.to(values), origins, 12)
    found = {
        "persistence": forecasting.persistence(values, origins, H),
        "seasonal": forecasting.seasonal_persistence(values, origins, H, m),
        "direct": forecasting.autoregression(values, origins, direct),
        "recursive": forecasting.recursive(
            forecasting.before(values, origins, 12), lambda w: w @ one[:-1, 0] + one[-1, 0], H
        ),
        "smoothing": forecasting.smoothing_forecasts(values, origins, H, m, rates)[0],
    }
    for outputs in (1, H):
        set_random_seed(0)
        network = Network("lstm", 5, outputs, 0.01, changes=True)
        network(x[:1])
        found[f"network of {outputs}"] = scale.back(forecasting.forecasts(network, x, H))
    return found


def test_no_forecaster_reads_what_comes_after_its_origin(rng):
    values = load_series("elnino").values[:220].copy()
    origins = np.arange(160, 200, 7)
    before = every_forecaster(values, origins)
    for k, origin in enumerate(origins):
        changed = values.copy()
        changed[origin:] += rng.normal(0, 5, len(values) - origin)
        for name, answers in every_forecaster(changed, origins).items():
            assert answers.shape == (len(origins), 4)
            assert np.allclose(answers[k], before[name][k], rtol=0, atol=1e-12), name
        changed = values.copy()
        changed[origin - 12 : origin] += rng.normal(0, 5, 12)
        for name, answers in every_forecaster(changed, origins).items():
            assert not np.allclose(answers[k], before[name][k], rtol=0, atol=1e-3), name


def test_windows_are_all_pairs_of_neighbours():
    x, y = forecasting.windows(np.arange(10.0), 4, 2)
    assert x.shape == (5, 4)
    assert x[0].tolist() == [0, 1, 2, 3]
    assert y[0].tolist() == [4, 5]
    assert (y[:, 0] == x[:, -1] + 1).all()
    assert y[-1, -1] == 9
    origins = forecasting.origins_between(4, 10, 2)
    assert np.array_equal(forecasting.before(np.arange(10.0), origins, 4), x)


def test_a_scale_goes_there_and_back(rng):
    values = 300 + 7 * rng.normal(size=50)
    scale = Scale.of(values[:30])
    scaled = scale.to(values[:30])
    assert abs(scaled.mean()) < 1e-12
    assert scaled.std() == pytest.approx(1)
    assert np.allclose(scale.back(scale.to(values)), values)


def test_an_autoregression_finds_the_rule_that_made_a_series():
    values = [0.3, -0.5]
    for _ in range(60):
        values.append(1.2 * values[-1] - 0.9 * values[-2] + 0.4)
    coefficients = forecasting.fit_autoregression(np.array(values), 2, 1)
    assert np.allclose(coefficients[:, 0], [-0.9, 1.2, 0.4])


def test_smoothing_continues_a_line_with_seasons():
    t = np.arange(60)
    values = 3 + 0.5 * t + np.tile([1.0, -1.0, 2.0, -2.0], 15)
    rates = forecasting.Smoothing(np.array(0.4), np.array(0.3), np.array(0.3), True)
    answers = forecasting.smoothing_forecasts(values, [40, 56], 4, 4, rates)[0]
    # The seasons to start with contain the slope within the first period, so it is not exact.
    assert np.abs(answers - forecasting.after(values, [40, 56], 4)).max() < 0.2


def loss_of(network, x, y):
    answers = network(x)
    if network.quantiles:
        return forecast.pinball(y, answers, network.quantiles)
    return float(((answers - y) ** 2).mean())


@pytest.mark.parametrize("quantiles", [(), (0.1, 0.9)])
@pytest.mark.parametrize("changes", [False, True])
@pytest.mark.parametrize("cell", ["gru", "linear"])
def test_a_network_learns_what_follows(cell, quantiles, changes, rng):
    values = np.sin(np.arange(200) / 3)
    x, y = forecasting.windows(values, 12, 2)
    set_random_seed(0)
    network = Network(cell, 8, 2, 0.02, quantiles, changes)
    before = loss_of(network, x, y)
    for _ in range(30):
        network.epoch(x, y, rng)
    assert loss_of(network, x, y) < before / 5


def test_a_network_of_changes_does_not_see_the_level(rng):
    x = rng.normal(size=(5, 8))
    set_random_seed(0)
    network = Network("lstm", 4, 3, 0.01, changes=True)
    assert np.allclose(network(x + 7), network(x) + 7, atol=1e-5)
    network.head.weights[0][...] = 0
    assert np.allclose(network(x), x[:, -1:], atol=1e-6)  # no change: the last value stays
    plain = Network("lstm", 4, 3, 0.01)
    assert not np.allclose(plain(x + 7), plain(x) + 7, atol=1e-2)


def test_what_is_chosen_does_not_depend_on_the_test_period(monkeypatch, rng):
    settings = forecast.Settings(series="elnino", horizon=3, window=6, units=4, epochs=10)
    series = load_series("elnino")
    start, end = (series.before(month) for month in forecast.PERIODS["elnino"])
    changed = series.values.copy()
    changed[end:] += rng.normal(0, 9, len(changed) - end)
    for values in (changed, series.values):
        chosen = forecast.choose_network(settings, "LSTM, direct", values[:end], start, end)
        simple = forecast.simple_models(settings, series._replace(values=values), start, end)
        found = chosen, {name: choice for name, (choice, _) in simple.items()}
        if values is changed:
            expected = found
    assert found == expected


def test_a_scale_is_taken_from_what_is_fitted_to(monkeypatch):
    seen = []

    class Spy:
        @staticmethod
        def of(values):
            seen.append(values)
            return Scale.of(values)

    monkeypatch.setattr(forecast, "Scale", Spy)
    settings = forecast.Settings(series="elnino", horizon=3, window=6, units=4, epochs=10)
    values = load_series("elnino").values
    choice = forecast.choose_network(settings, "LSTM, direct", values[:540], 420, 540)
    forecast.fitted(settings, "LSTM, direct", values[:540], choice)
    assert [len(part) for part in seen] == [420, 540]
    assert all(np.array_equal(part, values[: len(part)]) for part in seen)


def test_a_band_around_forecasts_holds_its_share_of_past_errors():
    values = load_series("elnino").values[:400]
    origins = forecasting.origins_between(200, 400, 3)

    def model(values, origins):
        return forecasting.persistence(values, origins, 3)

    band = model(values, origins)[:, :, None] + forecast.around(values, model, origins, 3)
    y = forecasting.after(values, origins, 3)
    inside = forecasting.coverage(y, band[:, :, 0], band[:, :, 2], axis=0)
    assert np.allclose(inside, 0.8, atol=0.02)


# Sequences


def test_frames_cut_a_sound_in_pieces():
    x = np.arange(24.0).reshape(2, 12, 1)
    found = sequences.frames(x, 5)
    assert found.shape == (2, 2, 5)
    assert found[0, 1].tolist() == [5, 6, 7, 8, 9]
    assert found[1, 0, 0] == 12


def test_what_follows_is_blank_or_noise():
    x = np.ones((50, 3, 4), np.float32)
    assert (sequences.followed_by(x, 5)[:, 3:] == 0).all()
    noisy = sequences.followed_by(x, 40, noise=2.0)
    assert noisy.dtype == np.float32
    assert (noisy[:, :3] == 1).all()
    assert noisy[:, 3:].std() == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("name", [*sequences.CELLS, *sequences.OPEN, *sequences.LARGER])
@pytest.mark.parametrize(("parameters", "features"), [(1200, 16), (4000, 8)])
def test_models_have_about_as_many_weights(name, parameters, features):
    model = sequences.classifier(name, parameters, (5, features), 3)
    count = sum(w.size for layer in model.layers[:-1] for w in layer.weights)
    assert abs(count / parameters - 1) < 0.1


def test_an_open_gate_starts_at_the_length():
    lstm = sequences.classifier("LSTM open", 200, (50, 2), 3).layers[0]
    H = lstm.units
    assert np.allclose(lstm.weights[2][H : 2 * H], np.log(50))
    gru = sequences.classifier("GRU open", 200, (50, 2), 3).layers[0]
    assert np.allclose(gru.weights[2][0, : gru.units], np.log(50))


def test_a_training_keeps_the_weights_of_its_best_look(rng, monkeypatch):
    monkeypatch.setattr(sequences, "RATE", 0.3)  # so large that accuracy goes up and down
    x = rng.normal(size=(300, 4, 2)).astype("float32")
    y = (x[:, -1, 0] + rng.normal(size=300) > 0).astype(int)
    parts = Parts(Part(x[:200], y[:200]), Part(x[200:], y[200:]), Part(x[200:], y[200:]))
    stopped = []
    for seed in range(4):
        set_random_seed(seed)
        model = sequences.classifier("GRU", 100, (4, 2), 2)
        best, after = sequences.train(model, parts, 40, seed)
        assert sequences.right(model, parts.validation).mean() == best
        stopped.append(after)
        found = sequences.measured("GRU", 100, parts, 40, seed)
        assert (found["validation"], found["updates"]) == (round(best, 4), after)
        assert found["accuracy"] == found["validation"]
    assert 0 < min(stopped) < 40  # not every best look was the last


def test_the_parts_of_the_digits_share_no_image():
    parts, digest = digits.load()
    assert [len(part.y) for part in parts] == [1000, 297, 500]
    assert len(digest) == 64
    rows = np.concatenate([part.x[:, :, 0] for part in parts])
    assert rows.max() == 1
    assert len(np.unique(rows, axis=0)) == len(rows)
    by_rows = digits.in_steps_of(parts, 8, lag=3)
    assert by_rows.test.x.shape == (500, 11, 8)
    assert np.array_equal(by_rows.test.x[0, 1], parts.test.x[0, 8:16, 0])


def test_all_tasks_of_a_length_have_as_many_steps():
    settings = thousands.Settings(train=60, measured=30)
    for make, features in zip(thousands.TASKS.values(), (2, sounds.FRAME, 1), strict=True):
        parts = make(settings, 40)
        assert [part.x.shape for part in parts] == [(n, 40, features) for n in (60, 30, 30)]
        assert not np.array_equal(parts.test.x, parts.validation.x)


def test_only_the_first_step_tells_the_bit():
    train, _, test = thousands.bits(thousands.Settings(train=200, measured=100), 30)
    for part in (train, test):
        assert np.array_equal(part.x[:, 0, 1] > 0, part.y == 1)
        assert not part.x[:, 1:, 1].any()


def test_behind_a_waiting_sound_there_is_only_noise():
    parts = thousands.waits(thousands.Settings(train=60, measured=30), 40)
    steps = sounds.SOUND // sounds.FRAME
    assert parts.train.x[:, :steps].std() > 4 * parts.train.x[:, steps:].std()
    assert parts.train.x[:, steps:].std() == pytest.approx(0.1, rel=0.05)


def test_the_three_views_of_a_sound():
    """Its spectrum does not tell a rising tone from a falling one, the spectra of pieces do."""
    settings = tones.Settings(train=600, measured=300)
    found = tones.simple(tones.sounds(settings, 256))
    assert found["samples"]["accuracy"] < 0.5
    assert 0.5 < found["spectrum"]["accuracy"] < 0.8
    assert found["spectrogram"]["accuracy"] > 0.95


def test_a_part_that_was_made_is_not_made_again(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"a": [1, 2.5]}

    assert record.once(tmp_path, "part", make) == record.once(tmp_path, "part", make)
    assert len(made) == 1

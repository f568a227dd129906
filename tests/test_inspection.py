"""What is said about the inside of a model is recomputed here by other ways."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from unrolled import Sequential, cells, inspection, layers, set_random_seed
from unrolled.activations import sigmoid

WORDS, D, H = 50, 4, 3
KINDS = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}
IDS = [1, 7, 2, 30, 7, 49, 12]
PADDING = 4
PADDED = [0] * PADDING + IDS


def logit(model, ids):
    return inspection.logits(model, np.array([ids]))[0]


def made(*between, dropout=False, mask_zero=True):
    """A model in float64 whose weights are large enough for words to matter."""
    set_random_seed(3)
    between = [layers.Dropout(0.5), *between, layers.Dropout(0.5)] if dropout else between
    embedding = layers.Embedding(WORDS, D, mask_zero=mask_zero)
    model = Sequential([embedding, *between, layers.Dense(1, activation="sigmoid")])
    model.build((None, None), "float64")
    rng = np.random.default_rng(4)
    model.set_weights([rng.normal(scale=0.7, size=w.shape) for w in model.weights])
    return model


@pytest.fixture(params=KINDS)
def model(request):
    return made(KINDS[request.param](H), dropout=True)


@pytest.fixture
def lstm():
    return made(layers.LSTM(H))


def test_reading_is_the_cell_step_by_step(lstm):
    seen = inspection.read(lstm, IDS)
    embeddings, *weights, kernel, bias = lstm.get_weights()
    h = c = np.zeros((1, H))
    for t, word in enumerate(IDS):
        h, c, cache = cells.lstm_step(embeddings[word][None], h, c, *weights)
        for name in "ifog":
            np.testing.assert_allclose(seen[name][t], getattr(cache, name)[0], atol=1e-12)
        np.testing.assert_allclose((seen["h"][t], seen["c"][t]), (h[0], c[0]), atol=1e-12)
        assert seen["p"][t] == pytest.approx(sigmoid(h @ kernel + bias)[0, 0], abs=1e-12)


@pytest.mark.parametrize(
    ("kind", "names"), [("rnn", "h p"), ("lstm", "i f o g h c p"), ("gru", "z r g h p")]
)
def test_the_running_verdict_is_that_of_the_words_so_far(kind, names):
    model = made(KINDS[kind](H), dropout=True)
    seen = inspection.read(model, IDS)
    assert set(seen) == set(names.split())
    ends = [model.predict(np.array([IDS[: t + 1]]))[0, 0] for t in range(len(IDS))]
    np.testing.assert_allclose(seen["p"], ends, atol=1e-12)


def test_state_gradients_are_differences_of_readings_that_go_on_from_a_changed_state(lstm):
    seen, found = inspection.read(lstm, IDS), inspection.state_gradients(lstm, IDS)
    embeddings, *weights, kernel, bias = lstm.get_weights()

    def end(t, h, c):
        for word in IDS[t + 1 :]:
            h, c, _ = cells.lstm_step(embeddings[word][None], h, c, *weights)
        return (h @ kernel + bias)[0, 0]

    for t in range(len(IDS)):
        h, c, o = (seen[name][t][None] for name in "hco")
        for unit in range(H):
            step = 1e-6 * np.eye(H)[unit]
            dh = (end(t, h + step, c) - end(t, h - step, c)) / 2e-6
            assert found["h"][t, unit] == pytest.approx(dh, abs=1e-8)
            up, down = (end(t, o * np.tanh(c + s), c + s) for s in (step, -step))
            assert found["c"][t, unit] == pytest.approx((up - down) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("mask_zero", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_read_as_the_model_reads_it(kind, mask_zero):
    model = made(KINDS[kind](H), mask_zero=mask_zero)
    seen = inspection.read(model, PADDED)
    ends = [model.predict(np.array([PADDED[: t + 1]]))[0, 0] for t in range(len(PADDED))]
    np.testing.assert_allclose(seen["p"], ends, rtol=0, atol=1e-12)
    p = sigmoid(inspection.logits(model, [PADDED]))
    np.testing.assert_allclose(p, ends[-1:], rtol=0, atol=1e-12)
    unpadded = inspection.read(model, IDS)
    for name, steps in unpadded.items():
        assert np.allclose(seen[name][PADDING:], steps, rtol=0, atol=1e-12) == mask_zero, name


def test_masked_padding_changes_nothing_that_is_said_of_the_words(model):
    def said(ids):
        gradients = inspection.state_gradients(model, ids)["h"]
        occluded = inspection.occlusion(model, ids)
        shares, _ = inspection.integrated_gradients(model, ids)
        return gradients, occluded, shares

    for padded, unpadded in zip(said(PADDED), said(IDS), strict=True):
        np.testing.assert_allclose(padded[PADDING:], unpadded, rtol=0, atol=1e-12)
    _, occluded, shares = said(PADDED)
    assert not occluded[:PADDING].any()
    assert not shares[:PADDING].any()
    importance = np.arange(len(IDS))
    curves = [
        inspection.deletion_curve(model, PADDED, [9] * PADDING + list(importance), (0, 1, 3)),
        inspection.deletion_curve(model, IDS, importance, (0, 1, 3)),
    ]
    np.testing.assert_allclose(*curves, rtol=0, atol=1e-12)


def test_the_gates_of_masked_padding_are_nan_and_do_not_count(lstm):
    f = inspection.read(lstm, PADDED)["f"]
    assert np.isnan(f[:PADDING]).all()
    expected = inspection.half_lives(inspection.read(lstm, IDS)["f"])
    np.testing.assert_allclose(inspection.half_lives(f), expected)


def test_masks_travel_through_all_that_is_between():
    between = layers.Bidirectional(layers.LSTM(H, return_sequences=True))
    model = made(between, layers.GRU(H, return_sequences=True), layers.GlobalAveragePooling1D())
    padded, gap = inspection.integrated_gradients(model, PADDED, steps=256)
    unpadded, _ = inspection.integrated_gradients(model, IDS, steps=256)
    np.testing.assert_allclose(padded, [*[0] * PADDING, *unpadded], rtol=0, atol=1e-12)
    unread = [0] * PADDING + [1] + [2] * (len(IDS) - 1)
    assert padded.sum() == pytest.approx(logit(model, PADDED) - logit(model, unread), abs=1e-4)
    assert abs(gap) < 1e-4


def test_occlusion_is_the_difference_that_a_hidden_word_makes(model):
    found = inspection.occlusion(model, IDS)
    for t in range(len(IDS)):
        hidden = [*IDS[:t], 2, *IDS[t + 1 :]]
        assert found[t] == pytest.approx(logit(model, IDS) - logit(model, hidden), abs=1e-12)
    assert found[2] == 0  # it was unknown before
    assert np.ptp(found) > 0.1


def test_integrated_gradients_sum_to_the_difference_of_the_logits(model):
    errors = []
    for steps in (16, 64, 256):
        found, gap = inspection.integrated_gradients(model, IDS, steps=steps)
        unread = [1] + [2] * (len(IDS) - 1)
        difference = logit(model, IDS) - logit(model, unread)
        assert found.sum() - difference == pytest.approx(gap, abs=1e-12)
        errors.append(abs(gap))
    assert abs(difference) > 0.1
    assert errors[-1] < 1e-4
    assert errors[1] < errors[0] / 8  # the midpoint rule's error falls with the square: 16
    assert found[0] == found[2] == 0  # the start token and an unknown word stay what they are


def test_integrated_gradients_of_a_linear_model_are_its_terms():
    model = made(layers.GlobalAveragePooling1D())
    embeddings, kernel, _ = model.get_weights()
    found, gap = inspection.integrated_gradients(model, IDS, steps=1)
    expected = (embeddings[IDS] - embeddings[2]) @ kernel[:, 0] / len(IDS)
    expected[0] = 0
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert abs(gap) < 1e-12


def test_explaining_leaves_the_model_as_it_was(model):
    before = model.predict(np.array([IDS]))
    inspection.occlusion(model, IDS)
    inspection.integrated_gradients(model, IDS)
    assert np.array_equal(model.predict(np.array([IDS])), before)
    assert 0 < before[0, 0] < 1


def test_a_model_answers_while_it_is_explained(model):
    rows = np.array([IDS])

    def both(_):
        return model.predict(rows)[0, 0], inspection.logits(model, rows)[0]

    with ThreadPoolExecutor(4) as pool:
        assert {*pool.map(both, range(40))} == {both(0)}


def test_deletion_takes_the_words_that_spoke_for_the_verdict_first(lstm):
    importance = np.array([9.0, 3.0, -2.0, 0.5, 2.0, -1.0, 0.0])  # 9 is the start token's
    *others, kernel, bias = lstm.get_weights()
    for turned in (1, -1):
        lstm.set_weights([*others, turned * kernel, turned * bias])
        side = np.sign(logit(lstm, IDS))
        order = [1, 4, 3, 6, 5, 2] if side > 0 else [2, 5, 6, 3, 4, 1]
        found = inspection.deletion_curve(lstm, IDS, importance, (0, 1, 2, 6))
        for value, count in zip(found, (0, 1, 2, 6), strict=True):
            left = [word for t, word in enumerate(IDS) if t not in order[:count]]
            expected = sigmoid(side * np.array(logit(lstm, left)))
            assert value == pytest.approx(expected, abs=1e-12)
        assert found[0] >= 0.5


def test_correlations_are_pearsons():
    rng = np.random.default_rng(0)
    states, target = rng.normal(size=(30, 4)), rng.normal(size=30)
    states[:, 1] = 5  # a unit that never moves
    states[:, 2] = -3 * target + 1
    found = inspection.correlations(states, target)
    assert found[0] == pytest.approx(np.corrcoef(states[:, 0], target)[0, 1], abs=1e-12)
    assert (found[1], found[2]) == (0, pytest.approx(-1))
    with pytest.raises(ValueError, match=r"expected \(N, H\), \(N,\)"):
        inspection.correlations(states, target[:-1])


def test_half_a_memory_is_gone_after_a_half_life():
    gate = np.tile([0.5, 0.5**0.1, 1.0], (20, 1))
    found = inspection.half_lives(gate)
    np.testing.assert_allclose(found[:2], [1, 10])
    assert found[2] > 1e6
    assert inspection.half_lives(np.array([[0.25], [1.0]]))[0] == pytest.approx(1)


def test_principal_components_are_those_of_the_covariance():
    rng = np.random.default_rng(1)
    states = rng.normal(size=(200, 4)) * [5, 2, 1, 0.1] + 3
    coordinates, directions, shares = inspection.principal_components(states, 3)
    variances, vectors = np.linalg.eigh(np.cov(states.T))
    np.testing.assert_allclose(coordinates.var(axis=0, ddof=1), variances[::-1][:3])
    np.testing.assert_allclose(shares, variances[::-1][:3] / variances.sum())
    np.testing.assert_allclose(np.abs(directions @ vectors[:, ::-1][:, :3]), np.eye(3), atol=1e-9)
    np.testing.assert_allclose(coordinates, (states - states.mean(axis=0)) @ directions.T)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: inspection.read(m, [[1, 2]]), "those of one review"),
        (lambda m: inspection.occlusion(m, []), "those of one review"),
        (lambda m: inspection.integrated_gradients(m, [1.5]), "those of one review"),
        (lambda m: inspection.read(made(layers.GlobalMaxPooling1D()), IDS), "one recurrent layer"),
        (lambda m: inspection.read(made(layers.LSTM(H, stateful=True)), IDS), "without stateful"),
        (lambda m: inspection.read(made(layers.LSTM(H, go_backwards=True)), IDS), "go_backwards"),
        (lambda m: inspection.occlusion(Sequential([layers.Dense(1)]), IDS), "expected Embedding"),
        (lambda m: inspection.principal_components(np.ones((5, 3)), 4), "1 <= k"),
    ],
)
def test_what_does_not_fit_is_refused(lstm, call, words):
    with pytest.raises(ValueError, match=words):
        call(lstm)

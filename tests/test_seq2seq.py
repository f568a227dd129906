"""Encoder, decoder and attention: gradients, masks, Keras, and the search for an answer."""

import itertools

import numpy as np
import pytest

from unrolled import set_random_seed
from unrolled.experiments.shared import seq2seq, strings
from unrolled.experiments.shared.seq2seq import END, PAD, START, Translator
from unrolled.experiments.shared.seq2seq_keras import keras_translator
from unrolled.gradcheck import check_gradients
from unrolled.optimizers import Adam

DIFFERENCES = 1e-6  # central differences
WRITTEN_OUT = 1e-13  # the same formula in another order of additions
K = 6  # symbols


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def translator(attention, dtype="float64", seed=1, size=1.0):
    """A model with random weights, large enough that each part of it counts."""
    model, rng = Translator(K, 5, 4, attention, dtype), np.random.default_rng(seed)
    for weight in model.weights:
        weight[...] = rng.normal(0, size, weight.shape)
    return model


def batch():
    """Sources and targets of different lengths, padded behind."""
    source = np.array([[3, 4, 5, 3], [4, 5, PAD, PAD], [5, PAD, PAD, PAD]])
    target = np.array([[5, 4, END, PAD, PAD], [3, 3, 4, 5, END], [END, PAD, PAD, PAD, PAD]])
    return source, target


# Attention


@pytest.mark.parametrize("shape", [(1, 1, 1, 2, 1), (2, 3, 4, 3, 2), (3, 5, 2, 4, 3)])
def test_attention_written_out(shape, rng, record):
    B, S, T, H, A = shape
    s, h = rng.standard_normal((B, S, H)), rng.standard_normal((B, T, H))
    W, U, v = (rng.standard_normal(size) for size in ((H, A), (H, A), A))
    real = np.arange(T) < rng.integers(1, T + 1, B)[:, None]
    context, alpha, _ = seq2seq.attend(s, h, real, W, U, v)
    for b, t in np.ndindex(B, S):
        steps = [i for i in range(T) if real[b, i]]
        scores = [
            sum(v[a] * np.tanh(s[b, t] @ W[:, a] + h[b, i] @ U[:, a]) for a in range(A))
            for i in steps
        ]
        shares = [np.exp(score) / sum(map(np.exp, scores)) for score in scores]
        expected = sum(share * h[b, i] for share, i in zip(shares, steps, strict=True))
        of_scores = np.log(alpha[b, t, steps]) - np.log(alpha[b, t, 0])  # e_i - e_0
        error = np.abs(of_scores - (np.array(scores) - scores[0])).max()
        record("eq-attention-score", error, 1e-12)
        record("eq-attention-weights", np.abs(alpha[b, t, steps] - shares).max(), WRITTEN_OUT)
        record("eq-attention-context", np.abs(context[b, t] - expected).max(), WRITTEN_OUT)
    assert (alpha[np.broadcast_to(~real[:, None], alpha.shape)] == 0).all()


@pytest.mark.parametrize("shape", [(1, 1, 1, 2, 1), (2, 3, 4, 3, 2), (3, 5, 2, 4, 3)])
def test_gradients_of_attention(shape, rng, record):
    B, S, T, H, A = shape
    sizes = {"s": (B, S, H), "h": (B, T, H), "W": (H, A), "U": (H, A), "v": (A,)}
    arrays = {name: rng.standard_normal(size) for name, size in sizes.items()}
    real = np.arange(T) < rng.integers(1, T + 1, B)[:, None]
    dcontext = rng.standard_normal((B, S, H))

    def f(**arrays):
        return np.vdot(dcontext, seq2seq.attend(**arrays, real=real)[0])

    cache = seq2seq.attend(**arrays, real=real)[2]
    ds, dh, weights = seq2seq.attend_backward(dcontext, cache)
    found = dict(zip(sizes, (ds, dh, *weights), strict=True))
    check = check_gradients(f, arrays, found)
    labels = ("eq-attention-backward-weights", "eq-attention-backward-score")
    for label in (*labels, "eq-attention-backward-pre"):
        record(label, check.error, DIFFERENCES, relative=True)


# The whole model


@pytest.mark.parametrize("attention", [0, 3])
def test_gradients_of_encoder_and_decoder(attention, engine, record):
    model, (source, target) = translator(attention), batch()
    names = [f"weights[{k}]" for k in range(len(model.weights))]
    arrays = {name: weight.copy() for name, weight in zip(names, model.weights, strict=True)}

    def f(**arrays):
        for weight, new in zip(model.weights, arrays.values(), strict=True):
            weight[...] = new
        return seq2seq.loss_and_gradients(model, source, target)[0]

    loss, gradients = seq2seq.loss_and_gradients(model, source, target)
    assert all(np.abs(gradient).max() > 1e-6 for gradient in gradients)
    found = dict(zip(names, gradients, strict=True))
    assert check_gradients(f, arrays, found).error < DIFFERENCES
    f(**arrays)
    log_p = seq2seq.log_probability(model, source, target)
    record("eq-sequence-loss", abs(loss + log_p.sum() / (target != PAD).sum()), WRITTEN_OUT)


@pytest.mark.parametrize("attention", [0, 3])
def test_the_probability_of_a_target_is_the_product_of_its_symbols(attention, record):
    model, (source, target) = translator(attention), batch()
    log_p = seq2seq.log_probability(model, source, target)
    for b in range(len(source)):
        memory, _ = model.encode(source[b : b + 1, : (source[b] != PAD).sum()])
        state, last, product = memory.state, START, 1.0
        for symbol in target[b, : (target[b] != PAD).sum()]:
            logits, state, _, _ = model.decode(np.array([[last]]), state, memory)
            exps = np.exp(logits[0, 0])
            product *= exps[symbol] / exps.sum()
            last = symbol
        record("eq-sequence-probability", abs(np.log(product) - log_p[b]), 1e-12)


@pytest.mark.parametrize("attention", [0, 3])
def test_padding_changes_no_answer(attention):
    model, (source, target) = translator(attention), batch()
    wider = np.pad(source, ((0, 0), (0, 3)))
    longer = np.pad(target, ((0, 0), (0, 2)))
    logits, _ = model.forward(source, seq2seq.shifted(target))
    padded, _ = model.forward(wider, seq2seq.shifted(longer))
    np.testing.assert_allclose(padded[:, : target.shape[1]], logits, rtol=0, atol=1e-14)
    loss, gradients = seq2seq.loss_and_gradients(model, source, target)
    same, of_padded = seq2seq.loss_and_gradients(model, wider, longer)
    assert same == pytest.approx(loss, rel=1e-13)
    for one, other in zip(gradients, of_padded, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(seq2seq.greedy(model, wider, 4), seq2seq.greedy(model, source, 4))


@pytest.mark.parametrize("attention", [0, 3])
def test_keras_gives_the_same_logits(attention, keras):
    model, (source, target) = translator(attention, "float32"), batch()
    given = seq2seq.shifted(target)
    logits, _ = model.forward(source, given)
    theirs = keras_translator(model)([source, given]).numpy()
    assert np.abs(logits).max() > 0.3
    np.testing.assert_allclose(theirs, logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("attention", [0, 6])
def test_training_learns_to_copy_two_symbols(attention):
    set_random_seed(0)
    model = Translator(K, 16, 8, attention)
    source = np.array([[a, b] for a in (3, 4, 5) for b in (3, 4, 5)])
    target = np.pad(source, ((0, 0), (0, 1)), constant_values=END)
    losses = seq2seq.train(model, Adam(0.03), lambda: (source, target), 120)
    assert losses[0] == pytest.approx(np.log(K), rel=0.1)
    assert losses[-1] < 0.05
    np.testing.assert_array_equal(seq2seq.greedy(model, source, 3), target)


def test_what_the_decoder_reads_is_the_target_one_step_later():
    _, target = batch()
    given = seq2seq.shifted(target)
    assert (given[:, 0] == START).all()
    np.testing.assert_array_equal(given[:, 1:], target[:, :-1])


def test_scheduled_sampling_reads_the_true_prefix_or_the_models_own(rng):
    model, (source, target) = translator(3), batch()
    true = seq2seq.shifted(target)
    assert np.array_equal(seq2seq.partly_own(model, source, target, 0, rng), true)
    own = seq2seq.partly_own(model, source, target, 1, rng)
    assert np.all(own[:, 0] == START)
    answer = seq2seq.greedy(model, source, target.shape[1])
    until_end = np.cumsum(answer[:, :-1] == END, axis=1) - (answer[:, :-1] == END) == 0
    assert until_end.sum() > len(source)
    assert np.array_equal(own[:, 1:][until_end], answer[:, :-1][until_end])


def test_a_replaced_symbol_follows_from_what_was_read_before_it():
    """Also where some symbols before it are true ones, and about as many are replaced as asked."""
    model, rng = translator(0), np.random.default_rng(3)
    source, target = (np.repeat(part, 200, axis=0) for part in batch())
    read = seq2seq.partly_own(model, source, target, 0.3, rng)
    logits, _ = model.forward(source, read)
    own, true = logits.argmax(axis=2)[:, :-1], target[:, :-1]
    assert np.all((read[:, 1:] == own) | (read[:, 1:] == true))
    told_apart = own != true
    replaced = (read[:, 1:] == own)[told_apart].mean()
    assert 0.25 < replaced < 0.35


def test_the_share_of_own_symbols_rises_with_the_updates(monkeypatch):
    shares = []

    def partly_own(model, source, target, share, rng):
        shares.append(share)
        return seq2seq.shifted(target)

    monkeypatch.setattr(seq2seq, "partly_own", partly_own)
    model = translator(0)
    seq2seq.train(model, Adam(0.01), batch, 4)
    assert not shares
    seq2seq.train(model, Adam(0.01), batch, 4, 0.8, np.random.default_rng(0))
    assert shares == pytest.approx([0, 0.2, 0.4, 0.6])
    with pytest.raises(ValueError, match="rng: expected a generator"):
        seq2seq.train(model, Adam(0.01), batch, 4, 0.8)


# The search for an answer


@pytest.mark.parametrize(("attention", "more"), [(0, 2.0), (3, 4.0)])
def test_a_beam_of_one_is_greedy_and_nothing_follows_end(attention, more):
    model, (source, _) = translator(attention), batch()
    model.output.weights[1][END] += more  # so that some answers end early
    model.output.weights[1][PAD] = -50.0
    answers = seq2seq.greedy(model, source, 6)
    ended = np.cumsum(answers == END, axis=1) - (answers == END) > 0
    assert ended.any()
    np.testing.assert_array_equal(answers == PAD, ended)
    found = seq2seq.beam_search(model, source, 6, width=1)
    np.testing.assert_array_equal(found.ids[:, 0], answers)


def every_target(longest):
    """All targets of at most `longest` symbols: END at the end, or cut off without one."""
    others = [symbol for symbol in range(K) if symbol not in (PAD, END)]
    found = []
    for length in range(longest + 1):
        for symbols in itertools.product(others, repeat=length):
            ends = [*symbols, END] if length < longest else [*symbols]
            found.append(ends + [PAD] * (longest - len(ends)))
    return np.array(found)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_beam_as_wide_as_there_are_targets_finds_the_best_of_all(power, record):
    model, (source, _) = translator(3), batch()
    model.output.weights[1][PAD] = -50.0  # or PAD would be a symbol of targets, too
    targets = every_target(3)
    found = seq2seq.beam_search(model, source, 3, width=6**3, power=power)
    for b in range(len(source)):
        log_p = seq2seq.log_probability(
            model, np.repeat(source[b : b + 1], len(targets), 0), targets
        )
        score = log_p / (targets != PAD).sum(axis=1) ** power
        order = np.argsort(-score)
        error = np.abs(found.score[b, : len(targets)] - score[order]).max()
        record("eq-beam-score", error, 1e-12)
        np.testing.assert_array_equal(found.ids[b, : len(targets)], targets[order])


def test_a_wider_beam_finds_likelier_targets_than_greedy():
    """With these weights the likeliest first symbol begins less likely targets than another."""
    model, (source, _) = translator(0, seed=2), batch()
    one, four = (seq2seq.beam_search(model, source, 4, width) for width in (1, 4))
    assert (four.log_p[:, 0] >= one.log_p[:, 0] - 1e-12).all()
    assert (four.log_p[:, 0] > one.log_p[:, 0] + 0.1).any()
    for found in (one, four):
        scored = seq2seq.log_probability(model, source, found.ids[:, 0])
        np.testing.assert_allclose(found.log_p[:, 0], scored, rtol=0, atol=1e-12)
    assert (np.diff(four.score, axis=1) <= 0).all()


# Strings


@pytest.mark.parametrize("name", strings.TASKS)
def test_parts_share_no_key_and_no_answer_is_cut_off(name):
    task, rng = strings.TASKS[name], np.random.default_rng(0)
    keys = {}
    for part, longer in itertools.product(strings.PARTS, (False, True)):
        found = strings.pairs(task, part, 200, rng, longer)
        assert len({source for source, _ in found}) == len(found) > 100
        assert all((len(source) > task.longest) == longer for source, _ in found)
        assert max(len(source) for source, _ in found) <= task.most
        assert max(len(target) for _, target in found) < task.target
        keys.setdefault(part, set()).update(task.key(source) for source, _ in found)
    for one, other in itertools.combinations(strings.PARTS, 2):
        assert not keys[one] & keys[other]


def test_every_number_is_read_as_it_is_written():
    assert [strings.read_number(strings.written(n)) for n in range(100)] == [*range(100)]
    assert strings.written(42) == "forty two"
    assert strings.read_sum("forty two plus seven") == "49"
    assert strings.sum_key("two plus one") == strings.sum_key("one plus two")


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("3rd of march 2021", "2021-03-03"),
        ("fri the 12th of may 1950", "1950-05-12"),
        ("21 dec 49", "2049-12-21"),
        ("21 dec 50", "1950-12-21"),
        ("2.11.1999", "1999-11-02"),
        ("2/11/1999", "1999-02-11"),
        ("1987, april 3", "1987-04-03"),
    ],
)
def test_a_form_of_a_date_is_read(source, target):
    assert strings.read_date(source) == target


def test_the_rule_for_dates_reads_every_form(monkeypatch):
    """Each form of every hundredth day is read as that day."""

    class Forms:
        def __init__(self, day, form, front):
            self.turns = iter((day, form, front))

        def integers(self, most):
            return min(next(self.turns), most - 1)

    for day in range(0, strings.DAYS, 100):
        date = (strings.FIRST_DAY + strings.datetime.timedelta(days=day)).isoformat()
        for form, front in itertools.product(range(11), range(4)):
            source = strings.draw_date(Forms(day, form, front))
            assert strings.read_date(source) == date, source


def test_a_form_that_is_not_made_is_refused():
    with pytest.raises(ValueError, match="no date in a form that is known: 'tomorrow'"):
        strings.read_date("tomorrow")


def test_ids_and_text_are_inverse():
    texts = ["march 3, 2021", "a", "sat 2/11-'"[:-1], ""]
    ids = strings.ids_of(texts, end=True)
    assert [strings.text_of(row) for row in ids] == texts
    assert (ids == END).sum(axis=1).tolist() == [1, 1, 1, 1]
    assert ids.max() < strings.SYMBOLS

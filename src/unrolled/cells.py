"""One time step of each cell, forward and backward: a line for a formula, its label beside it.

Rows are examples, as in Keras: x (B, D), h and c (B, H), kernel (D, kH), recurrent_kernel (H, kH),
bias (kH,), with k = 1 for the RNN, 4 for the LSTM (i, f, g, o), 3 for the GRU (z, r, g).
Arrays share one float dtype, which the results keep. A step returns its new state and a cache: a
named tuple of what went in and of every gate. The backward step takes the gradient of the loss
with respect to the new state and returns those of what went in: dx means ∂loss/∂x. In the
formulas a is a gate's sum before its activation, and delta = ∂loss/∂a. `unroll` and
`unroll_backward` take these functions through a whole sequence.
"""

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unrolled.activations import Array, sigmoid, sigmoid_derivative, tanh, tanh_derivative

LSTM_VARIANTS = ("standard", "no_forget", "peephole", "coupled", "no_output")

RNNCache = namedtuple("RNNCache", "x h kernel recurrent_kernel h_new")
LSTMCache = namedtuple(
    "LSTMCache", "x h c kernel recurrent_kernel variant peepholes i f g o c_new h_new"
)
GRUCache = namedtuple("GRUCache", "x h kernel recurrent_kernel reset_after z r g h_g h_new")
ArticleCache = namedtuple("ArticleCache", "x h c kernel recurrent_kernel i f o c_new h_new")


def _check_shapes(
    gates: int, x: Array, h: Array, arrays: dict[str, Array], bias_axes: tuple[int, ...] = ()
) -> None:
    """Raise a ValueError that names the first array whose shape does not fit x and h."""
    if x.ndim != 2 or h.ndim != 2:
        raise ValueError(f"x, h: expected shapes (B, D), (B, H), came {x.shape}, {h.shape}.")
    (B, D), H = x.shape, h.shape[1]
    expected = {"h": (B, H), "c": (B, H), "peepholes": (3, H), "bias": (*bias_axes, gates * H)}
    expected |= {"kernel": (D, gates * H), "recurrent_kernel": (H, gates * H)}
    for name, array in {"h": h, **arrays}.items():
        if array.shape != expected[name]:
            fit = f"{expected[name]} for B={B}, D={D}, H={H}"
            raise ValueError(f"{name}: expected shape {fit}, came {array.shape}.")


def rnn_step(
    x: Array, h: Array, kernel: Array, recurrent_kernel: Array, bias: Array
) -> tuple[Array, RNNCache]:
    """One step of the simple recurrent network of Elman (1990): h_new and a cache (chapter 3).

    h_t = tanh(x_t W + h_{t-1} U + b), with W the kernel (D, H), U the recurrent kernel (H, H).
    ValueError if a shape does not fit.
    """
    _check_shapes(1, x, h, {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": bias})
    h_new = tanh(x @ kernel + h @ recurrent_kernel + bias)  # (B, H)  eq-rnn-hidden
    return h_new, RNNCache(x, h, kernel, recurrent_kernel, h_new)


def rnn_step_backward(dh_new: Array, cache: RNNCache) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients of `rnn_step` from dh_new (B, H): dx, dh, dkernel, drecurrent_kernel, dbias."""
    x, h, kernel, recurrent_kernel, h_new = cache
    delta = dh_new * tanh_derivative(h_new)  # (B, H)  eq-rnn-backward-pre
    dkernel = x.T @ delta  # (D, H)  eq-rnn-backward-kernel
    drecurrent_kernel = h.T @ delta  # (H, H)  eq-rnn-backward-recurrent
    dbias = delta.sum(axis=0)  # (H,)  eq-rnn-backward-bias
    dx = delta @ kernel.T  # (B, D)  eq-rnn-backward-input
    dh = delta @ recurrent_kernel.T  # (B, H)  eq-rnn-backward-hidden
    return dx, dh, dkernel, drecurrent_kernel, dbias


def lstm_step(
    x: Array,
    h: Array,
    c: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    variant: str = "standard",
    peepholes: Array | None = None,
) -> tuple[Array, Array, LSTMCache]:
    """One step of an LSTM: h_new, c_new and a cache (chapter 5).

    "standard" is the cell of Gers et al. (2000), and Keras's. The others change one thing each:
    "no_forget" (Hochreiter & Schmidhuber 1997) f = 1; "coupled" (Greff et al. 2017) f = 1 - i;
    "no_output" o = 1; "peephole" (Gers et al. 2002) lets i and f see c, and o see c_new, each
    unit its own, through the rows p_i, p_f, p_o of `peepholes` (3, H). Weights keep their shapes;
    the columns of a gate that is fixed have no effect and get gradient 0. How much is kept at the
    start is set by the forget gate's bias, bias[H : 2 * H]: 1 in Keras (Jozefowicz et al. 2015).
    ValueError: unknown variant, peepholes missing or out of place, a shape that does not fit.
    """
    if variant not in LSTM_VARIANTS:
        raise ValueError(f"variant: expected one of {LSTM_VARIANTS}, came {variant!r}.")
    if (variant == "peephole") != (peepholes is not None):
        raise ValueError("peepholes: expected with variant='peephole', and with no other.")
    peepholes = np.zeros((3, *h.shape[1:]), h.dtype) if peepholes is None else peepholes
    arrays = {"c": c, "kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": bias}
    _check_shapes(4, x, h, arrays | {"peepholes": peepholes})

    p_i, p_f, p_o = peepholes
    a_i, a_f, a_g, a_o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=1)  # (B, H)
    i = sigmoid(a_i + p_i * c)  # eq-lstm-input, eq-lstm-peephole-input
    f = sigmoid(a_f + p_f * c)  # eq-lstm-forget, eq-lstm-peephole-forget
    if variant == "no_forget":
        f = np.ones_like(f)  # eq-lstm-no-forget
    elif variant == "coupled":
        f = 1 - i  # eq-lstm-coupled
    g = tanh(a_g)  # eq-lstm-candidate
    c_new = f * c + i * g  # eq-lstm-cell
    o = sigmoid(a_o + p_o * c_new)  # eq-lstm-output, eq-lstm-peephole-output
    if variant == "no_output":
        o = np.ones_like(o)  # eq-lstm-no-output
    h_new = o * tanh(c_new)  # eq-lstm-hidden
    given = x, h, c, kernel, recurrent_kernel, variant, peepholes
    return h_new, c_new, LSTMCache(*given, i, f, g, o, c_new, h_new)


def lstm_step_backward(dh_new: Array, dc_new: Array, cache: LSTMCache) -> tuple[Array, ...]:
    """Gradients of `lstm_step`: dx, dh, dc, dkernel, drecurrent_kernel, dbias[, dpeepholes].

    dh_new, dc_new (B, H): the loss's gradients with respect to the new states, dc_new without the
    part that flows through h_new. A gate fixed at 1 needs no case of its own: σ' = 1 (1 - 1) = 0.
    """
    x, h, c, kernel, recurrent_kernel, variant, peepholes, i, f, g, o, c_new, _ = cache
    p_i, p_f, p_o = peepholes
    tanh_c = tanh(c_new)

    do = dh_new * tanh_c  # eq-lstm-backward-output
    delta_o = do * sigmoid_derivative(o)  # eq-lstm-backward-pre
    dc_t = dc_new + dh_new * o * tanh_derivative(tanh_c) + delta_o * p_o  # eq-lstm-backward-cell
    di = dc_t * g  # eq-lstm-backward-input
    df = dc_t * c  # eq-lstm-backward-forget
    dg = dc_t * i  # eq-lstm-backward-candidate
    if variant == "coupled":
        di, df = di - df, np.zeros_like(df)  # f = 1 - i has no weights of its own
    delta_i = di * sigmoid_derivative(i)  # eq-lstm-backward-pre
    delta_f = df * sigmoid_derivative(f)  # eq-lstm-backward-pre
    delta_g = dg * tanh_derivative(g)  # eq-lstm-backward-pre
    delta = np.hstack([delta_i, delta_f, delta_g, delta_o])  # (B, 4H)

    dkernel = x.T @ delta  # (D, 4H)  eq-lstm-backward-kernel
    drecurrent_kernel = h.T @ delta  # (H, 4H)  eq-lstm-backward-recurrent
    dbias = delta.sum(axis=0)  # (4H,)  eq-lstm-backward-bias
    dx = delta @ kernel.T  # (B, D)  eq-lstm-backward-x
    dh = delta @ recurrent_kernel.T  # (B, H)  eq-lstm-backward-hidden
    dc = dc_t * f + delta_i * p_i + delta_f * p_f  # (B, H)  eq-lstm-backward-previous-cell
    gradients = dx, dh, dc, dkernel, drecurrent_kernel, dbias
    if variant != "peephole":
        return gradients
    dpeepholes = np.stack([delta_i * c, delta_f * c, delta_o * c_new]).sum(axis=1)  # (3, H)
    return *gradients, dpeepholes


def gru_step(
    x: Array,
    h: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    reset_after: bool = True,
) -> tuple[Array, GRUCache]:
    """One step of a GRU: h_new and a cache (chapter 6).

    h_t = z ⊙ h_{t-1} + (1 - z) ⊙ g, with z the update gate, r the reset gate, g the candidate.
    reset_after=True, Keras's default: r acts on h U_g + b', and bias is (2, 3H), a row for the
    input's sums and one for the state's. False, the cell of Cho et al. (2014): r acts on h before
    the product, and bias is (3H,). ValueError if a shape does not fit.
    """
    weights = {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": bias}
    _check_shapes(3, x, h, weights, bias_axes=(2,) if reset_after else ())
    bias_x, bias_h = bias if reset_after else (bias, np.zeros_like(bias))
    x_z, x_r, x_g = np.split(x @ kernel + bias_x, 3, axis=1)  # (B, H) each
    U_z, U_r, U_g = np.split(recurrent_kernel, 3, axis=1)  # (H, H) each
    b_z, b_r, b_g = np.split(bias_h, 3)  # (H,) each

    z = sigmoid(x_z + h @ U_z + b_z)  # eq-gru-update
    r = sigmoid(x_r + h @ U_r + b_r)  # eq-gru-reset
    r_before, r_after = (1, r) if reset_after else (r, 1)
    h_g = (r_before * h) @ U_g + b_g
    g = tanh(x_g + r_after * h_g)  # eq-gru-candidate
    h_new = z * h + (1 - z) * g  # eq-gru-hidden
    return h_new, GRUCache(x, h, kernel, recurrent_kernel, reset_after, z, r, g, h_g, h_new)


def gru_step_backward(dh_new: Array, cache: GRUCache) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients of `gru_step` from dh_new (B, H): dx, dh, dkernel, drecurrent_kernel, dbias."""
    x, h, kernel, recurrent_kernel, reset_after, z, r, g, h_g, _ = cache
    U_z, U_r, U_g = np.split(recurrent_kernel, 3, axis=1)
    r_before, r_after = (1, r) if reset_after else (r, 1)

    delta_z = dh_new * (h - g) * sigmoid_derivative(z)
    delta_g = dh_new * (1 - z) * tanh_derivative(g)
    dh_g = delta_g * r_after
    drh = dh_g @ U_g.T  # with respect to r_before * h
    delta_r = (delta_g * h_g if reset_after else drh * h) * sigmoid_derivative(r)
    delta = np.hstack([delta_z, delta_r, delta_g])  # (B, 3H)

    dkernel = x.T @ delta
    drecurrent_kernel = np.hstack([h.T @ delta_z, h.T @ delta_r, (r_before * h).T @ dh_g])
    dbias = delta.sum(axis=0)
    if reset_after:
        dbias = np.stack([dbias, np.hstack([delta_z, delta_r, dh_g]).sum(axis=0)])
    dx = delta @ kernel.T
    dh = dh_new * z + delta_z @ U_z.T + delta_r @ U_r.T + drh * r_before
    return dx, dh, dkernel, drecurrent_kernel, dbias


def article_lstm_step(
    x: Array, h: Array, c: Array, kernel: Array, recurrent_kernel: Array, bias: Array
) -> tuple[Array, Array, ArticleCache]:
    """One step of the LSTM as the article prints it: h_new, c_new and a cache (errata).

    Assumed, as the article gives no shapes: `*` of a weight is a matrix product, of a gate goes
    element by element. x * f then needs D = H (ValueError if not), W_c is one (H, H) matrix in i
    and in c_t, W_o one in o and in h_t. Weights are laid out as in `lstm_step`; the article has no
    U_c and no use for o, so the columns of U_c, U_o and b_o have no effect and get gradient 0.
    """
    weights = {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": bias}
    _check_shapes(4, x, h, {"c": c, **weights})
    if x.shape != h.shape:
        raise ValueError(f"x: the article's x * f needs D = H, came {x.shape} with h {h.shape}.")
    W_i, W_f, W_c, W_o = np.split(kernel, 4, axis=1)
    U_i, U_f, _, U_o = np.split(recurrent_kernel, 4, axis=1)
    b_i, b_f, b_c, b_o = np.split(bias, 4)

    f = sigmoid(x @ W_f + h @ U_f + b_f)  # eq-article-forget
    i = sigmoid(x @ W_i + h @ U_i + b_i + c @ W_c)  # eq-article-input
    o = sigmoid(x @ W_o + h @ U_o + b_o)  # eq-article-output
    c_new = tanh((x * f + h * i) @ W_c + b_c)  # eq-article-cell
    h_new = tanh(c_new @ W_o)  # eq-article-hidden
    return h_new, c_new, ArticleCache(x, h, c, kernel, recurrent_kernel, i, f, o, c_new, h_new)


def article_lstm_step_backward(
    dh_new: Array, dc_new: Array, cache: ArticleCache
) -> tuple[Array, ...]:
    """Gradients of `article_lstm_step`: dx, dh, dc, dkernel, drecurrent_kernel, dbias."""
    x, h, c, kernel, recurrent_kernel, i, f, _, c_new, h_new = cache
    W_i, W_f, W_c, W_o = np.split(kernel, 4, axis=1)
    delta_h = dh_new * tanh_derivative(h_new)
    delta_c = (dc_new + delta_h @ W_o.T) * tanh_derivative(c_new)
    dm = delta_c @ W_c.T  # with respect to the mix x * f + h * i
    delta_i = dm * h * sigmoid_derivative(i)
    delta_f = dm * x * sigmoid_derivative(f)
    unused = np.zeros_like(f)

    delta = np.hstack([delta_i, delta_f, unused, unused])
    dW_c = (x * f + h * i).T @ delta_c + c.T @ delta_i
    dW_o = c_new.T @ delta_h
    dkernel = np.hstack([x.T @ delta_i, x.T @ delta_f, dW_c, dW_o])
    drecurrent_kernel = h.T @ delta
    dbias = np.hstack([delta_i, delta_f, delta_c, unused]).sum(axis=0)
    dx = dm * f + delta_i @ W_i.T + delta_f @ W_f.T
    dh = dm * i + delta @ recurrent_kernel.T
    dc = delta_i @ W_c.T
    return dx, dh, dc, dkernel, drecurrent_kernel, dbias


def unroll(
    step: Callable[..., Any], x: Array, states: Sequence[Array], *weights: Array, **options: Any
) -> tuple[list[Array], list[Any]]:
    """A step function over every step of x (B, T, D): all states, and the caches (chapters 3, 5).

    step: `rnn_step`, `lstm_step`, `gru_step` or one like them, which gets weights and options.
    states: [h] or [h, c] before the first step, (B, H) each. Returns the states after each step,
    [h] or [h, c], (B, T, H) each, and a list of T caches. x has at least one step.
    """
    now, every, caches = list(states), [], []
    for t in range(x.shape[1]):
        *now, cache = step(x[:, t], *now, *weights, **options)
        every.append(now)
        caches.append(cache)
    return [np.stack(steps, axis=1) for steps in zip(*every, strict=True)], caches


def unroll_backward(
    step_backward: Callable[..., Any], dh: Array, dstates: Sequence[Any], caches: Sequence[Any]
) -> tuple[Array, list[Array], list[Array]]:
    """Gradients of `unroll`: backpropagation through time (Werbos 1990; chapters 3, 5).

    dh: (B, T, H), the loss's gradient with respect to each h as an output. dstates: that of the
    states after the last step as such, [dh] or [dh, dc], (B, H) each, or 0 for none. Returns dx
    (B, T, D), the gradients of the initial states, and those of the weights, in the step's order.
    """
    d, dx, total = list(dstates), [], list[Array]()
    for t in reversed(range(len(caches))):
        d[0] = d[0] + dh[:, t]  # by both paths: the output, and the step that follows
        dx_t, *gradients = step_backward(*d, caches[t])
        d, of_weights = gradients[: len(d)], gradients[len(d) :]
        total = [a + b for a, b in zip(total, of_weights, strict=True)] if total else of_weights
        dx.append(dx_t)
    return np.stack(dx[::-1], axis=1), d, total

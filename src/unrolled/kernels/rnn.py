"""The simple recurrent network, compiled: the formulas of `recurrent.rnn_step` (chapter 3).

In a step, arrays are (B, H).
"""

import numpy as np

from unrolled.activations import Array
from unrolled.kernels.elements import (
    ONE,
    ZERO,
    add,
    carry,
    compiled,
    counts,
    cut_off,
    dropped,
    fill_row,
    record,
    take,
    tanh,
)
from unrolled.kernels.products import product
from unrolled.recurrent import Arrays, sum_gradients


@compiled
def step(xW: Array, hU: Array, b: Array, h_new: Array) -> None:
    """From the sums of x and of h to h_t."""
    B, H = h_new.shape
    for k in range(B):
        for j in range(H):
            h_new[k, j] = tanh(xW[k, j] + hU[k, j] + b[j])  # eq-rnn-hidden


@compiled
def forward_steps(xW: Array, U: Array, b: Array, real: Array, keep: Array, h: Array) -> None:
    """All steps. xW: (T, B, H); real: (T, B, 1); filled: h (T + 1, B, H)."""
    hU = np.empty_like(xW[0])  # (B, H)
    for t in range(len(xW)):
        product(dropped(h[t], keep), U, hU)
        step(xW[t], hU, b, h[t + 1])
        carry(real, t, h[t], h[t + 1])


def forward(
    xW: Array, U: Array, b: Array, real: Array, keep: Array, states: Arrays, gates: Array
) -> None:
    """All steps, of which the state's index 0 is there already."""
    forward_steps(xW, U, b, real, keep, *states)


@compiled
def step_backward(real: Array, t: int, h_new: Array, dh: Array, delta: Array) -> None:
    """From dh to delta."""
    B, H = dh.shape
    for k in range(B):
        if counts(real, t, k):
            for j in range(H):
                h = h_new[k, j]
                delta[k, j] = dh[k, j] * (ONE - h * h)  # eq-rnn-backward-pre
        else:
            fill_row(delta, k, ZERO)


@compiled
def backward_steps(
    dy: Array,
    real: Array,
    keep: Array,
    cut: Array,
    U: Array,
    h: Array,
    dh: Array,
    deltas: Array,
    every_h: Array,
) -> None:
    """All steps, last to first. Filled: deltas (T, B, H); dh (B, H) becomes that of step 0."""
    through = np.empty_like(dh)  # (B, H)
    U_T = np.ascontiguousarray(U.T)  # multiplied a quarter faster than U.T
    for t in range(len(dy) - 1, -1, -1):
        add(dh, dy[t])
        step_backward(real, t, h[t + 1], dh, deltas[t])
        record(every_h, t + 1, dh)
        product(deltas[t], U_T, through)  # eq-rnn-backward-hidden
        take(real, t, dropped(through, keep), dh)
        cut_off(cut, t, dh)
    record(every_h, 0, dh)


def backward(
    dy: Array,
    real: Array,
    keep: Array,
    cut: Array,
    U: Array,
    h: Array,
    states: Arrays,
    gates: Array,
    d: Arrays,
    every: Arrays,
) -> tuple[Array, Array, Array]:
    """All deltas, dU and db. h: (T, B, H), dropped; d becomes the initial state's gradient."""
    deltas = np.empty_like(states[0][1:])  # (T, B, H)
    backward_steps(dy, real, keep, cut, U, *states, *d, deltas, *every)
    return deltas, *sum_gradients(deltas, h, gates)

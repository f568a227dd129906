"""The GRU of Cho et al. (2014), compiled: the formulas of `recurrent.gru_before_step` (chapter 6).

In a step, arrays are (B, H) or have blocks of columns for z, r, g, (B, 3H), or for z, r, (B, 2H).
"""

import numpy as np

from unrolled.activations import Array
from unrolled.buffers import empty
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
    sigmoid,
    take,
    tanh,
)
from unrolled.kernels.products import product
from unrolled.recurrent import Arrays, rows


@compiled
def reset(xW: Array, h: Array, hU: Array, b: Array, gates: Array, rh: Array) -> None:
    """From h_{t-1} and its sums for z and r to these gates, and r * h_{t-1}."""
    B, H = h.shape
    for k in range(B):
        for j in range(2 * H):  # eq-gru-update, eq-gru-reset
            gates[k, j] = sigmoid(xW[k, j] + b[j] + hU[k, j])
        for j in range(H):
            rh[k, j] = gates[k, H + j] * h[k, j]


@compiled
def update(xW: Array, rhU: Array, b: Array, h: Array, gates: Array, h_new: Array) -> None:
    """From the sums of r * h_{t-1} to g, and to h_t."""
    B, H = h.shape
    for k in range(B):
        for j in range(H):  # eq-gru-candidate
            gates[k, 2 * H + j] = tanh(xW[k, 2 * H + j] + b[2 * H + j] + rhU[k, j])
        for j in range(H):
            z, g = gates[k, j], gates[k, 2 * H + j]
            h_new[k, j] = z * h[k, j] + (ONE - z) * g  # eq-gru-hidden


@compiled
def forward_steps(
    xW: Array,
    U_zr: Array,
    U_g: Array,
    b: Array,
    real: Array,
    keep: Array,
    h: Array,
    gates: Array,
) -> None:
    """All steps. xW: (T, B, 3H); real: (T, B, 1); filled: h (T + 1, B, H), gates (T, B, 3H)."""
    rh, rhU = np.empty_like(h[0]), np.empty_like(h[0])  # (B, H)
    hU = np.empty((len(rh), U_zr.shape[1]), rh.dtype)  # (B, 2H)
    for t in range(len(xW)):
        seen = dropped(h[t], keep)
        product(seen, U_zr, hU)
        reset(xW[t], seen, hU, b, gates[t], rh)
        product(rh, U_g, rhU)
        update(xW[t], rhU, b, h[t], gates[t], h[t + 1])
        carry(real, t, h[t], h[t + 1])


def forward(
    xW: Array, U: Array, b: Array, real: Array, keep: Array, states: Arrays, gates: Array
) -> None:
    """All steps, of which the state's index 0 is there already."""
    forward_steps(xW, *halves(U), b, real, keep, *states, gates)


def halves(U: Array) -> tuple[Array, Array]:
    """U_z and U_r (H, 2H), U_g (H, H), each in memory of its own."""
    H = len(U)
    return U[:, : 2 * H].copy(), U[:, 2 * H :].copy()


@compiled
def candidate_backward(
    real: Array, t: int, h: Array, gates: Array, dh: Array, delta_zr: Array, delta_g: Array
) -> None:
    """From dh to delta_z and delta_g."""
    B, H = dh.shape
    for k in range(B):
        if counts(real, t, k):
            for j in range(H):
                z, g = gates[k, j], gates[k, 2 * H + j]
                delta_zr[k, j] = dh[k, j] * (h[k, j] - g) * (z * (ONE - z))
            for j in range(H):
                z, g = gates[k, j], gates[k, 2 * H + j]
                delta_g[k, j] = dh[k, j] * (ONE - z) * (ONE - g * g)
        else:
            fill_row(delta_zr, k, ZERO)
            fill_row(delta_g, k, ZERO)


@compiled
def reset_backward(
    real: Array, t: int, seen: Array, gates: Array, drh: Array, delta_zr: Array
) -> None:
    """From the gradient of r * h_{t-1}, h_{t-1} as the weights saw it, to delta_r."""
    B, H = drh.shape
    for k in range(B):
        if counts(real, t, k):
            for j in range(H):
                r = gates[k, H + j]
                delta_zr[k, H + j] = drh[k, j] * seen[k, j] * (r * (ONE - r))


@compiled
def join(
    delta_zr: Array, delta_g: Array, gates: Array, drh: Array, dh: Array, delta: Array
) -> None:
    """Both deltas become one (B, 3H); to dh through U_z and U_r comes that through r * h."""
    B, H = dh.shape
    for k in range(B):
        for j in range(2 * H):
            delta[k, j] = delta_zr[k, j]
        for j in range(H):
            delta[k, 2 * H + j] = delta_g[k, j]
        for j in range(H):
            dh[k, j] += drh[k, j] * gates[k, H + j]  # r


@compiled
def add_carried(dh: Array, gates: Array, through: Array) -> None:
    """To the gradient of h_{t-1} through the weights, add that past them."""
    B, H = dh.shape
    for k in range(B):
        for j in range(H):
            through[k, j] += dh[k, j] * gates[k, j]  # z


@compiled
def backward_steps(
    dy: Array,
    real: Array,
    keep: Array,
    cut: Array,
    U_zr: Array,
    U_g: Array,
    h: Array,
    gates: Array,
    dh: Array,
    deltas: Array,
    every_h: Array,
) -> None:
    """All steps, last to first. Filled: deltas (T, B, 3H); dh (B, H) becomes that of step 0."""
    B, H = dh.shape
    delta_zr = np.empty((B, 2 * H), dh.dtype)
    delta_g, drh, through = np.empty_like(dh), np.empty_like(dh), np.empty_like(dh)  # (B, H)
    U_zr_T, U_g_T = np.ascontiguousarray(U_zr.T), np.ascontiguousarray(U_g.T)  # multiplied faster
    for t in range(len(dy) - 1, -1, -1):
        add(dh, dy[t])
        candidate_backward(real, t, h[t], gates[t], dh, delta_zr, delta_g)
        product(delta_g, U_g_T, drh)
        reset_backward(real, t, dropped(h[t], keep), gates[t], drh, delta_zr)
        record(every_h, t + 1, dh)
        product(delta_zr, U_zr_T, through)
        join(delta_zr, delta_g, gates[t], drh, through, deltas[t])
        before = dropped(through, keep)
        add_carried(dh, gates[t], before)
        take(real, t, before, dh)
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
    H = h.shape[2]
    deltas = empty(gates.shape, gates.dtype)  # (T, B, 3H)
    backward_steps(dy, real, keep, cut, *halves(U), *states, gates, *d, deltas, *every)
    rh = gates[:, :, H : 2 * H] * h  # (T, B, H): what U_g has seen
    dU = np.empty_like(U)
    np.matmul(rows(h).T, rows(deltas)[:, : 2 * H], out=dU[:, : 2 * H])
    np.matmul(rows(rh).T, rows(deltas)[:, 2 * H :], out=dU[:, 2 * H :])
    return deltas, dU, rows(deltas).sum(axis=0)

/* What the lab computes to write: the network one character at a time, and how one is drawn.
 *
 * Nothing here knows the page. tests/test_lab_writing.py holds the probabilities against `unrolled`.
 */
"use strict";

Lab.sampling = (function () {
  const { addProduct, sigmoid } = Lab;

  /** A network at work on a text: the ids that it has read, and what it had in mind after each. */
  function reader({ units: H, features: D, weights }) {
    const S = weights.output_bias.length;
    const sums = new Float64Array(4 * H);
    const scores = new Float64Array(S);
    const ids = [];
    let room = 512; // steps for which there is room
    let c = new Float32Array(room * H); // rows of steps, as in cells.js
    let h = new Float32Array(room * H);
    let logits = new Float32Array(room * S);

    function enlarge() {
      room *= 2;
      const larger = (old) => {
        const made = new Float32Array(2 * old.length);
        made.set(old);
        return made;
      };
      [c, h, logits] = [c, h, logits].map(larger);
    }

    /** One step of the LSTM of chapter 5, and the scores of all symbols after it. */
    function read(id) {
      const t = ids.length;
      if (t === room) enlarge();
      sums.set(weights.bias);
      addProduct(sums, weights.embeddings, id * D, D, weights.kernel);
      if (t) addProduct(sums, h, (t - 1) * H, H, weights.recurrent_kernel);
      for (let u = 0; u < H; u++) {
        const at = t * H + u;
        const i = sigmoid(sums[u]); // eq-lstm-input
        const f = sigmoid(sums[H + u]); // eq-lstm-forget
        const g = Math.tanh(sums[2 * H + u]); // eq-lstm-candidate
        const o = sigmoid(sums[3 * H + u]); // eq-lstm-output
        c[at] = (t ? f * c[at - H] : 0) + i * g; // eq-lstm-cell
        h[at] = o * Math.tanh(c[at]); // eq-lstm-hidden
      }
      scores.set(weights.output_bias);
      addProduct(scores, h, t * H, H, weights.output_kernel);
      logits.set(scores, t * S);
      ids.push(id);
    }

    /** Forget all but the first steps. */
    function cut(steps) {
      ids.length = Math.min(ids.length, steps);
    }

    const logitsAt = (t) => logits.subarray(t * S, (t + 1) * S);
    const cellAt = (t, unit) => c[t * H + unit];
    return { ids, read, cut, logitsAt, cellAt };
  }

  function softmax(logits, temperature = 1) {
    const p = new Float64Array(logits);
    const most = Math.max(...p);
    let total = 0;
    for (let id = 0; id < p.length; id++) {
      p[id] = Math.exp((p[id] - most) / temperature);
      total += p[id];
    }
    return p.map((value) => value / total);
  }

  /** The symbols from the likeliest to the least likely one. */
  function ranked(p) {
    return Array.from(p, (_, id) => id).sort((one, other) => p[other] - p[one] || one - other);
  }

  /** How many of the ranked symbols may be drawn. */
  function allowed(p, order, { method, k, mass }) {
    if (method === "greedy") return 1;
    if (method === "top-k") return Math.min(k, order.length); // eq-top-k
    if (method !== "nucleus") return order.length;
    let total = 0;
    return order.findIndex((id) => (total += p[id]) >= mass - 1e-9) + 1 || order.length; // eq-nucleus
  }

  /** The probabilities that the next character is drawn from, and the symbols in their order. */
  function distribution(logits, chosen) {
    const p = softmax(logits, chosen.method === "greedy" ? 1 : chosen.temperature); // eq-temperature
    const order = ranked(p);
    const kept = order.slice(0, allowed(p, order, chosen));
    const total = kept.reduce((sum, id) => sum + p[id], 0);
    const q = new Float64Array(p.length);
    for (const id of kept) q[id] = p[id] / total;
    return { q, order };
  }

  /** The symbol in whose share of the interval from 0 to 1 `number` falls, the likeliest first. */
  function draw({ q, order }, number) {
    let total = 0;
    for (const id of order) {
      total += q[id];
      if (total > number) return id;
    }
    return order[0]; // where rounding left a gap below 1
  }

  /** A whole number of 32 bits, mixed as at the end of MurmurHash3. */
  function mixed(number) {
    let a = number;
    a = Math.imul(a ^ (a >>> 16), 0x85ebca6b);
    a = Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
    return a ^ (a >>> 16);
  }

  /** The n-th random number of a seed, from 0 to 1: the same on every machine. */
  function uniform(seed, n) {
    return (mixed((mixed(seed + 1) + Math.imul(n + 1, 0x9e3779b9)) | 0) >>> 0) / 2 ** 32;
  }

  return { reader, softmax, distribution, draw, uniform };
})();

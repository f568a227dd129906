/* What the lab computes: words, weights, and one time step after another, as `unrolled` does it.
 *
 * Nothing here knows the page. Arrays of T steps of H units are flat, row after row.
 * tests/test_lab.py holds every gate of every step against `unrolled` in a real browser.
 */
"use strict";

var Lab = (function () {
  const START = 1;
  const UNKNOWN = 2;
  const INDEX_FROM = 3;
  // Keras's filters and the blank; the apostrophe stays in the word.
  const SEPARATORS = new Set(" !\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n");

  /** The words of a text by the rules of `unrolled.datasets.tokenize`, with where they stand. */
  function tokenize(text) {
    const words = [];
    let word = "";
    let start = 0;
    for (let at = 0; at <= text.length; at++) {
      const code = text.codePointAt(at);
      // Half a character cannot be written in UTF-8: Python puts a question mark, a separator.
      const half = code >= 0xd800 && code <= 0xdfff;
      if (at === text.length || half || SEPARATORS.has(text[at])) {
        if (word) words.push({ word, start, end: at });
        word = "";
        continue;
      }
      if (!word) start = at;
      word += code >= 65 && code <= 90 ? text[at].toLowerCase() : String.fromCodePoint(code);
      if (code > 0xffff) at++;
    }
    return words;
  }

  /** Ids as `unrolled.datasets.encode` gives them; ranks: Map of word -> rank, 1 = most frequent. */
  function encode(words, ranks, numWords) {
    const ids = words.map((word) => {
      const id = ranks.has(word) ? ranks.get(word) + INDEX_FROM : UNKNOWN;
      return id < numWords ? id : UNKNOWN;
    });
    return [START, ...ids];
  }

  /** Numbers from base64: int8 times the scale of its column, or float32 as they are. */
  function decode({ data, scales }) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    if (!scales) return new Float32Array(bytes.buffer);
    const columns = decode({ data: scales });
    return Float32Array.from(new Int8Array(bytes.buffer), (q, k) => q * columns[k % columns.length]);
  }

  const folder = document.currentScript.src.replace(/[^/]*$/, "");
  const models = {}; // kind -> a promise of the model
  const parts = {}; // kind -> the pieces of its weights

  /** What a file such as lstm-0.js hands over. */
  function receive(kind, number, letters) {
    parts[kind][number] = letters;
  }

  function loadScript(name) {
    return new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = folder + name;
      script.onload = done;
      script.onerror = () => failed(new Error(`${name} could not be loaded`));
      document.head.append(script);
    });
  }

  /** A model, "lstm", "gru" or "rnn", with its weights as float32; fetched once. */
  function load(kind) {
    models[kind] ??= (async () => {
      const model = Lab.data.models.find((described) => described.kind === kind);
      parts[kind] = [];
      const names = Array.from({ length: model.parts }, (_, number) => `${kind}-${number}.js`);
      await Promise.all(names.map(loadScript));
      const letters = parts[kind].join("");
      const weights = {};
      let at = 0;
      for (const [name, packed] of Object.entries(model.weights)) {
        weights[name] = decode({ ...packed, data: letters.slice(at, at + packed.letters) });
        at += packed.letters;
      }
      delete parts[kind];
      return { ...model, weights };
    })();
    return models[kind];
  }

  const sigmoid = (a) => 1 / (1 + Math.exp(-a)); // eq-sigmoid

  /** sums[j] += vector[k] * matrix[k, j], for a vector that starts at `from`. */
  function addProduct(sums, vector, from, size, matrix) {
    const columns = sums.length;
    for (let k = 0; k < size; k++) {
      const value = vector[from + k];
      for (let j = 0, at = k * columns; j < columns; j++, at++) sums[j] += value * matrix[at];
    }
  }

  /** What all three cells share: rows for T steps, the sums, the verdict after each step. */
  function run(model, ids, names, step) {
    const { units: H, features: D, weights } = model;
    const T = ids.length;
    const traced = { T, H, logit: new Float64Array(T), p: new Float64Array(T) };
    for (const name of names) traced[name] = new Float64Array(T * H);
    const before = new Float64Array(H); // h_{t-1}
    for (let t = 0; t < T; t++) {
      step(traced, t * H, before, ids[t] * D);
      let z = weights.output_bias[0];
      for (let u = 0; u < H; u++) {
        before[u] = traced.h[t * H + u];
        z += before[u] * weights.output_kernel[u];
      }
      traced.logit[t] = z;
      traced.p[t] = sigmoid(z);
    }
    return traced;
  }

  /** h_t = tanh(x_t W + h_{t-1} U + b) (eq-rnn-hidden). */
  function rnn(model, ids) {
    const { units: H, features: D, weights } = model;
    const sums = new Float64Array(H);
    return run(model, ids, ["h"], (traced, row, before, x) => {
      sums.set(weights.bias);
      addProduct(sums, weights.embeddings, x, D, weights.kernel);
      addProduct(sums, before, 0, H, weights.recurrent_kernel);
      for (let u = 0; u < H; u++) traced.h[row + u] = Math.tanh(sums[u]);
    });
  }

  /** The GRU of chapter 6, reset_after as in Keras: two rows of bias. */
  function gru(model, ids) {
    const { units: H, features: D, weights } = model;
    const fromX = new Float64Array(3 * H);
    const fromH = new Float64Array(3 * H);
    return run(model, ids, ["z", "r", "g", "h"], (traced, row, before, x) => {
      fromX.set(weights.bias.subarray(0, 3 * H));
      fromH.set(weights.bias.subarray(3 * H));
      addProduct(fromX, weights.embeddings, x, D, weights.kernel);
      addProduct(fromH, before, 0, H, weights.recurrent_kernel);
      for (let u = 0; u < H; u++) {
        const z = sigmoid(fromX[u] + fromH[u]); // eq-gru-update
        const r = sigmoid(fromX[H + u] + fromH[H + u]); // eq-gru-reset
        const g = Math.tanh(fromX[2 * H + u] + r * fromH[2 * H + u]); // eq-gru-candidate
        traced.z[row + u] = z;
        traced.r[row + u] = r;
        traced.g[row + u] = g;
        traced.h[row + u] = z * before[u] + (1 - z) * g; // eq-gru-hidden
      }
    });
  }

  /** The LSTM of chapter 5. broken: f, i, o held at a number or null, shift added to b_f. */
  function lstm(model, ids, broken = {}) {
    const { units: H, features: D, weights } = model;
    const { f = null, i = null, o = null, shift = 0 } = broken;
    const sums = new Float64Array(4 * H);
    return run(model, ids, ["i", "f", "g", "o", "c", "h"], (traced, row, before, x) => {
      sums.set(weights.bias);
      addProduct(sums, weights.embeddings, x, D, weights.kernel);
      addProduct(sums, before, 0, H, weights.recurrent_kernel);
      for (let u = 0; u < H; u++) {
        const at = row + u;
        traced.i[at] = i ?? sigmoid(sums[u]); // eq-lstm-input
        traced.f[at] = f ?? sigmoid(sums[H + u] + shift); // eq-lstm-forget
        traced.g[at] = Math.tanh(sums[2 * H + u]); // eq-lstm-candidate
        traced.o[at] = o ?? sigmoid(sums[3 * H + u]); // eq-lstm-output
        const kept = row ? traced.f[at] * traced.c[at - H] : 0;
        traced.c[at] = kept + traced.i[at] * traced.g[at]; // eq-lstm-cell
        traced.h[at] = traced.o[at] * Math.tanh(traced.c[at]); // eq-lstm-hidden
      }
    });
  }

  /** The parts of one unit's four sums at step t: from the word, from h_{t-1}, and the bias. */
  function lstmSums(model, ids, traced, t, unit) {
    const { units: H, features: D, weights } = model;
    const sums = {};
    "ifgo".split("").forEach((gate, block) => {
      const column = block * H + unit;
      let word = 0;
      let state = 0;
      for (let d = 0; d < D; d++) {
        word += weights.embeddings[ids[t] * D + d] * weights.kernel[d * 4 * H + column];
      }
      for (let u = 0; u < H && t > 0; u++) {
        state += traced.h[(t - 1) * H + u] * weights.recurrent_kernel[u * 4 * H + column];
      }
      sums[gate] = { word, state, bias: weights.bias[column] };
    });
    return sums;
  }

  /** The units from the one that speaks most for "positive" to the one that speaks most against. */
  function unitOrder({ units, weights }) {
    const V = weights.output_kernel;
    return Array.from({ length: units }, (_, u) => u).sort((u, v) => V[v] - V[u]);
  }

  /** Read ids with a model of any of the three kinds. */
  function read(model, ids, broken) {
    return { lstm, gru, rnn }[model.kind](model, ids, broken);
  }

  const STUDENT = 2.0395; // 97.5 % of Student's t lie below it, with 31 degrees of freedom

  /** The mean of 32 numbers and how far its 95 % interval reaches to either side. */
  function meanOf(values) {
    const n = values.length;
    const mean = values.reduce((sum, value) => sum + value, 0) / n;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return { mean, reach: STUDENT * Math.sqrt(squares / (n - 1) / n) };
  }

  const words = { START, UNKNOWN, tokenize, encode };
  const computed = { addProduct, read, lstmSums, unitOrder, meanOf };
  return { ...words, load, receive, sigmoid, ...computed };
})();

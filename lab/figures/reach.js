/* Chapter 4: how far a gradient reaches back, for a recurrent kernel of any scale. */
"use strict";

(function () {
  const [H, D, T] = [16, 8, 101];
  const { number, size } = Live;

  /** Normal random numbers from a seed. */
  function normals(seed, count) {
    const uniform = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return (seed + 0.5) / 2 ** 32;
    };
    const draw = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    return Float64Array.from({ length: count }, draw);
  }

  /** Rows made orthogonal and of length 1, one after the other (Gram and Schmidt). */
  function orthogonal(M, n) {
    for (let j = 0; j < n; j++) {
      const row = M.subarray(j * n, (j + 1) * n);
      for (let k = 0; k < j; k++) {
        const other = M.subarray(k * n, (k + 1) * n);
        const share = row.reduce((sum, value, u) => sum + value * other[u], 0);
        for (let u = 0; u < n; u++) row[u] -= share * other[u];
      }
      const length = Math.hypot(...row);
      for (let u = 0; u < n; u++) row[u] /= length;
    }
    return M;
  }

  /** An RNN that has learned nothing: orthogonal U (H, H), W (D, H), inputs x (T, D), dh_T. */
  Live.network = function () {
    const dh = normals(3, H);
    const length = Math.hypot(...dh);
    return {
      U: orthogonal(normals(1, H * H), H),
      W: normals(2, D * H).map((value) => value / Math.sqrt(D + H)),
      x: normals(4, T * D),
      dh: dh.map((value) => value / length),
    };
  };

  /** Norms of dloss/dh_t for T - t = 0, 1, 2, …: forward, then back by U scale and 1 - h². */
  Live.gradientNorms = function ({ U, W, x, dh }, scale, inputs) {
    const states = [];
    let h = new Float64Array(H);
    for (let t = 0; t < T; t++) {
      h = h.map((_, u) => {
        let sum = 0;
        for (let d = 0; d < D; d++) sum += inputs * x[t * D + d] * W[d * H + u];
        for (let v = 0; v < H; v++) sum += h[v] * scale * U[v * H + u];
        return Math.tanh(sum); // eq-rnn-hidden
      });
      states.push(h);
    }
    let gradient = dh;
    const norms = [Math.hypot(...gradient)];
    for (let t = T - 1; t > 0; t--) {
      const delta = gradient.map((value, u) => value * (1 - states[t][u] ** 2));
      gradient = gradient.map((_, v) => {
        let sum = 0;
        for (let u = 0; u < H; u++) sum += delta[u] * scale * U[v * H + u];
        return sum; // eq-rnn-backward-hidden
      });
      norms.push(Math.hypot(...gradient));
    }
    return norms;
  };

  const network = Live.network();
  const [LEFT, RIGHT, TOP, BOTTOM, LOW, HIGH] = [66, 608, 20, 290, -16, 8];
  const x = (back) => LEFT + ((RIGHT - LEFT) * back) / (T - 1);
  const y = (power) => BOTTOM - ((BOTTOM - TOP) * (power - LOW)) / (HIGH - LOW);
  const fits = (value) => Math.log10(value) >= LOW && Math.log10(value) <= HIGH;
  /** The places of values as far as they lie on the scale. */
  const places = (values) => {
    const end = values.findIndex((value) => !fits(value));
    const shown = end < 0 ? values : values.slice(0, end);
    return shown.map((value, back) => [x(back), y(Math.log10(value))]);
  };

  Live.start("fig-ch04-reach", {
    title: "How far a gradient reaches back",
    size: [640, 350],
    state: { scale: 0.9, inputs: 0.1 },
    controls(add) {
      add.slider("scale", "scale of U", [0.5, 1.5, 0.05]);
      add.slider("inputs", "size of the inputs", [0, 1, 0.1], (value) => number(value, 1));
    },
    draw(pen, { scale, inputs }) {
      for (let power = LOW; power <= HIGH; power += 4) {
        pen("path", { class: "grid", d: `M${LEFT} ${y(power)}H${RIGHT}` });
        const shown = power === 0 ? "1" : size(10 ** power).replace("1·", "");
        pen("text", { class: "small right", x: LEFT - 8, y: y(power) + 6 }, shown);
      }
      for (let back = 0; back < T; back += 20) {
        pen("text", { class: "small", x: x(back), y: BOTTOM + 24 }, String(back));
      }
      pen("text", { class: "small", x: (LEFT + RIGHT) / 2, y: BOTTOM + 50 }, "steps back");
      const norms = Live.gradientNorms(network, scale, inputs);
      const bound = norms.map((_, back) => scale ** back);
      const curves = { "line dash": bound, [`line thick ${norms[T - 1] > 1 ? "down" : "up"}`]: norms };
      for (const [kind, values] of Object.entries(curves)) {
        const shown = places(values);
        pen("path", { class: kind, d: Live.curve(shown) });
        if (shown.length === T) continue;
        const [end, height] = shown[shown.length - 1]; // an arrow: it goes on beyond the scale
        const way = height < (TOP + BOTTOM) / 2 ? -1 : 1;
        pen("path", { class: kind.replace(" dash", ""), d: `M${end - 6} ${height - 8 * way}L${end} ${height}L${end + 6} ${height - 8 * way}` });
      }
      const [end, height] = places(bound).pop();
      const name = { class: "small right", x: Math.min(end + 66, RIGHT), y: Math.max(height - 12, TOP + 14) };
      pen("text", name, "bound");
    },
    words({ scale, inputs }) {
      const norms = Live.gradientNorms(network, scale, inputs);
      const left = norms[T - 1];
      const way = left < 0.01 ? "It vanishes." : left > 100 ? "It explodes." : "It gets through.";
      return (
        `U is orthogonal times ${number(scale)}, the inputs ${number(inputs, 1)} times the ordinary ones: of a ` +
        `gradient of 1, ${size(left)} is left 100 steps back. ${way} ` +
        `The bound would allow ${size(scale ** 100)}.`
      );
    },
  });
})();

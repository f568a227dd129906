/* Chapter 2: the recurrent network, unrolled and stepped through, with one unit. */
"use strict";

/** All states of one unit with W = 1, b = 0: h_t = tanh(x_t W + h_{t-1} U) (eq-rnn-hidden). */
Live.rnnStates = function (x, U) {
  let h = 0;
  return x.map((input) => (h = Math.tanh(input + h * U)));
};

(function () {
  const WORDS = new Map([
    [1, "praise"],
    [0, "nothing"],
    [-1, "blame"],
  ]);
  const { number, sign } = Live;

  Live.start("fig-ch02-steps", {
    title: "A recurrent network over four words",
    size: [640, 280],
    state: { step: 4, U: 1, x1: 1, x2: 0, x3: -1, x4: 0 },
    begin: { step: 0 },
    controls(add) {
      add.buttons("Steps", [
        ["Start", () => ({ step: 0 }), ({ step }) => step === 0],
        ["Back", ({ step }) => ({ step: step - 1 }), ({ step }) => step === 0],
        ["Next", ({ step }) => ({ step: step + 1 }), ({ step }) => step === 4],
      ]);
      for (const k of [1, 2, 3, 4]) {
        add.slider(`x${k}`, `word ${k}`, [-1, 1, 1], (value) => WORDS.get(value));
      }
      add.slider("U", "U", [-1.5, 1.5, 0.1], (value) => number(value, 1));
    },
    draw(pen, state) {
      const x = [state.x1, state.x2, state.x3, state.x4];
      const h = [0, ...Live.rnnStates(x, state.U)];
      pen("text", { x: 40, y: 144 }, "h_0 = 0");
      for (let t = 1; t <= 4; t++) {
        const at = t * 135;
        const read = t <= state.step ? "" : " faint";
        const style = `stroke-width: ${(1.5 + 9 * Math.abs(h[t - 1])).toFixed(1)}px`;
        pen("path", { class: `line${sign(h[t - 1])}${read}`, style, d: `M${t > 1 ? at - 100 : 80} 138H${at - 35}` });
        pen("path", { class: `line${read}`, d: `M${at} 214V172` });
        pen("path", { class: `line${read}`, d: `M${at} 104V80` });
        pen("rect", { class: `box${t === state.step ? " now" : ""}${read}`, x: at - 34, y: 104, width: 68, height: 68, rx: 8 });
        pen("text", { class: `v${read}`, x: at, y: 145 }, "cell");
        pen("text", { class: `v${read}`, x: at, y: 236 }, "x_" + t);
        pen("text", { class: `small${read}`, x: at, y: 260 }, WORDS.get(x[t - 1]));
        if (t <= state.step) {
          const size = 20 * Math.abs(h[t]);
          pen("circle", { class: `dot${sign(h[t], "on-")}`, cx: at, cy: 54, r: Math.max(size, 3) });
          pen("text", { class: "bold", x: at, y: 22 }, `h_${t} = ${number(h[t])}`);
        }
      }
    },
    words(state) {
      const signed = (value, digits) => (value < 0 ? `(${number(value, digits)})` : number(value, digits));
      const x = [state.x1, state.x2, state.x3, state.x4];
      const h = [0, ...Live.rnnStates(x, state.U)];
      const t = state.step;
      if (t === 0) return "Before the first word the state is 0. “Next” reads a word.";
      return (
        `Step ${t}: the word is ${WORDS.get(x[t - 1])}, so ` +
        `h = tanh(${signed(x[t - 1], 0)}\u00a0·\u00a01 + ${signed(h[t - 1])}\u00a0·\u00a0${signed(state.U, 1)}) = ` +
        `${number(h[t])}. The same W and U at every step.`
      );
    },
  });
})();

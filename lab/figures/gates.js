/* Chapter 5: one step of an LSTM with one unit, its gates as sliders. */
"use strict";

/** c_t = f c_{t-1} + i g (eq-lstm-cell) and h_t = o tanh(c_t) (eq-lstm-hidden). */
Live.lstmStates = function ({ f, i, g, o, c }) {
  const cell = f * c + i * g;
  return { kept: f * c, added: i * g, c: cell, h: o * Math.tanh(cell) };
};

(function () {
  const { number, sign } = Live;
  const PRESETS = {
    Keep: { f: 1, i: 0, o: 0 },
    Write: { f: 0, i: 1, o: 0 },
    Add: { f: 1, i: 1, o: 0 },
    Show: { f: 1, i: 0, o: 1 },
    Forget: { f: 0, i: 0, o: 0 },
  };

  Live.start("fig-ch05-sliders", {
    title: "One step of an LSTM",
    size: [640, 335],
    state: { f: 0.9, i: 0.5, g: 0.8, o: 0.7, c: 1 },
    controls(add) {
      add.slider("f", "forget gate f", [0, 1, 0.05]);
      add.slider("i", "input gate i", [0, 1, 0.05]);
      add.slider("g", "candidate g", [-1, 1, 0.05]);
      add.slider("o", "output gate o", [0, 1, 0.05]);
      add.buttons("What the gates can do", Object.entries(PRESETS).map(([name, to]) => [name, () => to]));
      add.buttons("Time", [
        ["Next step", (state) => ({ c: Live.lstmStates(state).c })],
        ["Start anew", () => ({ c: 1 }), ({ c }) => c === 1],
      ]);
    },
    draw(pen, state) {
      const { f, i, g, o } = state;
      const { kept, added, c, h } = Live.lstmStates(state);
      const flow = (value, d) => {
        const wide = 1.5 + 11 * Math.min(Math.abs(value), 1.5);
        pen("path", { class: `line${sign(value)}`, style: `stroke-width: ${wide.toFixed(1)}px`, d });
      };
      const valve = (x, y, operation) => {
        pen("circle", { class: "box", cx: x, cy: y, r: 19 });
        pen("text", { x, y: y + 7, class: "bold" }, operation);
      };
      const gate = (x, y, name, value) => {
        pen("rect", { class: "box", x: x - 46, y: y - 22, width: 92, height: 40, rx: 8 });
        pen("rect", { class: "on-up", x: x - 40, y: y + 11, width: 80 * value, height: 4 });
        pen("text", { x, y: y + 4 }, `${name} ${number(value)}`);
      };
      flow(state.c, "M100 80H181");
      flow(kept, "M219 80H301");
      flow(c, "M339 80H534");
      flow(added, "M320 201V99");
      flow(g, "M320 272V239");
      flow(Math.tanh(c), "M460 80V201");
      flow(h, "M460 239V272");
      pen("path", { class: "line", d: "M200 132V99" });
      pen("path", { class: "line", d: "M246 220H301" });
      pen("path", { class: "line", d: "M522 220H479" });
      valve(200, 80, "×");
      valve(320, 80, "+");
      valve(320, 220, "×");
      valve(460, 220, "×");
      gate(200, 154, "f", f);
      gate(200, 222, "i", i);
      gate(566, 222, "o", o);
      pen("rect", { class: "box", x: 428, y: 124, width: 64, height: 34, rx: 8 });
      pen("text", { x: 460, y: 147 }, "tanh");
      pen("text", { x: 54, y: 74 }, "old c");
      pen("text", { x: 54, y: 100, class: "bold" }, number(state.c));
      pen("text", { x: 586, y: 74 }, "new c");
      pen("text", { x: 586, y: 100, class: "bold" }, number(c));
      pen("text", { x: 320, y: 296 }, `g ${number(g)}`);
      pen("text", { x: 320, y: 320, class: "small" }, "candidate");
      pen("text", { x: 460, y: 296, class: "bold" }, `h ${number(h)}`);
      pen("text", { x: 460, y: 320, class: "small" }, "shown");
      pen("text", { x: 260, y: 62, class: "small" }, number(kept));
      pen("text", { x: 334, y: 156, class: "small left" }, number(added));
    },
    words(state) {
      const { f, i, g, o, c: old } = state;
      const { c, h } = Live.lstmStates(state);
      return (
        `new c = f · old c + i · g = ${number(f)} · ${number(old)} + ${number(i)} · ${number(g)} = ` +
        `${number(c)}; h = o · tanh(new c) = ${number(o)} · tanh(${number(c)}) = ${number(h)}.`
      );
    },
  });
})();

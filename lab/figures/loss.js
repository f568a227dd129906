/* Chapter 7: the loss of one prediction, and its gradient. */
"use strict";

/** J = -y log p - (1 - y) log(1 - p), and its gradients by p and by the logit z. */
Live.loss = function (p, y) {
  return {
    J: -y * Math.log(p) - (1 - y) * Math.log(1 - p), // eq-bce
    dp: (p - y) / (p * (1 - p)), // eq-bce-gradient
    dz: p - y, // eq-bce-logits-gradient
  };
};

(function () {
  const { number, clamp, curve } = Live;
  const [LEFT, RIGHT] = [64, 610];
  const POINTS = Array.from({ length: 197 }, (_, k) => 0.01 + k * 0.005);
  const x = (p) => LEFT + (RIGHT - LEFT) * p;
  const loss = (J) => 170 - (Math.min(J, 5) / 5) * 140;
  const slope = (d) => 275 - clamp(d, -1, 1) * 60;

  const path = (height) => curve(POINTS.map((q) => [x(q), height(q)]));

  Live.start("fig-ch07-slope", {
    title: "Loss and gradient of a prediction",
    size: [640, 394],
    state: { p: 0.2, y: 1 },
    controls(add) {
      add.slider("p", "prediction p", [0.01, 0.99, 0.01]);
      add.choice("y", "label", [
        ["1, positive", 1],
        ["0, negative", 0],
      ]);
    },
    draw(pen, { p, y }) {
      const { J, dp, dz } = Live.loss(p, y);
      pen("text", { class: "left bold", x: LEFT, y: 18 }, "loss J");
      for (const value of [0, 2.5, 5]) {
        pen("path", { class: "grid", d: `M${LEFT} ${loss(value)}H${RIGHT}` });
        pen("text", { class: "small right", x: LEFT - 8, y: loss(value) + 6 }, number(value, 1));
      }
      pen("text", { class: "left bold", x: LEFT, y: 205 }, "gradient by the logit, p − y");
      for (const value of [-1, 0, 1]) {
        pen("path", { class: "grid", d: `M${LEFT} ${slope(value)}H${RIGHT}` });
        pen("text", { class: "small right", x: LEFT - 8, y: slope(value) + 6 }, number(value, 0));
      }
      for (const value of [0, 0.5, 1]) {
        pen("text", { class: "small", x: x(value), y: 362 }, number(value, 1));
      }
      pen("text", { class: "small", x: x(0.5), y: 386 }, "prediction p");
      pen("path", { class: "line up thick", d: path((q) => loss(Live.loss(q, y).J)) });
      pen("path", { class: "line up thick", d: path((q) => slope(Live.loss(q, y).dz)) });
      const reach = Math.min(0.12, p, 1 - p, Math.abs(1.2 / dp));
      const tangent = [p - reach, p + reach].map((q) => `${x(q)} ${loss(J + dp * (q - p))}`);
      pen("path", { class: "line down thick", d: `M${tangent[0]}L${tangent[1]}` });
      pen("path", { class: "line down thick", d: `M${x(p)} ${slope(0)}V${slope(dz)}` });
      pen("circle", { class: "dot", cx: x(p), cy: loss(J), r: 7 });
      pen("circle", { class: "dot", cx: x(p), cy: slope(dz), r: 7 });
    },
    words({ p, y }) {
      const { J, dp, dz } = Live.loss(p, y);
      const wrong = Math.abs(p - y);
      const side = wrong > 0.5 ? "wrong" : "right";
      const sure = Math.abs(wrong - 0.5) > 0.4;
      const how = wrong === 0.5 ? "Undecided" : sure ? `Sure and ${side}` : `Not sure, and ${side}`;
      return (
        `${how}: p\u00a0=\u00a0${number(p)} for label ${y} costs J\u00a0=\u00a0${number(J)}. ` +
        `Gradient by p: ${number(dp)}; by the logit: p\u00a0−\u00a0y\u00a0=\u00a0${number(dz)}.`
      );
    },
  });
})();

/* What the figures that move share. Each is a static picture until its script takes its place.
 *
 * Live.start(id, figure) looks for the figure element `id` of a chapter and puts a drawing and its
 * controls where the picture stood. A figure has
 *   title    in a few words
 *   size     [width, height] of the drawing
 *   state    what the controls change; the picture shows it so
 *   begin    what of it is otherwise once the figure moves, or nothing
 *   controls (add) => …         with add.slider, add.buttons, add.choice
 *   draw     (pen, state) => …  with pen("circle", {…}, "text")
 *   words    (state) => the same in a sentence
 */
"use strict";

var Live = (function () {
  // Colours follow the page's theme; in a picture of its own the second of each pair counts.
  const STYLE = `
    .live { font-family: var(--pst-font-family-base, Helvetica, Arial, sans-serif); }
    .live text { font-size: 19px; fill: var(--pst-color-text-base, #22262b); text-anchor: middle; }
    .live .v { font-style: italic; }
    .live .small { font-size: 16px; fill: var(--pst-color-text-muted, #4d5761); }
    .live .left { text-anchor: start; }
    .live .right { text-anchor: end; }
    .live .bold { font-weight: bold; }
    .live .box { fill: var(--pst-color-surface, #f3f4f5); stroke: var(--pst-color-text-muted, #6b7580); stroke-width: 2; }
    .live .now { stroke: var(--pst-color-text-base, #22262b); stroke-width: 4; }
    .live .faint { opacity: 0.3; }
    .live .grid { stroke: var(--pst-color-border, #d1d5da); stroke-width: 1; }
    .live .line { fill: none; stroke: var(--pst-color-text-muted, #6b7580); stroke-width: 2.5; stroke-linejoin: round; }
    .live .dash { stroke-dasharray: 7 5; }
    .live .up { stroke: var(--live-up, #0072b2); }
    .live .down { stroke: var(--live-down, #d55e00); }
    .live .thick { stroke-width: 4; }
    .live .dot { fill: var(--pst-color-background, #ffffff); stroke: var(--pst-color-text-base, #22262b); stroke-width: 3; }
    .live .on-up { fill: var(--live-up, #0072b2); }
    .live .on-down { fill: var(--live-down, #d55e00); }
    @media (max-width: 500px) { .live text:not(.bold) { font-size: 21px; } .live .small:not(.bold) { font-size: 20px; } }`;
  const sheet = new CSSStyleSheet(); // no style element: the page's security policy allows none
  sheet.replaceSync(STYLE);
  document.adoptedStyleSheets.push(sheet);

  const SVG = "http://www.w3.org/2000/svg";
  const GROUND = "#ffffff"; // of a picture of its own

  function filled(made, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }
  const node = (tag, attributes = {}, ...children) =>
    filled(document.createElement(tag), attributes, children);
  const shape = (tag, attributes = {}, ...children) =>
    filled(document.createElementNS(SVG, tag), attributes, children);

  /** Adds a shape to the drawing; a text may hold an index: "h_t". */
  function penFor(svg) {
    return (tag, attributes, text = "") => {
      const made = shape(tag);
      for (const [name, value] of Object.entries(attributes)) {
        made.setAttribute(name, typeof value === "number" ? Math.round(value * 100) / 100 : value);
      }
      text.split(/_(\w)/).forEach((piece, k) => {
        if (k % 2 === 0) return made.append(piece);
        const back = shape("tspan", { dy: -5 }, "\u200b");
        made.append(shape("tspan", { dy: 5, "font-size": "70%" }, piece), back);
      });
      svg.append(made);
    };
  }

  const number = (value, digits = 2) => {
    const text = value.toFixed(digits);
    return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
  };

  /** Positive numbers of any size: 0.05, 350, 3·10⁻⁵. */
  function size(value) {
    if (value >= 0.01 && value < 1000) return String(Number(value.toPrecision(2)));
    const [digit, power] = value.toExponential(0).split("e");
    const raised = String(Number(power)).replace(/./g, (d) => (d === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]));
    return `${digit}·10${raised}`;
  }

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  /** A class for the sign of what is shown with two digits: " up", " down", or none for 0. */
  const sign = (value, kind = "") =>
    Math.abs(value) < 0.005 ? "" : ` ${kind}${value > 0 ? "up" : "down"}`;

  /** The path of a curve through places (x, y). */
  const curve = (places) =>
    places.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

  function start(id, figure) {
    const place = document.getElementById(id);
    const picture = place && place.querySelector("img");
    if (!picture) return;
    const [width, height] = figure.size;
    const svg = shape("svg", { class: "live", viewBox: `0 0 ${width} ${height}`, role: "img" });
    const panel = node("div", { class: "live-controls" });
    const words = node("p", { class: "live-words" });
    const status = node("p", { class: "live-status", role: "status" });
    const { state } = figure;
    const followers = []; // controls that show the state
    let waiting;

    function draw() {
      svg.replaceChildren();
      figure.draw(penFor(svg), state);
      words.textContent = figure.words(state);
      for (const follow of followers) follow();
    }

    function change(to, said = false) {
      Object.assign(state, to);
      draw();
      clearTimeout(waiting);
      status.textContent = "";
      if (said) waiting = setTimeout(() => (status.textContent = words.textContent), 300);
    }

    let count = 0;
    const add = {
      /** A slider for state[name]. */
      slider(name, label, [min, max, step], show = number) {
        const input = node("input", { type: "range", id: `${id}-${count++}`, min, max, step });
        const output = node("output", { for: input.id, "aria-hidden": "true" }); // the slider says it
        const text = node("label", { for: input.id }, label);
        panel.append(node("div", { class: "live-slider" }, text, input, output));
        input.addEventListener("input", () => change({ [name]: Number(input.value) }));
        followers.push(() => {
          input.value = state[name];
          output.textContent = show(state[name]);
          input.setAttribute("aria-valuetext", `${show(state[name])}. ${words.textContent}`);
        });
      },
      /** Buttons, each with what it does to the state; off(state) says when it can do nothing.
       * Such a button keeps the focus: a reader at the keyboard would else be sent to the page's top. */
      buttons(label, all) {
        const group = node("div", { class: "live-buttons", role: "group", "aria-label": label });
        for (const [name, act, off] of all) {
          const button = node("button", { type: "button" }, name);
          const idle = () => Boolean(off && off(state));
          button.addEventListener("click", () => idle() || change(act(state), true));
          if (off) followers.push(() => button.setAttribute("aria-disabled", idle()));
          group.append(button);
        }
        panel.append(group);
      },
      /** One of several values for state[name]. */
      choice(name, label, all) {
        const group = node("div", { class: "live-buttons", role: "group", "aria-label": label });
        group.append(node("span", {}, label));
        for (const [text, value] of all) {
          const button = node("button", { type: "button" }, text);
          button.addEventListener("click", () => change({ [name]: value }, true));
          followers.push(() => button.setAttribute("aria-pressed", state[name] === value));
          group.append(button);
        }
        panel.append(group);
      },
    };
    figure.controls(add);
    draw();
    figure.still = still(svg, figure.title);
    if (figure.begin) change(figure.begin);
    svg.setAttribute("aria-label", figure.title); // the words below it say what it shows
    (picture.closest("a") || picture).replaceWith(svg, words, panel, status);
    place.classList.add("live-figure");
    figures[id] = figure;
  }

  const figures = {};

  /** The drawing as it is now, as a picture of its own. */
  function still(svg, title) {
    const copy = svg.cloneNode(true);
    const [, , width, height] = copy.getAttribute("viewBox").split(" ");
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    const ground = shape("rect", { width, height, rx: 12, fill: GROUND });
    copy.prepend(shape("title", {}, title), ground, shape("style", {}, STYLE));
    return `${new XMLSerializer().serializeToString(copy).replace(/></g, ">\n<")}\n`;
  }

  return { start, figures, number, size, clamp, sign, curve };
})();

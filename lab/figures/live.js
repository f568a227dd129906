/* What the figures that move share. Each is a static picture until its script takes its place.
 *
 * Live.start(id, figure) looks for the figure element `id` of a chapter and puts a drawing and its
 * controls where the picture stood. A figure has
 *   title    in a few words
 *   size     [width, height] of the drawing
 *   state    what the controls change
 *   controls (add, change) => …   with add.slider, add.buttons, add.choice
 *   draw     (pen, state) => …    with pen("circle", {…}, "text")
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
    .live .on-down { fill: var(--live-down, #d55e00); }`;
  const sheet = new CSSStyleSheet(); // no style element: the page's security policy allows none
  sheet.replaceSync(STYLE);
  document.adoptedStyleSheets.push(sheet);

  const SVG = "http://www.w3.org/2000/svg";
  const GROUND = "#ffffff"; // of a picture of its own

  function node(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  /** Adds a shape to the drawing; a text may hold an index: "h_t". */
  function penFor(svg) {
    return (tag, attributes, text = "") => {
      const shape = document.createElementNS(SVG, tag);
      for (const [name, value] of Object.entries(attributes)) {
        shape.setAttribute(name, typeof value === "number" ? Math.round(value * 100) / 100 : value);
      }
      text.split(/_(\w)/).forEach((piece, k) => {
        if (k % 2 === 0) return shape.append(piece);
        const index = document.createElementNS(SVG, "tspan");
        for (const [name, value] of [["dy", "5"], ["font-size", "70%"]]) index.setAttribute(name, value);
        index.append(piece);
        const back = document.createElementNS(SVG, "tspan");
        back.setAttribute("dy", "-5");
        back.append("\u200b");
        shape.append(index, back);
      });
      svg.append(shape);
      return shape;
    };
  }

  const number = (value, digits = 2) => {
    const text = value.toFixed(digits);
    return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
  };

  /** Numbers over many sizes, as 3·10⁻⁵. */
  function size(value) {
    if (value >= 0.01 && value < 1000) return value.toPrecision(2).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
    const power = Math.floor(Math.log10(value));
    const raised = String(power).replace(/./g, (d) => (d === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]));
    return `${Math.round(value / 10 ** power)}·10${raised}`;
  }

  function start(id, figure) {
    const place = document.getElementById(id);
    const picture = place && place.querySelector("img");
    if (!picture) return;
    const [width, height] = figure.size;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "live");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("role", "img");
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
      svg.setAttribute("aria-label", words.textContent);
      for (const follow of followers) follow();
    }

    function change(to, said = false) {
      Object.assign(state, to);
      draw();
      clearTimeout(waiting);
      if (said) waiting = setTimeout(() => (status.textContent = words.textContent), 300);
    }

    let count = 0;
    const add = {
      /** A slider for state[name]. */
      slider(name, label, [min, max, step], show = number) {
        const input = node("input", { type: "range", id: `${id}-${count++}`, min, max, step });
        const output = node("output", { for: input.id });
        const text = node("label", { for: input.id }, label);
        panel.append(node("div", { class: "live-slider" }, text, input, output));
        input.addEventListener("input", () => change({ [name]: Number(input.value) }));
        followers.push(() => {
          input.value = state[name];
          output.textContent = show(state[name]);
          input.setAttribute("aria-valuetext", `${show(state[name])}. ${words.textContent}`);
        });
      },
      /** Buttons, each with what it does to the state; off(state) says when it can do nothing. */
      buttons(label, all) {
        const group = node("div", { class: "live-buttons", role: "group", "aria-label": label });
        for (const [name, act, off] of all) {
          const button = node("button", { type: "button" }, name);
          button.addEventListener("click", () => change(act(state), true));
          if (off) followers.push(() => (button.disabled = off(state)));
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
    figure.controls(add, change);
    draw();
    figure.still = still(svg, figure.title);
    (picture.closest("a") || picture).replaceWith(svg, words, panel, status);
    place.classList.add("live-figure");
    figures[id] = figure;
  }

  const figures = {};

  /** The drawing as it is now, as a picture of its own. */
  function still(svg, title) {
    const copy = svg.cloneNode(true);
    copy.removeAttribute("aria-label");
    const [, , width, height] = copy.getAttribute("viewBox").split(" ");
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    const ground = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ width, height, rx: 12, fill: GROUND })) {
      ground.setAttribute(name, value);
    }
    const style = document.createElementNS(SVG, "style");
    style.textContent = STYLE;
    copy.prepend(ground, style);
    const name = document.createElementNS(SVG, "title");
    name.textContent = title;
    copy.prepend(name);
    return `${new XMLSerializer().serializeToString(copy).replace(/></g, ">\n<")}\n`;
  }

  return { start, figures, number, size };
})();

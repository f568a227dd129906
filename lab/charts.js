/* How the lab draws: curves in SVG, heat maps on canvas, in the colours of the theme.
 *
 * Nothing here knows the page or the models; what is drawn comes as arguments.
 */
"use strict";

Lab.charts = (function () {
  const LEFT = 60; // room for the axis, in pixels: "against" is its longest label
  const RIGHT = 8;
  const NAMES = 92; // and for the names of curves behind their ends

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  /** A rounded number with a true minus, and none before 0. */
  const number = (value, digits = 2) => {
    const text = value.toFixed(digits);
    return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
  };
  /** The same as a factor: in brackets if negative. */
  const factor = (value, digits = 2) => {
    const text = number(value, digits);
    return text[0] === "−" ? `(${text})` : text;
  };
  /** A number with its sign, "+0.50", or, spaced, as a term of a sum: "+ 0.50". */
  const signed = (value, digits = 2, space = "") => {
    const text = number(value, digits);
    return text[0] === "−" ? `−${space}${text.slice(1)}` : `+${space}${text}`;
  };

  function node(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function shape(parent, tag, attributes = {}, text = "") {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    parent.append(made);
    return made;
  }

  /** The step under the pointer, in a chart or a panel of so many steps. */
  function stepAt(event, element, steps) {
    const { left, width } = element.getBoundingClientRect();
    const part = (event.clientX - left - LEFT) / (width - LEFT - RIGHT);
    return clamp(Math.floor(part * steps), 0, steps - 1);
  }

  // Curves

  /** An empty chart: its room, and where steps and values lie. */
  function axes(svg, steps, high = 1, room = RIGHT) {
    svg.replaceChildren();
    const width = Math.max(svg.clientWidth, 160);
    const height = svg.clientHeight;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const right = width - room;
    const wide = right - LEFT;
    const base = height - 18;
    const x = (t) => LEFT + ((t + 0.5) * wide) / steps;
    const y = (value) => base - (value / high) * (base - 8);
    return { svg, right, wide, base, height, x, y, steps };
  }

  function grid(a, values, digits = 1) {
    for (const value of values) {
      const at = a.y(value);
      shape(a.svg, "line", { class: "lab-grid", x1: LEFT, x2: a.right, y1: at, y2: at });
      const place = { x: LEFT - 6, y: at + 4, "text-anchor": "end" };
      shape(a.svg, "text", place, number(value, digits));
    }
    const last = a.steps - 1;
    const ticks = a.wide > 240 ? [0, Math.round(last / 2), last] : [0, last];
    for (const t of new Set(ticks)) {
      const end = t === last && last > 8;
      const place = { x: end ? a.right : a.x(t), y: a.height - 3 };
      place["text-anchor"] = end ? "end" : "middle";
      shape(a.svg, "text", place, t === 0 ? "start" : `word ${t}`);
    }
  }

  function path(a, values, from = 0) {
    const place = (v, t) => `${t ? "L" : "M"}${a.x(t + from)} ${a.y(v).toFixed(2)}`;
    return Array.from(values, place).join("");
  }

  function cursor(a, step) {
    const at = a.x(step);
    shape(a.svg, "line", { class: "lab-cursor", x1: at, x2: at, y1: 4, y2: a.base });
  }

  /** A probability over time, filled from one half; `other`, dashed, to compare, or null. */
  function probability(svg, p, other, step) {
    const a = axes(svg, p.length);
    grid(a, [0, 0.5, 1]);
    const area = `${path(a, p)}L${a.x(p.length - 1)} ${a.y(0.5)}L${a.x(0)} ${a.y(0.5)}Z`;
    for (const [side, high, low] of [["over", 1, 0.5], ["under", 0.5, 0]]) {
      const clip = shape(svg, "clipPath", { id: `lab-clip-${side}` });
      const half = { x: 0, y: a.y(high), width: a.right, height: a.y(low) - a.y(high) };
      shape(clip, "rect", half);
      shape(svg, "path", { class: `lab-${side}`, "clip-path": `url(#lab-clip-${side})`, d: area });
    }
    if (other) shape(svg, "path", { class: "lab-line lab-learned", d: path(a, other) });
    shape(svg, "path", { class: "lab-line", d: path(a, p) });
    cursor(a, step);
    shape(svg, "circle", { class: "lab-dot", cx: a.x(step), cy: a.y(p[step]), r: 5 });
  }

  /** Curves {name: {values, style, alone}} up to `high`, named at their ends; from `from` on a grey
   * ground. `alone`, from there on, is what a curve is to be compared with: thin, or empty. */
  function lines(svg, curves, { high, from, step }) {
    const steps = Object.values(curves)[0].values.length;
    const a = axes(svg, steps, high, NAMES);
    if (from < steps) {
      const left = a.x(from) - a.wide / steps / 2;
      const place = { x: left, y: 8, width: a.right - left, height: a.base - 8 };
      shape(svg, "rect", { class: "lab-after", ...place });
    }
    grid(a, [0, high / 2, high], high < 1 ? 2 : 1);
    for (const { values, style, alone } of Object.values(curves)) {
      if (alone?.length) {
        shape(svg, "path", { class: `lab-line lab-base lab-${style}`, d: path(a, alone, from) });
      }
      shape(svg, "path", { class: `lab-line lab-${style}`, d: path(a, values) });
    }
    const room = a.right - a.x(from);
    if (room > 90) shape(svg, "text", { class: "lab-name", x: a.x(from) + 6, y: 22 }, "neutral words");
    cursor(a, step);
    const ends = Object.entries(curves).map(([name, { values, style }]) => {
      const last = values[values.length - 1];
      return { name: `${name} ${number(last)}`, style, at: a.y(last) };
    });
    ends.sort((one, other) => one.at - other.at);
    ends.forEach((end, k) => {
      const most = a.base - 15 * (ends.length - 1 - k);
      end.at = clamp(end.at + 4, k ? ends[k - 1].at + 15 : 12, most); // names kept apart
      const place = { class: `lab-label lab-${end.style}`, x: a.right + 6, y: end.at };
      shape(svg, "text", place, end.name);
    });
  }

  /** The words over their columns, aslant; nothing where columns are too thin for them. */
  function words(svg, all, step) {
    const column = (svg.clientWidth - LEFT - RIGHT) / all.length;
    svg.replaceChildren();
    svg.toggleAttribute("hidden", column < 13);
    if (column < 13) return;
    svg.setAttribute("viewBox", `0 0 ${svg.clientWidth} ${svg.clientHeight}`);
    all.forEach((word, t) => {
      const at = `translate(${LEFT + (t + 0.6) * column} ${svg.clientHeight - 4}) rotate(-50)`;
      const short = word.length > 11 ? `${word.slice(0, 10)}…` : word;
      shape(svg, "text", { transform: at, class: t === step ? "lab-label" : "" }, short);
    });
  }

  // Heat maps

  /** The theme's colours as [red, green, blue], and that of its text. */
  function colours() {
    const style = getComputedStyle(document.documentElement);
    const rgb = (name) => {
      const hex = style.getPropertyValue(`--lab-${name}`).trim();
      return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    };
    return { up: rgb("up"), down: rgb("down"), zero: rgb("zero"), text: style.color };
  }

  /** The values at the ends of the colours: as far both ways, or the tenths around what is there. */
  function range(values, bothWays) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    if (bothWays) return [-Math.max(-low, high, 0.1), Math.max(-low, high, 0.1)];
    return low === high ? [0, 1] : [Math.floor(low * 10) / 10, Math.ceil(high * 10) / 10];
  }

  /** A clean canvas in the screen's pixels: its pen, and its size in CSS pixels. */
  function clean(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    pen.textAlign = "right";
    return { pen, wide: width - LEFT - RIGHT, height };
  }

  function axis(pen, paint, top, bottom, height) {
    pen.fillStyle = paint.text;
    pen.fillText(top, LEFT - 6, 11);
    pen.fillText(bottom, LEFT - 6, height - 4);
  }

  /** values (T, H), a row for each unit in this order; a frame around step and unit. */
  function heatMap(canvas, { values, ends: [low, high], bothWays, order, step, unit, paint }) {
    const { pen, wide, height } = clean(canvas);
    const H = order.length;
    const T = values.length / H;
    const image = new ImageData(T, H);
    for (let t = 0; t < T; t++) {
      for (let row = 0; row < H; row++) {
        const value = values[t * H + order[row]];
        const colour = value < 0 ? paint.down : paint.up;
        const share = bothWays ? Math.abs(value) / high : (value - low) / (high - low);
        const at = (row * T + t) * 4;
        for (let k = 0; k < 3; k++) {
          image.data[at + k] = paint.zero[k] + share * (colour[k] - paint.zero[k]);
        }
        image.data[at + 3] = 255;
      }
    }
    const small = node("canvas", { width: T, height: H });
    small.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, LEFT, 0, wide, height);
    axis(pen, paint, "for", "against", height);
    pen.strokeStyle = paint.text;
    pen.strokeRect(LEFT - 2, (order.indexOf(unit) * height) / H - 0.5, wide + 4, height / H + 1);
    mark(pen, paint, step, T, wide, height);
  }

  /** One unit's values (T,) as a curve, in the place of the heat map. */
  function oneUnit(canvas, { values, ends: [low, high], step, paint }) {
    const { pen, wide, height } = clean(canvas);
    const T = values.length;
    const x = (t) => LEFT + ((t + 0.5) * wide) / T;
    const y = (value) => height - 8 - ((value - low) / (high - low)) * (height - 16);
    axis(pen, paint, number(high, 1), number(low, 1), height);
    pen.globalAlpha = 0.25;
    for (const value of [low, (low + high) / 2, high]) pen.fillRect(LEFT, y(value), wide, 1);
    pen.globalAlpha = 1;
    pen.strokeStyle = pen.fillStyle = `rgb(${paint.up})`;
    pen.lineWidth = 2;
    pen.beginPath();
    values.forEach((value, t) => pen.lineTo(x(t), y(value)));
    pen.stroke();
    pen.beginPath();
    pen.arc(x(step), y(values[step]), 4, 0, 2 * Math.PI);
    pen.fill();
    pen.lineWidth = 1;
    mark(pen, paint, step, T, wide, height);
  }

  /** A frame around the column of a step; a line where columns are thin. */
  function mark(pen, paint, step, T, wide, height) {
    const column = wide / T;
    const left = LEFT + step * column;
    pen.strokeStyle = paint.text;
    if (column > 4) pen.strokeRect(left, 0.5, column, height - 1);
    else pen.strokeRect(left + column / 2, 0, 0, height);
  }

  const drawing = { probability, lines, words, colours, range, clean, heatMap, oneUnit };
  return { ...drawing, clamp, number, factor, signed, node, stepAt };
})();

/* The lab's page: what is typed goes through Lab.read (cells.js) and is drawn (charts.js).
 *
 * One way only: an event changes `state`, `compute` makes a new `reading` of it, `draw` shows it.
 * What is typed enters the page as text nodes and attributes, never as markup.
 */
"use strict";

(function () {
  const NEGATIONS = new Set(
    "no not never none nobody nothing nowhere neither nor cannot hardly without".split(" "),
  );
  const NAMES = { f: "forget gate", i: "input gate", o: "output gate" };
  const EMPTY = "Nothing to show: the text holds no word.";
  const MOST = 1000; // words that are read; the rest of a longer text is named and left out
  const FIRST = 5; // words whose trace is followed
  const EXAMPLE = 19; // the challenge review that is read at first
  const GATES = {
    f: ["forget gate f", "1 keeps the old memory, 0 drops it"],
    i: ["input gate i", "1 lets the new in, 0 keeps it out"],
    o: ["output gate o", "1 shows the memory, 0 hides it"],
    c: ["cell state c", "the memory itself"],
  };
  const { clamp, number, factor, signed, node } = Lab.charts;
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  const { $, plural, later, say, plain } = Lab.page;
  const state = { text: "", filler: 0, hold: { f: null, i: null, o: null }, shift: 0 };
  Object.assign(state, { unit: 0, alone: false, step: 0 });
  let neutral; // the neutral words
  const baseline = {}; // kind -> p after each of the neutral words, read on their own
  let models = {}; // those that have arrived
  let ranks; // word -> rank
  let order; // the units by their weight in the verdict
  let reading = null; // null where there is no word
  let typing = false; // whether something was typed that has not been read yet
  let timer = null; // of playing

  // Small helpers

  const points = (move) => Math.round(Math.abs(move) * 100);
  const verdict = (p) => `${p > 0.5 ? "positive" : "negative"}, p = ${number(p)}`;
  const percent = (share) => `${(share * 100).toFixed(1)} %`;

  /** For tests and screenshots: how far the page is; "ready" when nothing more is to come. */
  function mark() {
    const loaded = Object.keys(models).length === Lab.data.models.length;
    const scored = [LEARNED, JSON.stringify(holds())].every((key) => scores.has(key));
    const at = scored ? "ready" : "scoring";
    document.documentElement.dataset.lab = loaded && !typing ? at : "reading";
  }

  // Reading

  function holds() {
    return { ...state.hold, shift: state.shift };
  }

  function isBroken() {
    return state.shift !== 0 || Object.values(state.hold).some((held) => held !== null);
  }

  function compute() {
    const started = performance.now();
    const text = plain(state.text).replace(/\r/g, " ");
    const typed = Lab.tokenize(text);
    const words = typed.slice(0, MOST);
    if (!words.length) {
      reading = null;
      return;
    }
    const said = [...words.map(({ word }) => word), ...neutral.slice(0, state.filler)];
    const ids = Lab.encode(said, ranks, models.lstm.num_words);
    reading = { text, words, said, ids, typed: typed.length };
    reading.lstm = Lab.read(models.lstm, ids, holds());
    reading.learned = isBroken() ? Lab.read(models.lstm, ids) : reading.lstm;
    reading.unknown = ids.map((id, t) => t > 0 && id === Lab.UNKNOWN);
    const without = ids.map((id, t) => (t > 0 && t <= FIRST ? Lab.UNKNOWN : id));
    reading.all = {};
    reading.echo = {};
    reading.alone = {};
    for (const kind of Object.keys(models)) {
      const broken = kind === "lstm" ? holds() : {};
      const traced = kind === "lstm" ? reading.lstm : Lab.read(models[kind], ids);
      const other = Lab.read(models[kind], without, broken);
      reading.all[kind] = traced.p;
      reading.echo[kind] = traced.p.map((p, t) => Math.abs(p - other.p[t]));
      reading.alone[kind] = state.filler ? neutralAlone(kind, broken).slice(1, state.filler + 1) : [];
    }
    state.step = clamp(state.step, 0, ids.length - 1);
    reading.milliseconds = performance.now() - started;
  }

  /** p after the start sign and each neutral word, where nothing stands before them. */
  function neutralAlone(kind, broken) {
    const key = `${kind} ${JSON.stringify(broken)}`;
    baseline[key] ??= Lab.read(models[kind], Lab.encode(neutral, ranks, models[kind].num_words), broken).p;
    return baseline[key];
  }

  /** How step t moved the verdict. */
  const move = (t) => reading.lstm.p[t] - (t ? reading.lstm.p[t - 1] : 0.5);
  const wordAt = (t) => (t ? reading.said[t - 1] : "start");
  const lastStep = () => reading.ids.length - 1;

  function inWords(t) {
    const p = reading.lstm.p[t];
    if (t === 0) return `start of the review, ${number(p)}`;
    const far = points(move(t));
    const way = far === 0 ? "no move" : `${move(t) > 0 ? "up" : "down"} ${plural(far, "point")}`;
    return `${wordAt(t)}${reading.unknown[t] ? ", unknown word" : ""}: ${way}, to ${number(p)}`;
  }

  // The words

  function drawWords() {
    const list = $("tokens");
    list.replaceChildren();
    if (!reading) return;
    const { text, words, said } = reading;
    const last = words[words.length - 1].end;
    const options = [option(0, "▸", "")];
    words.forEach(({ start, end }, k) => {
      const next = k + 1 < words.length ? words[k + 1].start : Math.min(text.length, last + 40);
      options.push(option(k + 1, text.slice(start, end), text.slice(end, next)));
    });
    said.slice(words.length).forEach((word, k) => {
      options.push(option(words.length + 1 + k, word, " "));
      options[options.length - 1].classList.add("lab-neutral");
    });
    list.append(...options.flatMap((made) => [made, " "]));
  }

  function option(t, shown, after) {
    const chip = node("span", { class: "lab-chip" }, shown);
    const made = node("span", { role: "option", "aria-label": inWords(t), "data-step": t }, chip);
    const moved = move(t);
    if (points(moved) >= 1) {
      chip.dataset.move = moved > 0 ? "up" : "down";
      chip.style.setProperty("--size", Math.sqrt(clamp(Math.abs(moved) / 0.5, 0, 1)).toFixed(3));
      if (points(moved) >= 10) chip.dataset.far = moved > 0 ? "▴" : "▾";
    }
    if (reading.unknown[t]) chip.classList.add("lab-unknown");
    if (after.trim()) made.append(after.trim());
    return made;
  }

  function drawNotes() {
    const notes = [];
    if (reading) {
      const { typed, words, unknown, text } = reading;
      const strange = words.filter((_, k) => unknown[k + 1]);
      const letters = words.filter(({ word }) => /\p{L}/u.test(word));
      const foreign = letters.filter(({ word }) => /[^\P{L}\p{Script=Latin}]/u.test(word));
      if (typed > MOST) {
        notes.push(
          `Your text has ${plural(typed, "word")}; the first ${MOST.toLocaleString("en")} are read.`,
        );
      }
      if (strange.length) {
        const all = strange.length === words.length;
        const names = [...new Set(strange.map(({ word }) => `“${word}”`))].slice(0, 5).join(", ");
        notes.push(
          `${all ? "It knows none of these words" : `Unknown to it: ${names}`}. It reads every ` +
            "unknown word as one and the same sign.",
        );
      }
      if (foreign.length || strange.length > words.length / 2) {
        notes.push(
          "It has read English only. What it says of another language, or of signs it has not " +
            "met, means nothing.",
        );
      }
      if (words.some(({ word }) => /\d/.test(word))) {
        notes.push("It reads numbers as words; it does not know that 9 is more than 2.");
      }
      if (words.some(({ word }) => NEGATIONS.has(word) || word.endsWith("n't"))) {
        const { right, all } = Lab.data.negation;
        notes.push(
          `It often misses a negation: of ${all} short reviews that turn on one, it gets ${right} ` +
            `right (chapter 9). Random guessing gets ${all / 2} on average.`,
        );
      }
      if (words.length < 3) {
        notes.push("It has learned from whole reviews; of one or two words it has seen none.");
      }
      if (text !== state.text) notes.push("Curly quotes and long dashes are read as plain ones.");
    }
    $("notes").replaceChildren(...notes.map((text) => node("li", {}, text)));
    $("notes").hidden = !notes.length;
  }

  /** What has been changed of the network or the text: "the forget gate held at 0 and …", or "". */
  function changes() {
    const { hold, shift, filler } = state;
    const held = Object.entries(hold).filter(([, value]) => value !== null);
    const said = held.map(([gate, value]) => `the ${NAMES[gate]} held at ${value}`);
    if (shift && hold.f === null) said.push(`the forget bias shifted by ${signed(shift, 1)}`);
    if (filler) said.push(`${filler} neutral words added`);
    const last = said.pop() ?? "";
    return said.length ? `${said.join(", ")} and ${last}` : last;
  }

  function drawVerdict() {
    const p = reading ? reading.lstm.p[lastStep()] : 0.5;
    $("verdict").textContent = reading
      ? `${p > 0.5 ? "Positive" : "Negative"}, p = ${number(p)}`
      : "No verdict yet";
    $("with").textContent = reading && changes() ? `with ${changes()}.` : "";
    $("mark").style.left = `${p * 100}%`;
    const known = Lab.data.challenge.find(([text]) => text === state.text);
    $("truth").textContent = "";
    if (known && reading) {
      const meant = known[1] ? "positive" : "negative";
      const right = p > 0.5 === Boolean(known[1]);
      $("truth").textContent = `It was meant as ${meant}: ${right ? "right" : "wrong"}.`;
    }
    $("count").textContent = "Write at least one word.";
    if (reading) {
      const count = reading.said.length;
      $("count").textContent = `${plural(count, "word")}, read in ${
        reading.milliseconds < 1 ? "less than 1" : Math.round(reading.milliseconds)
      } ms by ${plural(Object.keys(models).length, "network")}`;
    }
  }

  // Curves

  function drawCurve() {
    const svg = $("curve");
    svg.replaceChildren();
    svg.setAttribute("aria-label", EMPTY);
    if (!reading) return;
    const { p } = reading.lstm;
    const other = reading.learned === reading.lstm ? null : reading.learned.p;
    Lab.charts.probability(svg, p, other, state.step);
    const low = p.indexOf(Math.min(...p));
    const high = p.indexOf(Math.max(...p));
    svg.setAttribute(
      "aria-label",
      `Curve of the probability over ${p.length} steps: it starts at ${number(p[0])}, is lowest ` +
        `at “${wordAt(low)}” with ${number(p[low])}, highest at “${wordAt(high)}” with ` +
        `${number(p[high])}, and ends at ${number(p[p.length - 1])}.`,
    );
  }

  function drawCompare() {
    $("filler-out").textContent = state.filler;
    for (const id of ["three", "echo"]) {
      $(id).replaceChildren();
      $(id).setAttribute("aria-label", EMPTY);
    }
    $("memory").textContent = "";
    if (!reading) return;
    const titles = Object.fromEntries(Lab.data.models.map(({ kind, title }) => [kind, title]));
    const named = (curves, alone = {}) =>
      Object.fromEntries(
        Object.entries(curves).map(([kind, values]) => [
          titles[kind],
          { values, style: kind, alone: alone[kind] },
        ]),
      );
    const from = reading.words.length + 1;
    const { step } = state;
    const { alone } = reading;
    Lab.charts.lines($("three"), named(reading.all, alone), { high: 1, from, step });
    const largest = Math.max(...Object.values(reading.echo).flatMap((values) => [...values]));
    const high = [0.2, 0.5, 1].find((end) => end >= largest);
    Lab.charts.lines($("echo"), named(reading.echo), { high, from, step });
    const list = (curves, unit) =>
      Object.entries(curves)
        .map(([kind, values]) => `${titles[kind]} ${unit(values[values.length - 1])}`)
        .join(", ");
    const own = state.filler ? ` The neutral words on their own: ${list(alone, number)}.` : "";
    $("three").setAttribute(
      "aria-label",
      `Three curves; at the end: ${list(reading.all, number)}.${own}`,
    );
    const left = list(reading.echo, number);
    $("echo").setAttribute("aria-label", `Three curves that show memory; at the end: ${left}.`);
    const count = Math.min(FIRST, reading.said.length);
    const which = count === 1 ? "The first word" : `The first ${count} words`;
    const steps = plural(lastStep() - count, "word");
    $("memory").textContent =
      `${which} would still move the verdict, ${steps} later, by this many points: ` +
      `${list(reading.echo, (v) => String(points(v)))}.${own}` +
      (isBroken() ? " The LSTM is the broken one." : "");
  }

  // Heat maps

  function makeMaps() {
    for (const [gate, [title, meaning]] of Object.entries(GATES)) {
      const key = node("span", { class: "lab-key" });
      key.append(
        node("span", { id: `lab-low-${gate}` }, "0"),
        node("i", gate === "c" ? { class: "lab-both-ways" } : {}),
        node("span", { id: `lab-high-${gate}` }, "1"),
      );
      const note = node("span", { id: `lab-note-${gate}` }, meaning);
      const caption = node("p", { class: "lab-caption" }, node("b", {}, title), note, key);
      const canvas = node("canvas", {
        id: `lab-map-${gate}`,
        tabindex: "0",
        role: "application",
        "aria-roledescription": "heat map",
        "aria-label": `${title}: left and right change the step, up and down the unit`,
      });
      canvas.dataset.gate = gate;
      $("maps").append(node("div", { class: "lab-panel" }, canvas));
      canvas.before(caption);
      canvas.addEventListener("pointermove", (event) => event.buttons || show(event, canvas));
      canvas.addEventListener("pointerdown", (event) => show(event, canvas));
      canvas.addEventListener("keydown", keyOnMap);
      const rest = () => (document.activeElement === canvas ? drawValue(gate) : drawMeanings());
      canvas.addEventListener("pointerleave", rest); // a finger that is lifted leaves, too
      canvas.addEventListener("focus", () => say(drawValue(gate)));
      canvas.addEventListener("blur", () => drawMeanings());
    }
  }

  /** The exact value under the pointer; a press also chooses step and unit. */
  function show(event, canvas) {
    if (!reading) return;
    const { gate } = canvas.dataset;
    const at = canvas.getBoundingClientRect();
    const step = Lab.charts.stepAt(event, canvas, reading.ids.length);
    const row = Math.floor(((event.clientY - at.top) / at.height) * order.length);
    const unit = state.alone ? state.unit : order[clamp(row, 0, order.length - 1)];
    if (event.type === "pointerdown") {
      stop();
      change({ step, unit });
    }
    drawValue(gate, step, unit);
  }

  function keyOnMap(event) {
    if (!reading) return;
    const row = order.indexOf(state.unit);
    const to = {
      ArrowLeft: { step: state.step - 1 },
      ArrowRight: { step: state.step + 1 },
      Home: { step: 0 },
      End: { step: lastStep() },
      ArrowUp: { unit: order[Math.max(row - 1, 0)] },
      ArrowDown: { unit: order[Math.min(row + 1, order.length - 1)] },
      PageUp: { unit: order[Math.max(row - 8, 0)] },
      PageDown: { unit: order[Math.min(row + 8, order.length - 1)] },
    }[event.key];
    if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    stop();
    change(to);
    say(drawValue(event.currentTarget.dataset.gate));
  }

  /** The exact value, in the caption of its panel. */
  function drawValue(gate, step = state.step, unit = state.unit) {
    if (!reading) return "";
    const value = number(reading.lstm[gate][step * order.length + unit], 3);
    const weight = models.lstm.weights.output_kernel[unit];
    const text = `${value} · ${step ? `“${wordAt(step)}”` : "start"} · unit ${unit} (${signed(weight)})`;
    drawMeanings();
    $(`note-${gate}`).textContent = text;
    return `${GATES[gate][0]} ${text}`;
  }

  function drawMeanings() {
    for (const [gate, [, meaning]] of Object.entries(GATES)) $(`note-${gate}`).textContent = meaning;
  }

  function drawMaps() {
    const paint = Lab.charts.colours();
    const { step, unit } = state;
    Lab.charts.words($("above"), reading ? ["start", ...reading.said] : [], step);
    for (const gate of Object.keys(GATES)) {
      const canvas = $(`map-${gate}`);
      if (!reading) {
        Lab.charts.clean(canvas);
        $(`low-${gate}`).textContent = $(`high-${gate}`).textContent = "–";
        continue;
      }
      const bothWays = gate === "c";
      const all = reading.lstm[gate];
      const values = state.alone ? all.filter((_, k) => k % order.length === unit) : all;
      const ends = Lab.charts.range(all, bothWays);
      const draw = state.alone ? Lab.charts.oneUnit : Lab.charts.heatMap;
      draw(canvas, { values, ends, bothWays, order, step, unit, paint });
      $(`low-${gate}`).textContent = number(ends[0], 1);
      $(`high-${gate}`).textContent = number(ends[1], 1);
    }
  }

  // The numbers of a step

  const FINE = 4; // digits of what a line computes with: one more than it shows of the result

  function drawNumbers() {
    const cells = ["i", "f", "g", "o", "c", "h", "p"];
    if (!reading) {
      for (const name of cells) $(name).textContent = "–";
      $("now").textContent = "No word has been read.";
      return;
    }
    const { step: t, unit } = state;
    const { lstm: traced, ids } = reading;
    const { output_kernel: V } = models.lstm.weights;
    const H = order.length;
    const at = t * H + unit;
    const sums = Lab.lstmSums(models.lstm, ids, traced, t, unit);
    for (const gate of "ifgo") {
      const { word, state: memory, bias } = sums[gate];
      const name = gate === "g" ? "tanh" : "σ";
      const shift = gate === "f" && state.shift ? ` ${spaced(state.shift, 1)}` : "";
      const held = gate !== "g" && state.hold[gate] !== null;
      $(gate).textContent = held
        ? `held at ${state.hold[gate]}`
        : `${name}(${fine(word)} ${spaced(memory, FINE)} ${spaced(bias, FINE)}${shift}) = ` +
          number(traced[gate][at], 3);
    }
    const old = t ? traced.c[at - H] : 0;
    $("c").textContent =
      `${fine(traced.f[at])} × ${factor(old, FINE)} + ${fine(traced.i[at])} × ` +
      `${factor(traced.g[at], FINE)} = ${number(traced.c[at], 3)}`;
    $("h").textContent =
      `${fine(traced.o[at])} × tanh(${fine(traced.c[at])}) = ${number(traced.h[at], 3)}`;
    $("p").textContent =
      `this unit adds ${fine(traced.h[at])} × ${factor(V[unit], FINE)} = ` +
      `${signed(traced.h[at] * V[unit], 3)}; with all ${H}: σ(${fine(traced.logit[t])}) = ` +
      number(traced.p[t], 3);
    $("now").textContent =
      `${t ? `Word ${t} of ${ids.length - 1}, “${wordAt(t)}”` : "The start sign"}, unit ${unit}. ` +
      "The sums of a gate: from the word, from the hidden state before, and the bias. " +
      "Choose another step or unit above.";
  }

  const spaced = (value, digits) => signed(value, digits, " ");
  const fine = (value) => number(value, FINE);

  // Breaking

  function drawBreak() {
    $("shift-out").textContent = state.shift ? signed(state.shift, 1) : "0";
    $("both").replaceChildren();
    $("both").setAttribute("aria-label", EMPTY);
    $("broken").textContent = "";
    drawScore();
    if (!reading) return;
    const { lstm, learned } = reading;
    const from = reading.words.length + 1;
    const most = (traced) => Math.max(...Array.from(traced.c, Math.abs));
    const curves = { learned: { values: learned.p, style: "learned" } };
    if (isBroken()) curves.broken = { values: lstm.p, style: "lstm" };
    Lab.charts.lines($("both"), curves, { high: 1, from, step: state.step });
    const end = lastStep();
    const before = `as learned ${verdict(learned.p[end])}, largest cell state ${number(most(learned))}`;
    const after = `broken ${verdict(lstm.p[end])}, largest cell state ${number(most(lstm))}`;
    $("broken").textContent = isBroken()
      ? `This review: ${before}; ${after}. ${meaning()}`
      : "Nothing is held. Take a switch, and watch the curves and the heat maps.";
    $("both").setAttribute("aria-label", isBroken() ? `${before}; ${after}` : before);
  }

  /** What the switch that is on takes away. */
  function meaning() {
    const { f, i, o } = state.hold;
    const said = [];
    if (f === 1) said.push("Nothing is forgotten: what comes in is only ever added.");
    if (f === 0) said.push("Nothing is kept: only what h still carries reaches the next step.");
    if (i === 1) said.push("Every word is written in full, whether it matters or not.");
    if (i === 0) {
      said.push("Nothing gets in: it answers without having read, whatever the other gates do.");
    }
    if (o === 0) said.push("Nothing shows: what is left of the verdict is its bias.");
    if (o === 1) said.push("The memory shows at every step, to the verdict and to all gates.");
    if (f === null && state.shift > 0) said.push("It holds on to what it has for longer.");
    if (f === null && state.shift < 0) said.push("It forgets sooner.");
    return said.join(" ");
  }

  // Where the opinion stands in the texts that are scored, with a plot before or after it.
  const PLACES = {
    first: ["opinion first, plot after it", (opinion, plot) => `${opinion} ${plot}`],
    last: ["plot first, opinion after it", (opinion, plot) => `${plot} ${opinion}`],
  };
  const scores = new Map(); // switches -> place -> what the opinion of each pair does, in points
  const LEARNED = JSON.stringify({ f: null, i: null, o: null, shift: 0 });

  /** "29 (19 to 40)": a mean with its 95 % interval. */
  function withInterval(values, show) {
    const { mean, reach } = Lab.meanOf(values);
    return `${show(mean, 0)} (${show(mean - reach, 0)} to ${show(mean + reach, 0)})`;
  }

  function drawScore() {
    const learned = scores.get(LEARNED);
    const broken = isBroken() ? scores.get(JSON.stringify(holds())) : null;
    const missing = isBroken() ? "…" : "–";
    $("score").replaceChildren(
      ...Object.entries(PLACES).map(([place, [name]]) => {
        const before = learned ? withInterval(learned[place], number) : "…";
        const after = broken ? withInterval(broken[place], number) : missing;
        const moved = broken && learned && broken[place].map((value, k) => value - learned[place][k]);
        const change = moved ? withInterval(moved, signed) : missing;
        const cells = [before, after, change].map((text) => {
          const [mean, ends] = text.split(" (");
          const interval = ends ? [" ", node("span", { class: "lab-interval" }, `(${ends}`)] : [];
          return node("td", {}, mean, ...interval);
        });
        return node("tr", {}, node("th", { scope: "row" }, name), ...cells);
      }),
    );
  }

  /** The LSTM's p at the end of a text, with gates as `broken` says. */
  function answer(text, broken) {
    const words = Lab.tokenize(text).map(({ word }) => word);
    const { p } = Lab.read(models.lstm, Lab.encode(words, ranks, models.lstm.num_words), broken);
    return p[p.length - 1];
  }

  let counting = null; // the switches for which the scored texts are being read

  /** Reads the scored texts, a few at a time. */
  const countSoon = later(() => {
    const key = JSON.stringify(holds());
    const wanted = [LEARNED, key].find((k) => !scores.has(k));
    drawScore();
    mark();
    if (!wanted || wanted === counting) return;
    counting = wanted;
    const broken = JSON.parse(wanted);
    const found = { first: [], last: [] };
    let next = 0;
    const some = () => {
      if (JSON.stringify(holds()) !== key) {
        counting = null; // the switches have moved on
        return;
      }
      for (const stop = performance.now() + 8; performance.now() < stop; next++) {
        if (next === Lab.data.opinions.length) {
          scores.set(wanted, found);
          counting = null;
          return countSoon();
        }
        const [praise, blame, plot] = Lab.data.opinions[next];
        for (const [place, [, put]] of Object.entries(PLACES)) {
          const [high, low] = [praise, blame].map((opinion) => answer(put(opinion, plot), broken));
          found[place].push(100 * (high - low));
        }
      }
      setTimeout(some);
    };
    some();
  }, 300);

  // Drawing it all

  /** A control that can do nothing is off. A button that has the focus keeps it when it goes off. */
  function drawControls() {
    const none = !reading;
    for (const id of ["play", "step", "unit", "alone", "filler", "link", "python"]) {
      $(id).disabled = none;
    }
    const held = state.hold.f !== null;
    $("shift").disabled = held;
    $("shift-why").hidden = !held;
    if (held) $("shift").setAttribute("aria-describedby", "lab-shift-why");
    else $("shift").removeAttribute("aria-describedby");
    const off = { back: none || state.step === 0, on: none || state.step === lastStep() };
    off.fix = !isBroken();
    for (const [id, idle] of Object.entries(off)) $(id).setAttribute("aria-disabled", idle);
  }

  /** A press on a button that can do something. */
  function press(id, act) {
    $(id).addEventListener("click", () => {
      if ($(id).getAttribute("aria-disabled") !== "true") act();
    });
  }

  /** What depends on the step or the unit alone. */
  function drawStep() {
    drawControls();
    keep();
    const list = $("tokens");
    const chosen = list.querySelector('[aria-selected="true"]');
    if (chosen) {
      chosen.removeAttribute("aria-selected");
      chosen.tabIndex = -1;
    }
    $("step").max = reading ? lastStep() : 0;
    $("step").value = state.step;
    $("at").textContent = reading ? inWords(state.step) : "";
    $("step").setAttribute("aria-valuetext", reading ? inWords(state.step) : "no review");
    if (reading) {
      for (const made of list.children) {
        made.classList.toggle("lab-later", Number(made.dataset.step) > state.step);
      }
      const now = list.children[state.step];
      now.setAttribute("aria-selected", "true");
      now.tabIndex = 0;
      const room = list.scrollHeight - list.clientHeight;
      if (room > 0) list.scrollTop = clamp(now.offsetTop - list.offsetTop - 60, 0, room);
    }
    $("unit").value = state.unit;
    drawCurve();
    drawMaps();
    drawNumbers();
    drawTaken();
  }

  function draw() {
    drawVerdict();
    drawWords();
    drawNotes();
    drawBreak();
    drawCompare();
    drawStep();
  }

  /** A new step or unit: nothing is computed. */
  function change(to) {
    Object.assign(state, to);
    if (reading) state.step = clamp(state.step, 0, lastStep());
    drawStep();
  }

  /** A new text or switch. at: "end" shows it read to the end. */
  function update(at = "end") {
    compute();
    typing = false;
    if (at === "end" && reading) state.step = reading.words.length;
    draw();
    mark();
    countSoon();
    if (!reading) return say("No verdict: the text holds no word.");
    const count = reading.unknown.filter(Boolean).length;
    say(
      `${verdict(reading.lstm.p[lastStep()])}, ${plural(reading.said.length, "word")}` +
        (count ? `, ${count} unknown` : "") +
        (changes() ? `, with ${changes()}` : ""),
    );
  }

  // Playing

  function play() {
    if (!reading) return;
    if (state.step >= lastStep()) change({ step: 0 });
    const pace = clamp(15000 / reading.ids.length, 60, 500);
    timer = setInterval(() => {
      change({ step: state.step + 1 });
      if (state.step >= lastStep()) {
        stop();
        say(`Read to the end: ${inWords(state.step)}`);
      }
    }, still.matches ? Math.max(pace, 400) : pace);
    drawPlay();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    drawPlay();
  }

  /** One step, and said, by a button. */
  function go(way) {
    stop();
    change({ step: state.step + way });
    if (reading) say(inWords(state.step));
  }

  function drawPlay() {
    const on = timer !== null;
    $("play").querySelector("span").textContent = on ? "Pause" : "Play";
    $("play").querySelector("path").setAttribute("d", on ? "M4 2h3v12H4zM9 2h3v12H9z" : "M4 2v12l10-6z");
  }

  // A link, and Python

  const link = () =>
    `${location.href.split("#")[0]}#${settings(reading.text.slice(0, cut()))}`;

  /** This text and all settings, as a link's hash. */
  function settings(text) {
    const given = { n: state.filler || "", f: state.hold.f ?? "", i: state.hold.i ?? "" };
    Object.assign(given, { o: state.hold.o ?? "", b: state.shift || "" });
    Object.assign(given, { s: reading ? state.step : "", u: state.unit, a: state.alone ? 1 : "" });
    const kept = Object.entries(given).filter(([, value]) => value !== "");
    return String(new URLSearchParams([["t", text], ...kept]));
  }

  /** The browser's history holds text and settings, not the address: for a reload, and for Back. */
  const keep = later(() => {
    history.replaceState({ ...history.state, lab: settings(state.text) }, "");
  }, 150);

  /** Where the text that is read ends. */
  function cut() {
    const { typed, words, text } = reading;
    return typed > MOST ? words[words.length - 1].end : text.length;
  }

  /** Take text and settings from a link's hash; false where it holds none. */
  function follow(hash) {
    const given = new URLSearchParams(hash);
    if (!given.has("t")) return false;
    const whole = (name, high) => {
      const value = Number(given.get(name));
      return clamp(Number.isFinite(value) ? Math.round(value) : 0, 0, high);
    };
    const slid = (name, { min, max, step }) => {
      const value = Number(given.get(name));
      return clamp(Number.isFinite(value) ? Math.round(value / step) * step : 0, min, max);
    };
    state.text = given.get("t");
    state.filler = slid("n", $("filler"));
    state.shift = slid("b", $("shift"));
    for (const gate of "fio") {
      const held = given.get(gate);
      state.hold[gate] = held === "1" || held === "0" ? Number(held) : null;
    }
    if (given.has("u")) state.unit = whole("u", order.length - 1);
    state.alone = given.get("a") === "1";
    state.step = given.has("s") ? whole("s", Infinity) : Infinity;
    return true;
  }

  function python() {
    const text = [reading.text.slice(0, cut()), ...reading.said.slice(reading.words.length)].join(" ");
    const lines = [
      "import numpy as np",
      "",
      "from unrolled import datasets, load_model, saving",
      "",
      'model = load_model("lstm")',
      "embedding, lstm, dense = model.layers",
      'header, _ = saving.read(saving.find("lstm"))',
      'word_index = {word: rank for rank, word in enumerate(header["vocabulary"], 1)}',
      "",
      `text = ${JSON.stringify(text)}`,
      "ids = datasets.encode(text, word_index, num_words=embedding.input_dim)",
      "",
    ];
    const blocks = { i: "[:H]", f: "[H : 2 * H]", o: "[3 * H :]" };
    const names = { i: "input", f: "forget", o: "output" };
    const held = Object.entries(state.hold).filter(([, value]) => value !== null);
    if (isBroken()) lines.push("H, bias = lstm.units, lstm.weights[2]");
    if (state.shift && state.hold.f === null) {
      lines.push(`bias[H : 2 * H] += ${state.shift}  # shift of the forget bias`);
    }
    for (const [gate, value] of held) {
      const large = value ? "+= 1000" : "-= 1000";
      lines.push(`bias${blocks[gate]} ${large}  # ${names[gate]} gate held at ${value}`);
    }
    if (isBroken()) lines.push("");
    lines.push(
      "steps = lstm.trace(embedding(np.array([ids])))  # i, f, g, o, c, h: (1, T, H)",
      'p = dense(steps["h"])[0, :, 0]  # the verdict after each step',
      "for word, probability in zip(datasets.decode(ids, word_index).split(), p):",
      '    print(f"{probability:.2f} {word}")',
    );
    return `${lines.join("\n")}\n`;
  }

  let taken = null; // what is shown to be taken along: "link" or "python"

  function drawTaken() {
    $("copied").textContent = "";
    $("taken").hidden = !taken || !reading;
    if (!taken || !reading) return;
    $("out-label").textContent = taken === "link" ? "Link" : "Python";
    $("out").value = taken === "link" ? link() : python();
    $("out").rows = taken === "link" ? 3 : $("out").value.split("\n").length;
  }

  async function take(what) {
    taken = what;
    drawTaken();
    $("out").select();
    let copied = false;
    try {
      await navigator.clipboard.writeText($("out").value);
      copied = true;
    } catch {
      copied = document.execCommand("copy"); // where a page opened from a folder may do no more
    }
    $("copied").textContent = copied ? "Copied." : "Copy what is marked below.";
  }

  // Starting

  function listen() {
    const readSoon = later(() => update(), 120);
    $("text").addEventListener("input", () => {
      stop();
      typing = true;
      mark();
      state.text = $("text").value;
      $("example").value = "";
      readSoon();
    });
    $("example").addEventListener("change", () => {
      stop();
      const chosen = Lab.data.challenge[$("example").value];
      if (chosen) state.text = $("text").value = chosen[0];
      update();
    });
    $("another").addEventListener("click", () => {
      const count = Lab.data.challenge.length;
      const next = Number($("example").value || -1) + 1 + Math.floor(Math.random() * (count - 1));
      $("example").value = next % count;
      $("example").dispatchEvent(new Event("change"));
    });
    $("play").addEventListener("click", () => (timer === null ? play() : stop()));
    press("back", () => go(-1));
    press("on", () => go(1));
    $("step").addEventListener("input", () => stop() ?? change({ step: Number($("step").value) }));
    $("unit").addEventListener("change", () => change({ unit: Number($("unit").value) }));
    $("alone").addEventListener("change", () => change({ alone: $("alone").checked }));
    $("tokens").addEventListener("click", (event) => {
      const chosen = event.target.closest("[data-step]");
      if (!chosen) return;
      stop();
      change({ step: Number(chosen.dataset.step) });
      $("tokens").children[state.step].focus({ preventScroll: true });
    });
    $("tokens").addEventListener("keydown", keyOnWords);
    $("curve").addEventListener("pointerdown", (event) => {
      if (!reading) return;
      stop();
      change({ step: Lab.charts.stepAt(event, $("curve"), reading.ids.length) });
    });
    for (const gate of "fio") {
      for (const input of document.getElementsByName(`lab-hold-${gate}`)) {
        input.addEventListener("change", () => {
          state.hold[gate] = input.value === "" ? null : Number(input.value);
          update("here");
        });
      }
    }
    $("shift").addEventListener("input", () => {
      state.shift = Number($("shift").value);
      update("here");
    });
    $("filler").addEventListener("input", () => {
      state.filler = Number($("filler").value);
      update("here");
    });
    press("fix", () => {
      state.hold = { f: null, i: null, o: null };
      state.shift = 0;
      showState();
      update("here");
    });
    $("link").addEventListener("click", () => take("link"));
    $("python").addEventListener("click", () => take("python"));
    addEventListener("hashchange", () => {
      const hash = location.hash.slice(1);
      if (!new URLSearchParams(hash).has("t")) return keep(); // a place in this page
      follow(history.state?.lab ?? hash);
      showState();
      update("here");
    });
    let width = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width !== width) requestAnimationFrame(draw);
      width = contentRect.width;
    }).observe($("read"));
    new MutationObserver(drawMaps).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
  }

  function keyOnWords(event) {
    const forward = getComputedStyle($("tokens")).direction === "rtl" ? -1 : 1;
    const to = {
      ArrowRight: state.step + forward,
      ArrowLeft: state.step - forward,
      ArrowDown: state.step + 1,
      ArrowUp: state.step - 1,
      Home: 0,
      End: Infinity,
    }[event.key];
    if (to === undefined || !reading || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    stop();
    change({ step: to });
    $("tokens").children[state.step].focus();
  }

  /** The inputs show the state, where it was not they that changed it. */
  function showState() {
    $("text").value = state.text;
    const known = Lab.data.challenge.findIndex(([text]) => text === state.text);
    $("example").value = known < 0 ? "" : known;
    $("shift").value = state.shift;
    $("filler").value = state.filler;
    $("alone").checked = state.alone;
    for (const gate of "fio") {
      for (const input of document.getElementsByName(`lab-hold-${gate}`)) {
        input.checked = input.value === String(state.hold[gate] ?? "");
      }
    }
  }

  function fillLists() {
    const groups = new Map();
    Lab.data.challenge.forEach(([text, label, phenomenon], k) => {
      if (!groups.has(phenomenon)) groups.set(phenomenon, node("optgroup", { label: phenomenon }));
      const short = text.length > 60 ? `${text.slice(0, 58)} …` : text;
      groups.get(phenomenon).append(node("option", { value: k }, `${label ? "+" : "−"} ${short}`));
    });
    $("example").append(...groups.values());
    const { output_kernel: V } = models.lstm.weights;
    $("unit").append(
      ...order.map((unit) => node("option", { value: unit }, `${unit}, weight ${signed(V[unit])}`)),
    );
  }

  async function start() {
    const table = $("i").closest("table");
    table.classList.add("lab-numbers");
    ranks = new Map(Lab.data.vocabulary.map((word, k) => [word, k + 1]));
    models.lstm = await Lab.load("lstm");
    order = Lab.unitOrder(models.lstm);
    state.unit = order[0];
    $("accuracy").textContent = percent(models.lstm.accuracy);
    $("negations").textContent = Lab.data.negation.right;
    makeMaps();
    fillLists();
    neutral = Lab.tokenize(Lab.data.filler).map(({ word }) => word);
    if (!follow(history.state?.lab) && !follow(location.hash.slice(1))) {
      Object.assign(state, { text: Lab.data.challenge[EXAMPLE][0], step: Infinity });
    }
    showState();
    listen();
    update("here");
    for (const kind of ["gru", "rnn"]) {
      models[kind] = await Lab.load(kind);
      update("here");
    }
  }

  start().catch((error) => {
    $("verdict").textContent = `The lab could not start: ${error.message}`;
    throw error;
  });
})();

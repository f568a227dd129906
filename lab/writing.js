/* The page on which the lab writes: what is chosen goes through Lab.sampling, and is drawn.
 *
 * One way only: an event changes `state`, `catchUp` draws and reads characters until the text is
 * the one that the state asks for, `draw` shows it. The text depends on the state alone, not on
 * how the state came about; of an older text the beginning that is the same is kept.
 * What is typed enters the page as text nodes and attributes, never as markup.
 */
"use strict";

(function () {
  const MOST = 10_000; // characters that are written
  const LONGEST = 2000; // characters of a prompt that are read
  const SHOWN = 12; // symbols in the table
  const SLICE = 12; // milliseconds of work before the page may answer
  const FRAME = 60; // milliseconds between two pictures of a text that grows
  const LEVELS = 12; // of a colour
  const EXAMPLES = {
    "a function": "import os\n\n\ndef read_lines(path, encoding=None):\n",
    "a class": "class Stack:\n",
    "a docstring": 'def quote(text):\n    """',
    "a loop": "    for name in sorted(names):\n",
    "nothing: the start of a file": "",
  };
  const FIRST = "a function";
  const FULL = `The text has ${MOST.toLocaleString("en")} characters, the most that are written here.`;
  const NAMES = { "\0": "start of a file", "\t": "tab", "\n": "new line", "\f": "form feed" };
  Object.assign(NAMES, { "\r": "carriage return", " ": "space" });
  const GLYPHS = { "\0": "␀", "\t": "⇥", "\n": "↵", "\f": "␌", "\r": "␍", " ": "␣" };
  const { clamp, number, signed, node } = Lab.charts;
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  const { $, plural, later, say, plain } = Lab.page;
  const state = { prompt: EXAMPLES[FIRST], method: "all", temperature: 0.7, k: 5, mass: 0.9 };
  Object.assign(state, { seed: 1, unit: null, pace: 30, length: 300 });
  const LIMITS = { temperature: [0.1, 2], k: [1, 50], mass: [0.05, 0.99], seed: [0, 999_999] };
  let symbols; // the place of a symbol is its id
  let places; // symbol -> id
  let units;
  let network; // Lab.sampling's reader
  let prompt; // {ids, notes} of state.prompt
  let sure = 0; // steps of the text that are those that the state asks for
  let at = null; // the place that the table shows, null: the end
  let playing = false;
  let waiting = null; // the timer of the next slice
  let pending = false; // whether that slice begins with an update
  let drawn = 0; // when the text was last shown
  let whole = null; // to be called once when the text is what the state asks for
  let last = 0; // when the pace was last looked at
  let credit = 0; // parts of a character that the pace has allowed
  let cost = 0; // milliseconds that a character took

  // Small helpers

  const symbolName = (id) => NAMES[symbols[id]] ?? symbols[id];
  const quoted = (id) => (symbols[id] in NAMES ? NAMES[symbols[id]] : `“${symbols[id]}”`);
  const start = () => 1 + prompt.ids.length; // the steps before the first written character
  const written = () => Math.max(network.ids.length - start(), 0);
  const end = () => network.ids.length - 1;
  const place = () => Math.min(at ?? Infinity, end());

  /** A probability in percent: of two digits, as many as tell it from 0 and 100. */
  function percent(p) {
    if (p === 0 || p === 1) return String(p * 100);
    if (p < 0.001) return "< 0.1";
    return p > 0.999 ? "> 99.9" : number(p * 100, 1);
  }

  // The prompt

  /** The ids of a prompt, and what has to be said about it. */
  function understand(text) {
    const notes = [];
    const typed = plain(text);
    if (typed !== text) notes.push("Curly quotes, long dashes and special blanks are read as plain ones.");
    const all = Array.from(typed);
    const known = all.filter((symbol) => places.has(symbol) && symbol !== "\0");
    const strange = [...new Set(all.filter((symbol) => !places.has(symbol) || symbol === "\0"))];
    if (strange.length) {
      const few = strange.slice(0, 8).map(shown).join(", ");
      const more = strange.length > 8 ? ` and ${strange.length - 8} more` : "";
      notes.push(`The network does not know ${few}${more}. It reads the text without ${strange.length > 1 ? "them" : "it"}.`);
    }
    if (known.length > LONGEST) {
      const count = LONGEST.toLocaleString("en");
      notes.push(`Your text has ${plural(known.length, "character")}; the last ${count} are read.`);
    }
    return { ids: known.slice(-LONGEST).map((symbol) => places.get(symbol)), notes };
  }

  /** A character that the network does not know: itself, with its number if it cannot be seen. */
  function shown(symbol) {
    const code = `U+${symbol.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    return /[\p{C}\p{Z}\p{M}]/u.test(symbol) ? code : `“${symbol}”`;
  }

  // Writing

  /** The id that belongs at step t of the text: the start sign, the prompt, and what is drawn. */
  function wanted(t) {
    if (t === 0) return 0;
    if (t < start()) return prompt.ids[t - 1];
    const odds = Lab.sampling.distribution(network.logitsAt(t - 1), state);
    return Lab.sampling.draw(odds, Lab.sampling.uniform(state.seed, t - start()));
  }

  /** How many characters the pace lets it write by now. */
  function allow(now) {
    const gone = Math.min(now - last, 250);
    last = now;
    if (sure < start() + state.length) return; // it still catches up
    if (state.pace === 0) state.length = Math.min(state.length + 1000, MOST);
    credit += (gone * state.pace) / 1000;
    state.length = Math.min(state.length + Math.floor(credit), MOST);
    credit %= 1;
  }

  /** Read and draw characters for a moment, show them, and go on a moment later. */
  function catchUp() {
    const began = performance.now();
    if (playing) allow(began);
    const goal = start() + state.length;
    const stop = began + SLICE;
    let count = 0;
    network.cut(goal);
    sure = Math.min(sure, goal);
    for (; sure < goal && (sure === 0 || performance.now() < stop); sure++) {
      const id = wanted(sure);
      if (network.ids[sure] === id) continue; // as it was: the next one may be another
      network.cut(sure);
      network.read(id);
      count++;
    }
    if (count > 4) cost = (performance.now() - began) / count;
    const done = sure === goal;
    if (playing && done && state.length === MOST) pause(FULL);
    if (done || began - drawn > FRAME) {
      draw();
      drawn = began;
    }
    if (done && whole) {
      whole();
      whole = null;
    }
    const rest = still.matches ? 10 * FRAME : FRAME / 2; // until the pace allows more
    waiting = playing || !done ? setTimeout(catchUp, done ? rest : 0) : null;
    mark();
  }

  /** For tests: whether what is shown is all there is to come. */
  function mark() {
    document.documentElement.dataset.lab = waiting === null ? "ready" : "writing";
  }

  /** The text has to become longer or shorter; without settings that changed it stays. */
  function go() {
    if (pending) sure = 0;
    pending = false;
    clearTimeout(waiting);
    catchUp();
    save();
  }

  /** Settings have changed: any character may be another. */
  function update() {
    sure = 0;
    go();
  }

  /** The state has changed, perhaps once more in a moment: a slider moves many times a second. */
  function changed() {
    if (pending) return;
    pending = true;
    clearTimeout(waiting);
    waiting = setTimeout(update, 60);
    mark();
  }

  /** Bring the text into view, where it is written below the fold. */
  function reveal() {
    const behavior = still.matches ? "instant" : "smooth";
    $("paper").scrollIntoView({ block: "nearest", behavior });
  }

  function play() {
    if (state.length >= MOST) return say(FULL);
    reveal();
    at = null;
    playing = true;
    last = performance.now();
    credit = 0;
    drawPlay();
    say("Writing.");
    go();
  }

  /** Stop, and say so: what has been written is what there is. */
  function pause(text) {
    if (!playing) return;
    playing = false;
    state.length = Math.min(state.length, written());
    drawPlay();
    say(text ?? `Paused after ${plural(written(), "character")}. Last line: ${lastLine()}`);
    save();
  }

  function lastLine() {
    const text = network.ids.map((id) => symbols[id]).join("");
    return text.trimEnd().split("\n").pop().trim() || "blank";
  }

  function drawPlay() {
    $("play").querySelector("span").textContent = playing ? "Pause" : "Write";
    const sign = playing ? "M4 2h3v12H4zM9 2h3v12H9z" : "M4 2v12l10-6z";
    $("play").querySelector("path").setAttribute("d", sign);
  }

  // The text

  const paper = { ids: [], unit: null, start: 0, scale: 1 }; // what the text shows

  /** The cell state at the ends of the colours: the first of 0.1, 0.2, 0.5, 1, ... above all. */
  function scale() {
    let most = 0;
    for (let t = 1; state.unit !== null && t < network.ids.length; t++) {
      most = Math.max(most, Math.abs(network.cellAt(t, state.unit)));
    }
    for (let ten = 0.1; ; ten *= 10) {
      const round = [1, 2, 5].find((digit) => digit * ten >= most);
      if (round) return round * ten;
    }
  }

  /** The colour of a step, from -LEVELS to LEVELS. */
  function level(t) {
    if (state.unit === null) return 0;
    return Math.round((network.cellAt(t, state.unit) / paper.scale) * LEVELS);
  }

  function drawText() {
    const { ids } = network;
    const box = $("paper");
    const low = box.scrollTop + box.clientHeight > box.scrollHeight - 40;
    const now = { unit: state.unit, start: start(), scale: scale() };
    const same = Object.entries(now).every(([name, value]) => value === paper[name]);
    if (!same || !paper.ids.every((id, t) => id === ids[t])) {
      Object.assign(paper, now);
      $("text").replaceChildren();
      paper.ids = ids.slice(0, 1); // the start sign is not shown
    }
    for (let t = Math.max(paper.ids.length, 1); t < ids.length; t++) put($("text"), t);
    paper.ids = ids.slice();
    drawKey();
    if (low && at === null) box.scrollTop = box.scrollHeight;
  }

  /** What the ends of the colours mean. */
  function drawKey() {
    const end = number(paper.scale, paper.scale < 1 ? 1 : 0);
    $("low").textContent = `−${end}`;
    $("high").textContent = `+${end}`;
    $("key").setAttribute("aria-label", `Orange is −${end}, no colour is 0, blue is +${end}`);
  }

  /** Put the character of step t at the end of the text, in a span with others of its colour. */
  function put(text, t) {
    const symbol = symbols[network.ids[t]];
    const letter = "\0\f\r".includes(symbol) ? GLYPHS[symbol] : symbol;
    const colour = level(t);
    const typed = t < start();
    let span = text.lastElementChild;
    if (!span || span.dataset.level !== String(colour) || span.matches(".lab-typed") !== typed) {
      span = node("span", { "data-level": colour, "data-step": t }, "");
      span.classList.toggle("lab-typed", typed);
      if (colour) span.dataset.move = colour > 0 ? "up" : "down";
      span.style.setProperty("--size", (Math.abs(colour) / LEVELS).toFixed(3));
      text.append(span);
    }
    span.firstChild.data += letter;
  }

  /** Where the character of step t stands in the page, as a rectangle; null for the start sign. */
  function boxOf(t) {
    let [low, high] = [0, $("text").children.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (Number($("text").children[middle].dataset.step) <= t) low = middle;
      else high = middle - 1;
    }
    const span = $("text").children[low];
    if (!span || t < 1) return null;
    const from = t - Number(span.dataset.step);
    if (from >= span.firstChild.data.length) return null;
    const range = document.createRange();
    range.setStart(span.firstChild, from);
    range.setEnd(span.firstChild, from + 1);
    return range.getBoundingClientRect();
  }

  /** A frame around the character of the place that is chosen. */
  function drawHere() {
    const box = at === null ? null : boxOf(place());
    $("here").hidden = !box;
    if (!box) return;
    const paper = $("paper").getBoundingClientRect();
    const top = box.top - paper.top + $("paper").scrollTop;
    const room = $("paper").clientHeight;
    if (top < $("paper").scrollTop || top + box.height > $("paper").scrollTop + room) {
      $("paper").scrollTop = top - room / 2;
    }
    Object.assign($("here").style, {
      left: `${box.left - paper.left}px`,
      top: `${top}px`,
      width: `${Math.max(box.width, 4)}px`,
      height: `${box.height}px`,
    });
  }

  /** The step whose character is under the pointer, or null. */
  function stepUnder({ clientX, clientY }) {
    const found = document.caretPositionFromPoint
      ? document.caretPositionFromPoint(clientX, clientY)
      : document.caretRangeFromPoint(clientX, clientY);
    const text = found?.offsetNode ?? found?.startContainer;
    const span = text?.parentElement?.closest("#lab-text [data-step]");
    if (!span) return null;
    const step = Number(span.dataset.step) + (found.offset ?? found.startOffset);
    const box = boxOf(step); // a caret stands between two characters
    const before = !box || clientX < box.left || clientY < box.top;
    return clamp(before ? step - 1 : step, 1, end());
  }

  // What comes next

  function drawOdds() {
    const t = place();
    const logits = network.logitsAt(t);
    const p = Lab.sampling.softmax(logits);
    const { q, order } = Lab.sampling.distribution(logits, state);
    const next = t < end() ? network.ids[t + 1] : null;
    const listed = order.slice(0, SHOWN);
    if (next !== null && !listed.includes(next)) listed[SHOWN - 1] = next;
    const rest = (values) => 1 - listed.reduce((sum, id) => sum + values[id], 0);
    const came = t + 1 < start() ? "typed" : "drawn";
    $("odds").replaceChildren(
      ...listed.map((id) => row(nameOf(id), p[id], q[id], id === next ? came : "")),
      row([`${symbols.length - listed.length} others`], nearly(rest(p)), nearly(rest(q)), ""),
    );
    const where = t ? `After ${quoted(network.ids[t])}, character ${t} of ${end()}` : "At the start";
    const text = where + stateAt(t);
    $("at").textContent = text;
    $("step").max = end();
    $("step").value = t;
    $("step").setAttribute("aria-valuetext", text);
  }

  /** The chosen unit's state after step t, in words. */
  function stateAt(t) {
    if (state.unit === null) return "";
    return `; unit ${state.unit}: c = ${signed(network.cellAt(t, state.unit))}`;
  }

  /** What rounding leaves of nothing is nothing. */
  const nearly = (rest) => (rest < 1e-9 ? 0 : rest);

  /** A symbol's sign, and its name if it cannot be seen. */
  function nameOf(id) {
    const glyph = GLYPHS[symbols[id]];
    return glyph ? [`${glyph} `, node("span", { class: "lab-small" }, symbolName(id))] : [symbols[id]];
  }

  /** A row of the table; came: what to say of the symbol that follows in the text. */
  function row(name, predicted, drawn, came) {
    const bar = node("i", { class: "lab-bar", "aria-hidden": "true" });
    const tick = node("i", { class: "lab-tick", "aria-hidden": "true" });
    bar.style.width = `${drawn * 100}%`;
    tick.style.left = `${predicted * 100}%`;
    const bars = node("td", {}, bar, tick);
    if (came) bars.append(node("span", { class: "lab-came" }, came));
    const cells = [predicted, drawn].map((p) => node("td", {}, percent(p)));
    return node("tr", {}, node("th", { scope: "row" }, ...name), ...cells, bars);
  }

  // Drawing it all

  function draw() {
    drawText();
    drawHere();
    drawOdds();
    const time = cost ? `, ${number(cost, 1)} ms for each` : "";
    $("count").textContent =
      `${plural(prompt.ids.length, "character")} typed, ${written().toLocaleString("en")} written${time}`;
  }

  function drawSettings() {
    const { method } = state;
    $("k-row").hidden = method !== "top-k";
    $("mass-row").hidden = method !== "nucleus";
    for (const id of ["temperature", "seed", "another"]) $(id).disabled = method === "greedy";
    $("temperature-out").textContent = number(state.temperature);
    $("k-out").textContent = state.k;
    $("mass-out").textContent = number(state.mass);
    $("key").hidden = state.unit === null;
    $("notes").replaceChildren(...prompt.notes.map((text) => node("li", {}, text)));
    drawTaken();
  }

  /** The inputs show the state, where it was not they that changed it. */
  function showState() {
    $("prompt").value = state.prompt;
    showExample();
    for (const name of ["method", "temperature", "k", "mass", "seed", "pace"]) $(name).value = state[name];
    $("unit").value = state.unit ?? "";
    prompt = understand(state.prompt);
    drawSettings();
  }

  function showExample() {
    const known = Object.keys(EXAMPLES).find((name) => EXAMPLES[name] === state.prompt);
    $("example").value = known ?? "";
  }

  // A link, and what survives a reload

  function settings() {
    const given = { p: state.prompt.slice(-2 * LONGEST), m: state.method, t: state.temperature };
    Object.assign(given, { k: state.k, q: state.mass, s: state.seed, n: playing ? written() : state.length });
    Object.assign(given, { u: state.unit ?? "", v: state.pace });
    return new URLSearchParams(given).toString();
  }

  function save() {
    saveSoon();
    drawTaken();
  }

  /** Kept with this page's place in the history, for a reload and for Back; the address stays. */
  function saveNow() {
    history.replaceState({ ...history.state, writing: settings() }, "");
  }

  const saveSoon = later(saveNow, 200);

  /** Take text and settings from the history or from the link's hash; false where neither has any. */
  function follow() {
    const given = new URLSearchParams(history.state?.writing ?? location.hash.slice(1));
    if (!given.has("p")) return false;
    const value = (name, low, high, otherwise) => {
      const found = given.get(name) ? Number(given.get(name)) : NaN;
      return Number.isFinite(found) ? clamp(found, low, high) : otherwise;
    };
    const stepped = (name, key) => {
      const step = Number($(name).step);
      const found = value(key, ...LIMITS[name], state[name]);
      return clamp(Number((Math.round(found / step) * step).toFixed(2)), ...LIMITS[name]);
    };
    const listed = (name, key) => [...$(name).options].some((option) => option.value === given.get(key));
    state.prompt = given.get("p").replace(/\r\n?/g, "\n");
    if (listed("method", "m")) state.method = given.get("m");
    if (listed("pace", "v")) state.pace = Number(given.get("v"));
    state.temperature = stepped("temperature", "t");
    state.k = stepped("k", "k");
    state.mass = stepped("mass", "q");
    state.seed = stepped("seed", "s");
    state.length = Math.round(value("n", 0, MOST, state.length));
    if (given.has("u")) {
      const unit = value("u", 0, units - 1, null);
      state.unit = unit === null ? null : Math.round(unit);
    }
    return true;
  }

  function link() {
    return `${location.href.split("#")[0]}#${settings()}`;
  }

  function drawTaken() {
    $("copied").textContent = "";
    if (!$("taken").hidden) $("out").value = link();
  }

  async function take() {
    pause();
    $("taken").hidden = false;
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

  /** Show a place in the text; null: the end. */
  function goTo(step) {
    pause();
    at = step >= end() ? null : Math.max(step, 0);
    drawHere();
    drawOdds();
  }

  function one() {
    pause();
    at = null;
    if (written() === MOST) return say(FULL);
    reveal();
    state.length = written() + 1;
    whole = () => {
      const id = network.ids[end()];
      const p = Lab.sampling.softmax(network.logitsAt(end() - 1))[id];
      say(`${quoted(id)}, predicted with ${percent(p)} %`);
    };
    go();
  }

  function newPrompt(text) {
    state.prompt = text;
    at = null;
    prompt = understand(text);
    drawSettings();
    changed();
  }

  function listen() {
    $("prompt").addEventListener("input", () => {
      pause();
      newPrompt($("prompt").value);
      showExample();
    });
    $("example").addEventListener("change", () => {
      if (!($("example").value in EXAMPLES)) return $("prompt").focus();
      pause();
      $("prompt").value = EXAMPLES[$("example").value];
      newPrompt($("prompt").value);
    });
    $("method").addEventListener("change", () => set({ method: $("method").value }));
    for (const name of ["temperature", "k", "mass"]) {
      $(name).addEventListener("input", () => set({ [name]: Number($(name).value) }));
    }
    $("seed").addEventListener("input", () => {
      const seed = Math.round(Number($("seed").value));
      if ($("seed").value !== "") set({ seed: clamp(seed, ...LIMITS.seed) });
    });
    $("seed").addEventListener("change", () => {
      $("seed").value = state.seed;
    });
    $("another").addEventListener("click", () => {
      set({ seed: Math.floor(Math.random() * 1e6) });
      $("seed").value = state.seed;
      say(`Seed ${state.seed}`);
    });
    $("pace").addEventListener("change", () => set({ pace: Number($("pace").value) }));
    $("unit").addEventListener("change", () => {
      const unit = $("unit").value;
      set({ unit: unit === "" ? null : Number(unit) });
    });
    $("play").addEventListener("click", () => (playing ? pause() : play()));
    $("on").addEventListener("click", one);
    $("reset").addEventListener("click", () => {
      pause();
      at = null;
      state.length = 0;
      go();
      say("Reset: the text is your beginning alone.");
    });
    $("step").addEventListener("input", () => goTo(Number($("step").value)));
    $("text").addEventListener("click", (event) => {
      const step = stepUnder(event);
      if (step !== null) goTo(step);
    });
    $("link").addEventListener("click", take);
    addEventListener("hashchange", () => {
      pause();
      if (!follow()) return saveNow();
      at = null;
      showState();
      update();
    });
    new ResizeObserver(drawHere).observe($("paper"));
  }

  function set(to) {
    Object.assign(state, to);
    drawSettings();
    changed();
  }

  function fillLists() {
    $("example").append(...Object.keys(EXAMPLES).map((name) => node("option", { value: name }, name)));
    const option = (unit, text) => node("option", { value: unit }, text);
    const named = Lab.data.named.map(({ unit, name, r }) => option(unit, `${unit}: ${name}, r = ${number(r)}`));
    const taken = new Set(Lab.data.named.map(({ unit }) => unit));
    const others = Array.from({ length: units }, (_, unit) => unit).filter((unit) => !taken.has(unit));
    const rest = others.map((unit) => option(unit, String(unit)));
    if (named.length) $("unit").append(node("optgroup", { label: "follow the code" }, ...named));
    $("unit").append(node("optgroup", { label: named.length ? "the others" : "all" }, ...rest));
  }

  async function begin() {
    const model = await Lab.load("writer");
    symbols = Lab.data.symbols;
    places = new Map(symbols.map((symbol, id) => [symbol, id]));
    units = model.units;
    network = Lab.sampling.reader(model);
    $("units").textContent = `${units} LSTM`;
    $("symbols").textContent = symbols.length;
    $("source").textContent = `the ${model.facts.source}`;
    $("minutes").textContent = number(model.facts.minutes, 0);
    $("bits").textContent = number(model.facts.bits);
    fillLists();
    state.unit = Lab.data.named[0]?.unit ?? null;
    follow();
    showState();
    listen();
    update();
  }

  begin().catch((error) => {
    $("count").textContent = `The lab could not start: ${error.message}`;
    throw error;
  });
})();

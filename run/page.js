/* A chapter that runs: its cells in order, what the reader has changed, and the panel below. */
Run.page = (function () {
  "use strict";

  const element = Run.element;
  const cells = Run.chapter.cells.map((data) => {
    const box = document.querySelector(`[data-cell="${data.number}"]`);
    return { data, box, text: data.source, ran: null, editor: null, outputs: null };
  });
  let work = Promise.resolve(); // what is being run, and waits to be
  let turn = 0; // grows when everything is stopped: what belongs to an earlier turn gives up
  let busy = 0;
  let asker = null; // gives the button that asked last; it has the focus when Stop goes
  let ending = ""; // what the panel says when all is done, or was stopped

  /* The panel: what is happening, Stop, Reset. */
  const says = element("p");
  says.setAttribute("role", "status");
  const bar = element("progress", { max: 1, hidden: true });
  bar.setAttribute("aria-label", "Loading");
  const stopping = element("button", { type: "button", textContent: "Stop", hidden: true });
  const resetting = element("button", { type: "button", textContent: "Reset this page" });
  const panel = element("div", { className: "run-panel run-idle", hidden: true }, says, bar, stopping, resetting);
  panel.setAttribute("role", "region");
  panel.setAttribute("aria-label", "Python on this page");
  document.querySelector("main").append(panel);

  function report(text, share = undefined) {
    panel.hidden = false;
    const whole = share === undefined ? text : `${text} …`;
    if (says.textContent !== whole) says.textContent = whole;
    says.title = whole; // its one line may be cut
    bar.hidden = typeof share !== "number";
    if (!bar.hidden) bar.value = share;
  }

  function tell(cell, state, text) {
    if (!cell.box) return;
    cell.box.dataset.state = state;
    cell.box.querySelector(".run-says").textContent = text;
    if (state === "done") ending = `${cell.data.label} has run`;
    if (["failed", "partly"].includes(state)) ending = `${cell.data.label}: ${text}`;
  }

  function outputs(cell) {
    if (!cell.outputs && cell.box) cell.outputs = Run.outputs.place(cell.box);
    return cell.outputs;
  }

  /* What the book says of a cell, and its output. */
  function clear(cell) {
    if (cell.outputs) cell.outputs.reset();
    tell(cell, "", cell.box.dataset.says || "");
    delete cell.box.dataset.same;
  }

  /* Mark a line of a cell's code; 0: none. */
  function mark(cell, line) {
    if (!cell.box) return;
    cell.box.querySelectorAll(".run-line").forEach((old) => old.remove());
    const code = cell.editor ? cell.editor.code : cell.box.querySelector(".cell_input pre");
    if (!line || !code) return;
    const folded = code.closest("details");
    if (folded) folded.open = true;
    const style = getComputedStyle(code);
    const height = parseFloat(style.lineHeight);
    const stripe = element("span", { className: "run-line" });
    stripe.style.top = `${parseFloat(style.paddingTop) + (line - 1) * height}px`;
    stripe.style.height = `${height}px`;
    code.append(stripe);
  }

  /* What has to be loaded before a text runs: changed code may ask for more than the book's. */
  function needed(cell) {
    const { data, text } = cell;
    const names = new Set(data.files || []);
    let draws = data.draws;
    if (text !== data.source) {
      draws = draws || /\bfigures\.|matplotlib|\bplt\b/.test(text);
      Object.keys(Run.manifest.files).forEach((file) => {
        const found = /^(results|model)-(.*)\.zip$/.exec(file);
        if (found && new RegExp(`["']${found[2]}["'.-]`).test(text)) names.add(file);
      });
    }
    return [...(draws ? ["figures"] : []), ...names];
  }

  async function runCell(cell) {
    const { data, text } = cell;
    const edited = text !== data.source;
    const now = turn;
    tell(cell, "running", "running …");
    mark(cell, 0);
    await Run.python.start(report);
    await Run.python.need(needed(cell), report);
    if (turn !== now) throw new Error("stopped");
    report(`Running ${data.label}`, null);
    const out = outputs(cell);
    if (out) out.begin();
    const output = (kind, content) => {
      // What libraries write to standard error is not the book's; the reader's own code is told.
      if (out && turn === now && (kind !== "stderr" || edited)) out.add(kind, content);
    };
    const call = { source: text, label: data.label, asserts: data.kind !== "hidden" };
    const { failed, seconds, memory } = await Run.python.call("run", call, output);
    panel.dataset.memory = memory;
    const time = `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
    const broken = failed && failed.kind;
    cell.ran = broken ? null : text;
    if (!cell.box) return failed;
    cell.box.dataset.seconds = seconds;
    if (edited && cell.text === data.source) {
      clear(cell); // the book's code is back
      return failed;
    }
    if (broken && spared(cell)) {
      out.reset();
      tell(cell, "partly", `left out: ${failed.kind}: ${failed.text}`.slice(0, 300));
      return failed;
    }
    if (broken) {
      const where = failed.line ? ` in line ${failed.line}` : "";
      tell(cell, "failed", `${failed.kind}${where}: ${failed.text}`.slice(0, 300));
      out.trace(failed.trace);
      mark(cell, failed.line);
      return failed;
    }
    if (failed) {
      tell(cell, "partly", `${time}; what needs ${failed.needs.join(" and ")} was left out`);
      if (data.needs && !edited) out.reset();
      else out.end(data, edited);
      return failed;
    }
    const same = out.end(data, edited);
    cell.box.dataset.same = same;
    let said = same ? ", output as in the book" : ", output differs from the book";
    if (!data.compared) said = ", output may differ from the book's";
    tell(cell, "done", `${time}${edited ? "" : said}`);
    return null;
  }

  /* Whether a cell may fail over a change above it: no reader sees it, or it cannot run here as it
     stands. What asks for it says so itself. */
  function spared({ box, data, text }) {
    return !box || (data.needs && text === data.source);
  }

  /* Run the cells above one that have not run as they now stand; `progress(text)` is told how many.
     Gives what failed, or "". */
  async function runAbove(number, now, progress) {
    const above = (cells[number].data.before || []).map((other) => cells[other]);
    const waiting = above.filter((other) => other.ran !== other.text);
    const seen = waiting.filter((other) => other.box);
    const many = `${seen.length} ${seen.length === 1 ? "cell" : "cells"}`;
    seen.forEach((other) => tell(other, "waiting", "waits"));
    for (const other of waiting) {
      const at = seen.indexOf(other) + 1;
      if (at) progress(`runs ${many} first (${at} of ${seen.length})`);
      const failed = await runCell(other);
      if (turn !== now) throw new Error("stopped");
      if (failed && failed.kind && !spared(other)) {
        const left = seen.filter((later) => later.box.dataset.state === "waiting");
        left.forEach((later) => tell(later, "", later.box.dataset.says || ""));
        return `${other.data.label} above failed: ${failed.kind}`;
      }
    }
    return "";
  }

  /* Run a cell, and before it those above that have not run as they now stand. */
  async function runWith(number, now) {
    const cell = cells[number];
    const broken = await runAbove(number, now, (text) => tell(cell, "waiting", text));
    if (!broken) return runCell(cell);
    tell(cell, "failed", broken);
    return undefined;
  }

  /* Do something with Python when what was asked for before is done; one failure ends all.
     from(): the button that asked for it. */
  function queue(task, from) {
    const now = turn;
    busy += 1;
    asker = from;
    stopping.hidden = false;
    panel.classList.remove("run-idle");
    const done = work.then(async () => {
      if (turn !== now) return undefined;
      return task(now);
    });
    work = done
      .catch((error) => {
        if (turn === now) halt(`Python has ended: ${error.message}`);
      })
      .then(() => {
        busy -= 1;
        if (busy) return;
        if (document.activeElement === stopping && asker) asker().focus({ preventScroll: true });
        stopping.hidden = true;
        panel.classList.add("run-idle");
        report(ending || "Python is ready");
        ending = "";
      });
    return done.catch(() => undefined);
  }

  /* End Python. All that was computed is gone; edits and outputs stay. */
  function halt(text) {
    turn += 1;
    ending = busy ? text : "";
    Run.python.stop();
    cells.forEach((cell) => {
      cell.ran = null;
      if (cell.box && ["running", "waiting"].includes(cell.box.dataset.state)) tell(cell, "", "stopped");
    });
    if (Run.exercises) Run.exercises.halt();
    report(text);
  }

  const buttons = (cell) => ["run-do", "run-edit"].map((name) => cell.box.querySelector(`.${name}`));

  /* The button of a cell that gets the focus: Run, where it can run. */
  function button(cell) {
    const [run, change] = buttons(cell);
    return run.hidden ? change : run;
  }

  /* An editor in the place of the cell's code. */
  function edit(number, focus = true) {
    const cell = cells[number];
    if (!cell.editor) {
      const code = cell.box.querySelector(".cell_input div.highlight");
      const change = buttons(cell)[1];
      const folded = code.closest("details");
      if (folded) folded.open = true;
      mark(cell, 0);
      cell.editor = Run.editor.make(cell.text, `Code of ${cell.data.label}`, {
        changed: (text) => write(cell, text),
        run: () => press(number),
        leave: () => button(cell).focus(),
      });
      code.hidden = true;
      code.after(cell.editor.box);
      change.textContent = "Original";
      change.setAttribute("aria-label", `Bring back the book's code of ${cell.data.label}`);
      if (focus) cell.editor.field.focus({ preventScroll: true });
    } else {
      original(cell);
      buttons(cell)[1].focus();
    }
  }

  function write(cell, text) {
    cell.text = text;
    mark(cell, 0);
    Run.edits.keep(cell.data.id, text === cell.data.source ? null : text);
    panel.hidden = false;
    // Changed code of a cell that needs more than the page has may do without it.
    if (cell.data.needs) buttons(cell)[0].hidden = text === cell.data.source;
  }

  /* The book's code again. */
  function original(cell) {
    if (cell.editor) {
      cell.editor.box.remove();
      cell.box.querySelector(".cell_input div.highlight").hidden = false;
      const change = buttons(cell)[1];
      change.textContent = "Edit";
      change.setAttribute("aria-label", `Edit ${cell.data.label}`);
      cell.editor = null;
    }
    write(cell, cell.data.source);
    const busy = ["running", "waiting"].includes(cell.box.dataset.state);
    if (!busy && cell.ran !== cell.data.source) clear(cell);
  }

  function press(number) {
    const cell = cells[number];
    if (cell.data.needs && cell.text === cell.data.source) return Promise.resolve();
    tell(cell, "waiting", "waits");
    return queue((now) => runWith(number, now), () => button(cell));
  }

  function reset() {
    halt("This page is as the book has it");
    cells.forEach((cell) => {
      if (cell.box) original(cell); // nothing has run since `halt`, so it is cleared, too
    });
    if (Run.exercises) Run.exercises.reset();
    Run.edits.forget();
  }

  stopping.addEventListener("click", () => halt("Stopped: Run begins again from the top"));
  /* Reset asks where something would be lost: its second press resets. */
  const RESET = [resetting.textContent, "Reset: edits and answers are lost"];
  resetting.addEventListener("click", () => {
    const edited = cells.some(({ data, text }) => text !== data.source);
    const answered = Object.keys(Run.edits.all()).length || (Run.exercises && Run.exercises.written());
    if (!(edited || answered) || resetting.textContent === RESET[1]) {
      resetting.textContent = RESET[0];
      reset();
      return;
    }
    resetting.textContent = RESET[1];
    resetting.focus();
    report("Edits and answers will be lost: press Reset again");
  });
  resetting.addEventListener("blur", () => {
    resetting.textContent = RESET[0];
  });

  return {
    press,
    edit,
    queue,
    report,
    above: runAbove,
    /* What the reader wrote here before. */
    restore() {
      const kept = Run.edits.all();
      cells.filter((cell) => cell.box && cell.data.id in kept).forEach((cell) => {
        edit(cell.data.number, false);
        cell.editor.set(kept[cell.data.id]);
        write(cell, kept[cell.data.id]);
      });
      report("Your changes from last time are here");
    },
  };
})();

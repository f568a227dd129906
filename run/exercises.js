/* A reader's answer to an exercise, a hint, and a check by the solution's own assertions. */
Run.exercises = (function () {
  "use strict";

  const element = Run.element;
  const open = new Map(); // box -> what it takes back on reset

  function marked(text, holds) {
    const line = element("li", { className: holds ? "run-holds" : "run-fails" }, element("code", {}, text[0]), ` ${text[1]}`);
    return line;
  }

  /* What a check found, as lines below the answer. */
  function told(exercise, { failed, missing, found, stopped }) {
    if (failed) {
      const where = failed.line ? ` in line ${failed.line} of your answer` : "";
      return [element("p", {}, `${failed.kind}${where}: ${failed.text}`)];
    }
    if (missing) return [element("p", {}, `Your answer has to define ${missing.join(" or ")}: the check looks at it.`)];
    const holding = found.filter(([, said]) => said === "holds").length;
    const lines = [element("p", {}, `${holding} of ${found.length} assertions hold.`)];
    lines.push(element("ul", {}, ...found.map((one) => marked(one, one[1] === "holds"))));
    if (stopped) lines.push(element("p", {}, `The solution's own lines stopped at ${stopped}`));
    return lines;
  }

  const pending = (box) => ["waiting", "running"].includes(box.dataset.state);

  function build(box) {
    const label = box.dataset.exercise;
    const exercise = Run.chapter.exercises[label];
    const id = `answer ${label}`;
    const check = element("button", { type: "button", className: "run-check", textContent: "Check" });
    const hint = element("button", { type: "button", className: "run-hint", textContent: "Hint" });
    const waits = element("span", { className: "run-says" });
    const printed = element("div");
    const out = Run.outputs.place(printed);
    out.reset();
    const says = element("div", { className: "run-found" });
    says.setAttribute("role", "status");
    const hinted = element("pre", { className: "run-hinted", hidden: true }, exercise.hint);
    const editor = Run.editor.make(Run.edits.all()[id] || "", "Your answer", {
      changed: (text) => Run.edits.keep(id, text || null),
      run: () => check.click(),
      leave: () => check.focus(),
    });
    const wanted = exercise.wanted.map((name) => element("code", {}, name)).flatMap((name) => [", ", name]).slice(1);
    box.append(
      element("p", {}, "Write code that defines ", ...wanted, ". The cells above run first."),
      editor.box,
      element("div", { className: "run-bar" }, check, hint, waits),
      hinted,
      printed,
      says,
    );
    hint.addEventListener("click", () => {
      hinted.hidden = !hinted.hidden;
      hint.setAttribute("aria-expanded", String(!hinted.hidden));
    });
    hint.setAttribute("aria-expanded", "false");
    check.addEventListener("click", () => {
      if (pending(box)) return;
      waits.textContent = "waits";
      box.dataset.state = "waiting";
      const report = (text, share) => {
        if (!pending(box)) return;
        waits.textContent = `${text} …${share ? ` ${Math.round(100 * share)} %` : ""}`;
        Run.page.report(text, share);
      };
      const progress = (text) => {
        if (!pending(box)) return;
        waits.textContent = text;
      };
      const task = async (now) => {
        out.reset();
        says.replaceChildren();
        box.dataset.state = "running";
        await Run.python.start(report);
        const broken = await Run.page.above(exercise.cells[0], now, progress);
        if (broken) return { failed: { kind: "Not checked", text: broken } };
        report("Checking your answer", null);
        const call = { answer: editor.text(), solution: exercise.solution, wanted: exercise.wanted };
        return Run.python.call("check", call, (kind, content) => {
          if (pending(box) && ["stdout", "stderr"].includes(kind)) out.add(kind, content);
        });
      };
      Run.page.queue(task, () => check).then((result) => {
        if (!result) return;
        waits.textContent = "";
        says.replaceChildren(...told(exercise, result));
        box.dataset.state = "done";
        dispatchEvent(new Event("resize")); // what scrolls is marked anew (unrolled.js)
      });
    });
    open.set(box, { editor, out, says, hint, hinted, waits });
  }

  return {
    open(box) {
      if (!open.has(box)) build(box);
    },
    halt() {
      open.forEach(({ waits }, box) => {
        if (pending(box)) waits.textContent = "stopped";
        box.dataset.state = "";
      });
    },
    reset() {
      open.forEach(({ editor, out, says, hint, hinted, waits }) => {
        editor.set("");
        out.reset();
        says.replaceChildren();
        waits.textContent = "";
        hinted.hidden = true;
        hint.setAttribute("aria-expanded", "false");
      });
    },

    /* Whether an answer stands in a box. */
    written: () => [...open.values()].some(({ editor }) => editor.text()),
  };
})();

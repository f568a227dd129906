/* Run, Edit and "Your answer" in a chapter. This script is all that a page loads until the reader
   presses one of them, or has left an edit here before; the others come then. */
(function () {
  "use strict";

  const script = document.currentScript;
  const [base, version] = [script.src.replace(/[^/]*$/, ""), script.src.split("?")[1] || ""];
  const article = () => document.querySelector("article");
  const scripts = new Map(); // address -> promise of its script

  window.Run = {
    /* Load a script of this folder once. */
    load(name) {
      if (!scripts.has(name)) {
        scripts.set(
          name,
          new Promise((done, refused) => {
            const tag = document.createElement("script");
            tag.src = `${base}${name}?${version}`;
            tag.onload = () => {
              tag.remove();
              done();
            };
            tag.onerror = () => {
              tag.remove();
              scripts.delete(name);
              refused(new Error(`${name} cannot be loaded`));
            };
            document.head.append(tag);
          }),
        );
      }
      return scripts.get(name);
    },

    element(name, properties = {}, ...children) {
      const element = Object.assign(document.createElement(name), properties);
      element.append(...children);
      return element;
    },

    /* What the reader has written on this page: cell or exercise -> text. It survives a reload. */
    edits: {
      key: `unrolled-run ${location.pathname}`,
      all() {
        try {
          return JSON.parse(localStorage.getItem(this.key) || "{}");
        } catch (blocked) {
          return {};
        }
      },
      keep(id, text) {
        const all = this.all();
        if (text === null) delete all[id];
        else all[id] = text;
        try {
          if (Object.keys(all).length) localStorage.setItem(this.key, JSON.stringify(all));
          else localStorage.removeItem(this.key);
        } catch (blocked) {
          /* The edit then lasts as long as the page. */
        }
      },
      forget() {
        Object.keys(this.all()).forEach((id) => this.keep(id, null));
      },
    },

    /* The rest of the scripts, and what the page knows of its cells. */
    ready() {
      const parts = ["manifest", "worker", "python", "editor", "outputs", `pages/${script.dataset.page}`];
      return Promise.all(parts.map((name) => this.load(`${name}.js`)))
        .then(() => this.load("page.js"))
        .then(() => this.load("exercises.js"));
    },
  };

  /* A press before the scripts are there waits for them. */
  article().addEventListener("click", (press) => {
    const button = press.target.closest(".run-bar button");
    const cell = button && button.closest("[data-cell]");
    if (!cell) return;
    const [number, edits] = [Number(cell.dataset.cell), button.classList.contains("run-edit")];
    Run.ready().then(
      () => (edits ? Run.page.edit(number) : Run.page.press(number)),
      (error) => (cell.querySelector(".run-says").textContent = `${error.message}.`),
    );
  });
  article().addEventListener(
    "toggle",
    (event) => {
      const box = event.target;
      if (box.open && box.classList.contains("run-answer")) Run.ready().then(() => Run.exercises.open(box));
    },
    true,
  );
  if (Object.keys(Run.edits.all()).length) Run.ready().then(() => Run.page.restore());
})();

/* A guess before the measurement: the lists of a box become fields, and the measurement opens when
   they are filled in. An item with a blank (___) is a number; the other items of a list are choices.
   What the reader has answered stays in this browser. Without scripts the box is a list. */
(function () {
  "use strict";

  const all = (selector, inside) => Array.from(inside.querySelectorAll(selector));
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const KEY = `unrolled-guesses ${location.pathname}`;
  const BLANK = /_{3,}/;

  function kept() {
    try {
      return JSON.parse(localStorage.getItem(KEY)) || {};
    } catch (blocked) {
      return {};
    }
  }

  function keep(id, answers) {
    const guesses = { ...kept(), [id]: answers };
    if (!answers) delete guesses[id];
    try {
      localStorage.setItem(KEY, JSON.stringify(guesses));
    } catch (blocked) {
      /* The guess then lasts as long as the page. */
    }
  }

  const content = (item) => (item.querySelector(":scope > p") || item).childNodes;

  /* The most that a number can be, and 0 is the least then; null where it has no bounds. */
  function most(before, after) {
    if (/^ (of 100|%)/.test(after)) return 100;
    return /(share|accuracy) $/.test(before) ? 1 : null;
  }

  /* A blank becomes a field for a number; its name is the text around it. */
  function number(item) {
    const label = element("label", {}, ...content(item));
    const walker = document.createTreeWalker(label, NodeFilter.SHOW_TEXT);
    while (!BLANK.test(walker.nextNode().data));
    const text = walker.currentNode;
    const [before, after] = text.data.split(BLANK);
    const field = element("input", { type: "number", step: "any", required: true });
    const max = most(before, after);
    if (max) Object.assign(field, { min: 0, max });
    text.replaceWith(before, field, after);
    return [label, field];
  }

  function choice(item, group) {
    const field = element("input", { type: "radio", name: group, required: true });
    return [element("label", {}, field, element("span", {}, ...content(item))), field];
  }

  /* The box's lists as groups of fields; the paragraph before a list asks the question. */
  function groups(box, id) {
    return all("ul", box).map((list, at) => {
      const asking = list.previousElementSibling;
      const asks = !asking.matches(".admonition-title");
      const legend = element("legend", { className: asks ? "" : "visually-hidden" }, ...asking.cloneNode(true).childNodes);
      if (asks) asking.remove();
      const rows = all(":scope > li", list).map((item) => (BLANK.test(item.textContent) ? number(item) : choice(item, `${id}-${at}`)));
      list.replaceWith(element("fieldset", {}, legend, ...rows.map(([label]) => element("div", {}, label))));
      return { question: asks ? legend : null, fields: rows.map(([, field]) => field) };
    });
  }

  /* The answers of a group, a line each, such as "It is right about 80 of 100 reviews". */
  function answers({ question, fields }) {
    const given = fields.filter((field) => field.type === "number" || field.checked);
    return given.map((field) => {
      const label = field.parentElement.cloneNode(true);
      const value = label.querySelector("span") || field.value;
      label.querySelector("input").replaceWith(element("strong", {}, value));
      return element("dd", {}, ...(question ? [...question.cloneNode(true).childNodes, " "] : []), ...label.childNodes);
    });
  }

  function guess(box, at) {
    const place = box.closest(".exercise, .sd-card-body");
    const measured = place.matches(".exercise") ? place.nextElementSibling : place.querySelector("details");
    const id = place.id || `guess-${at}`;
    const printed = all(".cell_output pre", measured).map((pre) => pre.textContent.trim()); // by the book's own run
    const asked = groups(box, id);
    const fields = asked.flatMap((group) => group.fields);
    const form = element("form", { className: "guess-form" }, ...all(":scope > :not(.admonition-title)", box));
    const press = element("button", { type: "submit", textContent: "Compare" });
    const says = element("span", { className: "guess-says" });
    says.setAttribute("role", "status");
    form.append(press, says);
    box.append(form);
    const beside = element("dl", { className: "guess-beside simple", hidden: true });
    measured.querySelector("summary").after(beside);

    function fill(answers) {
      fields.forEach((field, n) => {
        if (field.type === "radio") field.checked = Boolean(answers[n]);
        else field.value = answers[n] ?? "";
      });
    }

    function show(open) {
      fields.forEach((field) => (field.disabled = open));
      press.textContent = open ? "Guess again" : "Compare";
      beside.hidden = !open;
      measured.open = open;
      if (!open) return;
      beside.replaceChildren(element("dt", {}, "Your guess"), ...asked.flatMap(answers));
      if (printed.length) beside.append(element("dt", {}, "Measured"), element("dd", {}, element("pre", {}, printed.join("\n"))));
    }

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const open = beside.hidden;
      show(open);
      keep(id, open ? fields.map((field) => (field.type === "radio" ? field.checked : field.value)) : null);
      says.textContent = open ? "See below." : "";
      if (!open) fields[0].focus();
    });
    const before = kept()[id];
    if (Array.isArray(before) && before.length === fields.length) {
      fill(before);
      show(true);
    }
  }

  all("article .guess", document).forEach(guess);
})();

/* An editor for a cell's code: a textarea over the same text in colours.

   Tab and Shift+Tab indent, Enter keeps the indentation, Escape leaves the editor. */
Run.editor = (function () {
  "use strict";

  const words = (text) => new Set(text.split(" "));
  const KEYWORDS = words(
    "as assert async await break case class continue def del elif else except finally for global if " +
      "lambda match nonlocal pass raise return try while with yield",
  );
  const IMPORTS = words("from import");
  const OPERATORS = words("and in is not or");
  const CONSTANTS = words("False None True");
  const BUILTINS = words(
    "abs all any bool dict enumerate float format int isinstance len list map max min next object open " +
      "print range repr reversed round set sorted str sum super tuple type zip",
  );
  // Comment, string, number, name, operator, punctuation: with the classes of Pygments.
  const TOKENS = new RegExp(
    [
      "(#[^\\n]*)",
      "([rbfuRBFU]{0,2}(?:\"\"\"[^]*?(?:\"\"\"|$)|'''[^]*?(?:'''|$)|\"(?:\\\\.|[^\"\\\\\\n])*\"?|'(?:\\\\.|[^'\\\\\\n])*'?))",
      "((?:\\d[\\d_]*\\.?[\\d_]*|\\.\\d+)(?:[eE][-+]?\\d+)?j?)",
      "([A-Za-z_\\u0080-\\uffff][\\w\\u0080-\\uffff]*)",
      "([-+*/%@&|^~<>=!]+)",
      "([()\\[\\]{}:;,.])",
    ].join("|"),
    "g",
  );
  const CLASSES = ["c1", "s2", "mi", "n", "o", "p"];

  function kind(name, before) {
    if (before === "def") return "nf";
    if (before === "class") return "nc";
    if (IMPORTS.has(name)) return "kn";
    if (KEYWORDS.has(name)) return "k";
    if (OPERATORS.has(name)) return "ow";
    if (CONSTANTS.has(name)) return "kc";
    return BUILTINS.has(name) ? "nb" : "n";
  }

  /* Put `text` into `box` as Pygments would have coloured it. */
  function colour(box, text) {
    const parts = [];
    let [at, before] = [0, ""];
    for (const match of text.matchAll(TOKENS)) {
      const group = match.slice(1).findIndex((found) => found !== undefined);
      const name = group === 3 ? kind(match[0], before) : CLASSES[group];
      if (match.index > at) parts.push(text.slice(at, match.index));
      parts.push(Run.element("span", { className: name, textContent: match[0] }));
      [at, before] = [match.index + match[0].length, match[0]];
    }
    parts.push(text.slice(at), "\n");
    box.replaceChildren(...parts);
  }

  /* Replace what is selected; the browser's own undo takes it back. */
  function insert(field, text) {
    field.focus();
    if (!document.execCommand("insertText", false, text)) field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
  }

  function lineStart(field) {
    return field.value.lastIndexOf("\n", field.selectionStart - 1) + 1;
  }

  function newLine(field) {
    const line = field.value.slice(lineStart(field), field.selectionStart);
    const indent = /^ */.exec(line)[0];
    insert(field, `\n${indent}${/:\s*(#.*)?$/.test(line) ? "    " : ""}`);
  }

  /* Four blanks more or fewer at the start of every selected line. */
  function shift(field, less) {
    const several = field.value.slice(field.selectionStart, field.selectionEnd).includes("\n");
    if (!less && !several) {
      const column = field.selectionStart - lineStart(field);
      insert(field, " ".repeat(4 - (column % 4)));
      return;
    }
    const start = lineStart(field);
    const end = field.selectionEnd;
    const lines = field.value.slice(start, end).split("\n");
    const moved = lines.map((line) => (less ? line.replace(/^ {1,4}/, "") : line && `    ${line}`)).join("\n");
    if (moved === lines.join("\n")) return;
    field.setSelectionRange(start, end);
    insert(field, moved);
    field.setSelectionRange(several ? start : field.selectionEnd, field.selectionEnd);
  }

  /* An editor with `text` in it. name: for those who hear it. changed(text): was typed.
     run(): Ctrl+Enter. leave(): Escape. */
  function make(text, name, { changed, run, leave }) {
    const code = Run.element("pre");
    code.setAttribute("aria-hidden", "true");
    const field = Run.element("textarea", { value: text, spellcheck: false, autocomplete: "off", rows: 1 });
    field.setAttribute("aria-label", `${name}. Escape leaves the editor, Control+Enter runs.`);
    field.setAttribute("autocapitalize", "off");
    field.setSelectionRange(0, 0); // the page then shows the start of the lines
    const sheet = Run.element("div", { className: "run-sheet" }, code, field);
    const box = Run.element("div", { className: "highlight run-editor" }, sheet);
    const show = () => colour(code, field.value);
    field.addEventListener("input", () => {
      show();
      changed(field.value);
    });
    field.addEventListener("keydown", (press) => {
      if (press.isComposing) return;
      const key = `${press.ctrlKey || press.metaKey ? "Control+" : ""}${press.key}`;
      const acts = {
        Enter: () => newLine(field),
        Tab: () => shift(field, press.shiftKey),
        Escape: leave,
        "Control+Enter": run,
      };
      if (key in acts) {
        press.preventDefault();
        acts[key]();
      }
    });
    show();
    return {
      box,
      field,
      code,
      text: () => field.value,
      set(changedText) {
        field.value = changedText;
        show();
      },
    };
  }

  return { make, colour };
})();

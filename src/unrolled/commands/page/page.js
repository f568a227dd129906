"use strict";

// What comes from the reader or the service goes into text nodes only.
const WORDS = 8;
const form = document.querySelector("form");
const verdict = document.querySelector("#verdict");
const moved = document.querySelector("#moved");

function cell(text) {
  const element = document.createElement("td");
  element.textContent = text;
  return element;
}

function row(word) {
  const element = document.createElement("tr");
  const effect = (word.change > 0 ? "+" : "−") + Math.abs(word.change).toFixed(2);
  element.append(cell(word.word), cell(effect), cell(word.change > 0 ? "positive" : "negative"));
  return element;
}

function sentence(found) {
  const parts = [`${found.verdict}, confidence ${(100 * found.confidence).toFixed(1)} %.`];
  if (found.left_out) parts.push(`The first ${found.left_out} words were not read.`);
  if (found.unknown === found.words - found.left_out) {
    parts.push("The network knows none of the words that it read; this verdict means nothing.");
  } else if (found.unknown) {
    parts.push(`The network does not know ${found.unknown} of the words that it read.`);
  }
  return parts.join(" ");
}

async function ask() {
  const asked = {
    text: document.querySelector("#text").value,
    model: document.querySelector("#model").value,
    words: WORDS,
  };
  const response = await fetch("read", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(asked),
  });
  const found = await response.json();
  verdict.textContent = response.ok ? sentence(found) : found.error;
  moved.tBodies[0].replaceChildren(...(found.moved || []).map(row));
  moved.hidden = !(found.moved || []).length;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  form.querySelector("button").disabled = true;
  try {
    await ask();
  } catch {
    verdict.textContent = "The service did not answer.";
    moved.hidden = true;
  }
  form.querySelector("button").disabled = false;
});

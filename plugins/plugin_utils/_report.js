// Copyright (c) 2026 the san.device_mapper contributors
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const search = document.querySelector("nav input");
const output = document.querySelector("nav output");
const states = all("nav button");
const articles = all("article");
const entries = [...articles, ...all("tbody tr")];
const texts = new Map(entries.map(each => {
  const host = each.closest("details");
  return [each, ((host ? host.querySelector("h2").textContent : "") + " " + each.textContent).toLowerCase()];
}));

const show = () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const pressed = new Set(states.filter(each => each.ariaPressed === "true").map(each => each.dataset.state));
  const whole = pressed.size === states.length;
  for (const each of entries) {
    const state = whole || pressed.has(each.dataset.state);
    each.hidden = !(state && words.every(word => texts.get(each).includes(word)));
  }
  for (const host of all("details.host")) {
    const some = all("article", host).some(each => !each.hidden);
    const problem = host.querySelector(".problem");
    host.hidden = !(some || (problem && (whole || pressed.has("unknown"))
      && words.every(word => host.textContent.toLowerCase().includes(word))));
    if (some && words.length) host.open = true;
  }
  const shown = articles.filter(each => !each.hidden).length;
  output.textContent = shown === articles.length ? "" : `${shown} of ${articles.length} LUNs`;
};

// The first state that is chosen is shown alone, a second one beside it; none chosen are all.
for (const button of states) {
  button.addEventListener("click", () => {
    const whole = states.every(each => each.ariaPressed === "true");
    if (whole) for (const each of states) each.ariaPressed = "false";
    button.ariaPressed = button.ariaPressed === "true" ? "false" : "true";
    if (states.every(each => each.ariaPressed === "false")) for (const each of states) each.ariaPressed = "true";
    show();
  });
}
search.addEventListener("input", show);

const natural = new Intl.Collator("en", { numeric: true }).compare;
for (const heading of all("th")) {
  heading.firstChild.addEventListener("click", () => {
    const table = heading.closest("table");
    const direction = heading.ariaSort === "ascending" ? -1 : 1;
    for (const each of all("th", table)) each.removeAttribute("aria-sort");
    heading.ariaSort = direction > 0 ? "ascending" : "descending";
    const key = row => row.cells[heading.cellIndex].dataset.key ?? row.cells[heading.cellIndex].textContent.trim();
    const order = heading.dataset.by === "number" ? (a, b) => a - b : natural;
    const rows = all("tbody tr", table).map(row => [key(row), row]);
    rows.sort((a, b) => direction * order(a[0], b[0]));
    table.tBodies[0].append(...rows.map(each => each[1]));
  });
}

const reveal = () => {
  const target = document.getElementById(location.hash.slice(1));
  const host = target && target.closest("details");
  if (!host) return;
  host.open = true;
  target.scrollIntoView({ block: "center" });
};
addEventListener("hashchange", reveal);
reveal();

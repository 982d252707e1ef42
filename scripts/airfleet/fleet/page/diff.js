"use strict";
const search = document.getElementById("search");
const cluster = document.getElementById("cluster");
const shown = document.getElementById("shown");
const rows = [...document.querySelectorAll("[data-row]")].map((node) => ({
  node, text: node.textContent.toLowerCase(),
  clusters: new Set(JSON.parse(node.closest("[data-clusters]").dataset.clusters)),
}));
const groups = [...document.querySelectorAll("details.group")];

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let number = 0;
  for (const row of rows) {
    const title = row.node.closest("details.group")?.querySelector("summary").textContent.toLowerCase() ?? "";
    const matches = words.every((word) => row.text.includes(word) || title.includes(word));
    row.node.hidden = !matches || (cluster.value !== "" && !row.clusters.has(cluster.value));
    number += row.node.hidden ? 0 : 1;
  }
  for (const group of groups) group.hidden = !group.querySelector("[data-row]:not([hidden])");
  for (const part of document.querySelectorAll("section")) part.hidden = !part.querySelector("[data-row]:not([hidden])");
  shown.textContent = number === rows.length ? `${number} entries` : `${number} of ${rows.length} entries`;
  const state = new URLSearchParams();
  if (search.value) state.set("q", search.value);
  if (cluster.value) state.set("cluster", cluster.value);
  history.replaceState(null, "", state.size ? `#${state}` : "#");
}

function open(all) { for (const group of groups) group.open = all; }

const state = new URLSearchParams(location.hash.slice(1));
search.value = state.get("q") ?? "";
cluster.value = state.get("cluster") ?? "";
search.addEventListener("input", filter);
cluster.addEventListener("change", filter);
document.getElementById("open").addEventListener("click", () => open(true));
document.getElementById("close").addEventListener("click", () => open(false));
document.getElementById("theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
});
addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = true; });
filter();

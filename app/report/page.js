{{%AUTOESCAPE context="JAVASCRIPT"}}
"use strict";
/* Everything can be read without this script: it makes tables sortable and searchable and gives
   pictures with an overlay a slider. */

/* The value a cell is sorted by: data-value if it has one, else its text; numbers as numbers. */
function cellValue(row, column, numeric) {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.textContent.trim();
  if (!numeric) {
    return text.toLowerCase();
  }
  return parseFloat(text);
}

function sortTable(table, header) {
  const headers = [...header.parentNode.cells];
  const column = headers.indexOf(header);
  const numeric = header.classList.contains("number");
  const before = header.getAttribute("aria-sort");
  /* Numbers: the largest first; names from A on. */
  const ascending = before === "none" ? !numeric : before === "descending";
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [cellValue(row, column, numeric), row]);
  const collator = new Intl.Collator(undefined, { numeric: true });
  const sign = ascending ? 1 : -1;
  /* What is no number comes last, either way. */
  const missing = (row) => (numeric && Number.isNaN(row[0]) ? 1 : 0);
  const compare = numeric ? (a, b) => a[0] - b[0] || 0 : (a, b) => collator.compare(a[0], b[0]);
  rows.sort((a, b) => missing(a) - missing(b) || sign * compare(a, b));
  body.append(...rows.map((pair) => pair[1]));
  for (const other of headers) {
    if (other.hasAttribute("aria-sort")) {
      other.setAttribute("aria-sort", "none");
    }
  }
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
}

function makeSortable(table) {
  for (const header of table.tHead.rows[0].cells) {
    header.querySelector("button")?.addEventListener("click", () => sortTable(table, header));
  }
}

/* A search field in front of a table or list: shows the rows that contain all its words. */
function makeFilterable(list) {
  const items = [...(list.tBodies ? list.tBodies[0].rows : list.children)];
  if (items.length === 0) {
    return;
  }
  const rows = items.map((row) => [row.textContent.toLowerCase(), row]);
  const label = document.createElement("label");
  label.className = "filter";
  const field = document.createElement("input");
  field.type = "search";
  const count = document.createElement("span");
  count.setAttribute("role", "status");
  label.append(list.dataset.filter + " ", field, " ", count);
  field.setAttribute("aria-label", list.dataset.filter);  /* without the count, which changes */
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const [text, row] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = field.value === "" ? "" : shown + " of " + rows.length;
  });
  (list.closest(".scroll") ?? list).before(label);
}

function makeSlider(label, take) {
  const slider = document.createElement("input");
  slider.type = "range";
  slider.max = "100";
  slider.value = "60";
  slider.setAttribute("aria-label", label);
  slider.addEventListener("input", () => take(slider.value));
  return slider;
}

/* A slider for how strongly the overlay of a stack covers the picture below it, and, if there are
   several overlays, a button for each label to choose its own. */
function addSlider(figure, number) {
  const stack = figure.querySelector(".stack");
  const file = figure.querySelector("figcaption").textContent;
  const overlays = [...stack.children].slice(1);
  if (overlays.length === 0) {
    return;
  }
  stack.after(makeSlider("Strength of the overlay, percent: " + file, (percent) => {
    figure.style.setProperty("--strength", percent / 100);
  }));
  const choose = (chosen) => {
    overlays.forEach((overlay, i) => {
      overlay.classList.toggle("chosen", i === chosen);
      overlay.classList.toggle("other", i !== chosen);
    });
  };
  const names = figure.querySelectorAll(".mapped .name");
  if (names.length < 2) {
    return;
  }
  const group = figure.querySelector(".scores");
  group.setAttribute("role", "radiogroup");
  group.setAttribute("aria-label", "Overlay of " + file);
  names.forEach((name, i) => {
    const button = document.createElement("input");
    button.type = "radio";
    button.name = "overlay" + number;
    button.checked = i === 0;
    button.addEventListener("change", () => choose(i));
    const label = document.createElement("label");
    label.append(button, " ", ...name.childNodes);
    name.append(label);
  });
}

/* One slider for all pictures of a list. */
function addCommonSlider(list) {
  const sliders = list.querySelectorAll("input[type=range]");
  if (sliders.length < 2) {
    return;
  }
  const label = document.createElement("label");
  label.className = "strength";
  label.append("Strength of all overlays ", makeSlider("Strength of all overlays", (percent) => {
    for (const slider of sliders) {
      slider.value = percent;
      slider.dispatchEvent(new Event("input"));
    }
  }));
  list.before(label);
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll("[data-filter]").forEach(makeFilterable);
document.querySelectorAll("figure.overlay").forEach(addSlider);
document.querySelectorAll("[data-strength]").forEach(addCommonSlider);

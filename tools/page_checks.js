// What tools/chromium.py does in a page. Each function returns its `faults` in words.
({
  // Clicks every header twice: the column must be in the one order, then in the other, with all
  // rows; what is no number comes last either way. A table that says its order has it before.
  sortTables() {
    const faults = [];
    let clicks = 0;
    const collator = new Intl.Collator(undefined, {numeric: true});
    const firstWrong = (rows, header, column) => {
      const numeric = header.classList.contains("number");
      const sign = header.getAttribute("aria-sort") === "ascending" ? 1 : -1;
      const values = rows.map((row) => {
        const cell = row.cells[column];
        const text = (cell.dataset.value ?? cell.textContent.trim()).toLowerCase();
        return numeric ? parseFloat(text) : text;
      });
      return values.findIndex((value, i) => {
        if (i === 0 || Number.isNaN(value)) {
          return false;
        }
        const before = values[i - 1];
        return Number.isNaN(before) ||
            sign * (numeric ? before - value : collator.compare(before, value)) > 0;
      });
    };
    document.querySelectorAll("table").forEach((table, t) => {
      const headers = [...table.tHead.rows[0].cells];
      const rows = () => [...table.tBodies[0].rows];
      if (!headers.some((header) => header.querySelector("button"))) {
        faults.push(`table ${t}: no header to click`);
      }
      headers.forEach((header, column) => {
        if (["ascending", "descending"].includes(header.getAttribute("aria-sort"))) {
          const wrong = firstWrong(rows(), header, column);
          if (wrong >= 0) {
            faults.push(`table ${t}, column ${column}, as it is loaded: row ${wrong}`);
          }
        }
      });
      headers.forEach((header, column) => {
        const before = rows().length;
        const seen = [];
        for (let turn = 0; header.querySelector("button") && turn < 2; ++turn) {
          header.querySelector("button").click();
          ++clicks;
          seen.push(header.getAttribute("aria-sort"));
          const wrong = firstWrong(rows(), header, column);
          if (wrong >= 0 || rows().length !== before) {
            faults.push(`table ${t}, column ${column}, ${seen.at(-1)}: row ${wrong}`);
          }
        }
        if (seen.length > 0 && seen[0] === seen[1]) {
          faults.push(`table ${t}, column ${column}: twice ${seen[0]}`);
        }
      });
    });
    return {faults, clicks, tables: document.querySelectorAll("table").length};
  },

  // Elements that text from outside would have made, had it not stayed text.
  async strangers() {
    const faults = [];
    const scripts = document.querySelectorAll("script").length;
    if (scripts !== 1) {
      faults.push(`${scripts} scripts`);
    }
    for (const element of document.querySelectorAll("*")) {
      for (const {name, value} of element.attributes) {
        if (name.startsWith("on") || (name === "href" && !value.startsWith("#")) ||
            (name === "src" && !value.startsWith("data:image/")) || name === "srcset") {
          faults.push(`<${element.localName} ${name}="${value.slice(0, 60)}">`);
        }
      }
    }
    for (const picture of document.images) {
      picture.loading = "eager";
      await picture.decode().catch(() => faults.push("a picture that cannot be shown"));
    }
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (wide > 0) {
      faults.push(`the page is ${wide} pixels wider than the window`);
    }
    return {faults, text: document.body.textContent};
  },

  // Moves sliders, chooses overlays, searches. Nothing of this must leave the page changed.
  useControls() {
    const faults = [];
    let sliders = 0, choices = 0, searches = 0;
    const opacity = (element) => parseFloat(getComputedStyle(element).opacity);
    const move = (slider, percent) => {
      slider.value = percent;
      slider.dispatchEvent(new Event("input"));
    };
    for (const figure of document.querySelectorAll("figure.overlay")) {
      const overlays = [...figure.querySelectorAll(".stack img")].slice(1);
      const slider = figure.querySelector("input[type=range]");
      if (overlays.length === 0) {
        continue;
      }
      if (slider === null) {
        faults.push("an overlay without a slider");
        continue;
      }
      ++sliders;
      const file = figure.querySelector("figcaption").textContent;
      if (!slider.getAttribute("aria-label").includes(file)) {
        faults.push(`a slider is called ${slider.getAttribute("aria-label")}, not after ${file}`);
      }
      for (const percent of [0, 100, 60]) {
        move(slider, percent);
        if (Math.abs(opacity(overlays[0]) - percent / 100) > 0.01) {
          faults.push(`slider at ${percent}: opacity ${opacity(overlays[0])}`);
        }
      }
      const shown = () => overlays.map((overlay) => getComputedStyle(overlay).display !== "none");
      const buttons = [...figure.querySelectorAll("input[type=radio]")];
      if (buttons.length !== (overlays.length > 1 ? overlays.length : 0)) {
        faults.push(`${overlays.length} overlays, ${buttons.length} buttons`);
      }
      for (let i = buttons.length; i-- > 0;) {
        buttons[i].click();
        ++choices;
        if (shown().some((is, k) => is !== (k === i))) {
          faults.push(`overlay ${i} chosen, shown: ${shown()}`);
        }
        if (!buttons[i].closest("[role=radiogroup]")?.getAttribute("aria-label")) {
          faults.push("buttons in a group without a name");
        }
      }
    }
    for (const common of document.querySelectorAll(".strength input")) {
      const overlays =
          common.closest("label").nextElementSibling.querySelectorAll(".stack img + img");
      for (const percent of [30, 60]) {
        move(common, percent);
        if ([...overlays].some((one) => Math.abs(opacity(one) - percent / 100) > 0.01)) {
          faults.push(`the slider of all at ${percent} moves not all of ${overlays.length}`);
        }
      }
    }
    for (const field of document.querySelectorAll("input[type=search]")) {
      const label = field.closest("label");
      let list = label.nextElementSibling;
      while (list !== null && !list.matches(".scroll, ul")) {  // a slider may lie between
        list = list.nextElementSibling;
      }
      const rows = [...list?.querySelectorAll("tbody tr, :scope > li") ?? []];
      if (rows.length === 0) {
        faults.push(`${field.getAttribute("aria-label")}: nothing to search`);
        continue;
      }
      const count = () => rows.filter((row) => !row.hidden).length;
      const text = (row) => row.textContent.toLowerCase();
      const word = text(rows.at(-1)).trim().split(/\s+/)[0];
      const having = rows.filter((row) => text(row).includes(word)).length;
      const said = label.querySelector("[role=status]");
      for (const [asked, wanted] of [[word, having], ["\u0001 nowhere", 0], ["", rows.length]]) {
        field.value = asked;
        field.dispatchEvent(new Event("input"));
        if (count() !== wanted) {
          faults.push(`search for '${asked}': ${count()} of ${rows.length} rows, not ${wanted}`);
        }
        if (said.textContent !== (asked === "" ? "" : `${wanted} of ${rows.length}`)) {
          faults.push(`search for '${asked}' says '${said.textContent}'`);
        }
      }
      ++searches;
    }
    return {faults, sliders, choices, searches};
  },

  // Drawn lines, points and bars that are fainter than 3 : 1 against what lies behind them
  // (WCAG 2.2, 1.4.11). Grid lines say nothing; the cells of a heat map are shades on purpose.
  contrast() {
    const faults = new Set();
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const pixel = (colours) => {  // [css colour, opacity], the lowest first
      for (const [colour, opacity] of colours) {
        canvas.globalAlpha = opacity;
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
      }
      return canvas.getImageData(0, 0, 1, 1).data;
    };
    const luminance = (rgb) => {
      const [r, g, b] = [...rgb].slice(0, 3).map((byte) =>
          byte <= 10 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const page = getComputedStyle(document.body).backgroundColor;
    const see = (element, colour, behind, name) => {
      let opacity = 1;
      for (let one = element; one !== document.body; one = one.parentElement) {
        opacity *= parseFloat(getComputedStyle(one).opacity);
      }
      const ground = luminance(pixel([[page, 1], [behind, 1]]));
      const seen = ratio(luminance(pixel([[page, 1], [behind, 1], [colour, opacity]])), ground);
      if (seen < 3) {
        faults.add(`${name}: contrast ${seen.toFixed(2)}`);
      }
    };
    for (const shape of document.querySelectorAll("svg :is(path, rect, circle)")) {
      const style = getComputedStyle(shape);
      const colour = style.stroke !== "none" ? style.stroke : style.fill;
      const name = `${shape.localName}.${shape.className.baseVal}`;
      if (shape.classList.contains("grid") || shape.hasAttribute("fill-opacity") ||
          colour === "none") {
        continue;
      }
      if (shape.classList.contains("tick")) {  // against its outline, or else the bar
        const bar = getComputedStyle(shape.parentElement.querySelector(".filled")).fill;
        see(shape, style.fill, style.stroke === "none" ? bar : style.stroke, name);
        continue;
      }
      see(shape, colour, getComputedStyle(shape.ownerSVGElement).backgroundColor, name);
    }
    return {faults: [...faults]};
  },

  // The colours of the style sheet, what is folded away, and the controls that are to be seen.
  look() {
    const colours = {};
    for (const name of ["page", "text", "soft", "line", "grid", "panel", "link",
                        ...Array(8).keys()]) {
      const key = typeof name === "number" ? `--s${name}` : `--${name}`;
      colours[key] = getComputedStyle(document.documentElement).getPropertyValue(key);
    }
    const folded = [...document.querySelectorAll("details > :not(summary)")].filter((inner) =>
        !inner.checkVisibility()).length;
    const controls = [...document.querySelectorAll("input")].filter((input) =>
        input.checkVisibility()).length;
    return {colours, folded, controls,
            scheme: getComputedStyle(document.documentElement).colorScheme};
  },
})

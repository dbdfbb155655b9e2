// The filters, sums, tables and tiles of the dashboard. How a chart is drawn is Altair's (charts.py); here it is only given its rows.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const fields = document.forms.filters.elements;
  const views = new Map();
  const [ALL, OTHERS] = ["(all)", "(others)"];
  const DIGITS = 9;

  // Amounts: whole numbers of 10^-9, so that a sum has all its digits.
  const units = (text) => {
    const [whole, fraction = ""] = text.replace("-", "").split(".");
    const size = BigInt(whole + fraction.padEnd(DIGITS, "0"));
    return text.startsWith("-") ? -size : size;
  };
  const grouped = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");
  const said = (value) => {
    if (typeof value !== "bigint") return (value < 0 ? "-" : "") + grouped(String(Math.abs(value)));
    const digits = String(value < 0n ? -value : value).padStart(DIGITS + 1, "0");
    const fraction = digits.slice(-DIGITS).replace(/0+$/, "").padEnd(2, "0");
    return `${value < 0n ? "-" : ""}${grouped(digits.slice(0, -DIGITS))}.${fraction}`;
  };
  const plain = (value) => (typeof value === "bigint" ? Number(value) / 10 ** DIGITS : value);
  const percent = (part, whole) => (whole ? `${(100 * plain(part) / plain(whole)).toFixed(1)} %` : "–");

  const chosen = () => {
    const [from, to] = [fields.from.value || data.first, fields.to.value || data.last];
    return { property: fields.property.value, grain: fields.grain.value, currency: fields.currency.value, from, to };
  };
  const tableOf = (source, filters) =>
    (filters.grain === "hour" && data.tables[`${source}_by_hour`]) || data.tables[source];

  // Rows of a table, added up by `keys`: [{keys: [...], sums: {measure: ...}}], in the order of the table.
  const summed = (source, keys, measures, filters) => {
    const { columns, texts } = tableOf(source, filters);
    const text = (name, row) => texts[name][columns[name][row]];
    const hasTotals = texts.tracking_id?.includes(ALL);
    const groups = new Map();
    for (let row = 0; row < columns.period.length; row += 1) {
      const day = text("period", row).slice(0, 10);
      if (filters.from && (day < filters.from || day > filters.to)) continue;
      if (columns.tracking_id && (hasTotals || filters.property !== ALL) && text("tracking_id", row) !== filters.property) continue;
      if (columns.currency && filters.currency && text("currency", row) !== filters.currency) continue;
      const values = keys.map((key) => text(key, row));
      const name = values.join("\u0000");
      if (!groups.has(name)) groups.set(name, { keys: values, sums: {} });
      const { sums } = groups.get(name);
      for (const measure of measures) {
        const held = columns[measure][row];
        const value = typeof held === "string" ? units(held) : held;
        sums[measure] = measure in sums ? sums[measure] + value : value;
      }
    }
    return [...groups.values()];
  };

  // What is no money is the same in any currency, and what is told by currency has all of them.
  const inScope = (one, filters) => (one.unit ? filters : { ...filters, currency: null });
  const mostFirst = (measure) => (a, b) => plain(b.sums[measure]) - plain(a.sums[measure]);
  const instant = (period) => Date.parse(period.length === 10 ? period : `${period}Z`);
  const shown = (period) => period.replace("T", " ");
  const rowsOf = (chart, groups) => {
    const at = chart.keys.indexOf("period");
    const label = chart.keys.findIndex((key) => key !== "period");
    return groups.flatMap(({ keys, sums }) =>
      chart.drawn.map((measure) => {
        const share = chart.form === "steps" ? ` (${percent(sums[measure], sums[chart.drawn[0]])})` : "";
        return {
          at: at < 0 ? null : instant(keys[at]), period: at < 0 ? "" : shown(keys[at]), label: label < 0 ? "" : keys[label],
          series: chart.measures[measure], value: plain(sums[measure]), text: said(sums[measure]) + share,
        };
      }));
  };

  const cell = (row, tag, text, number) => {
    const made = row.appendChild(document.createElement(tag));
    made.textContent = text;
    if (number) made.className = "n";
    return made;
  };
  const fill = (chart, groups, filters, table) => {
    table.replaceChildren();
    const head = table.createTHead().insertRow();
    const measures = Object.entries(chart.measures);
    const nouns = { period: filters.grain === "hour" && data.tables[`${chart.source}_by_hour`] ? "hour (UTC)" : "date (UTC)" };
    for (const key of chart.keys) cell(head, "th", nouns[key] ?? (key === "label" ? chart.noun : key)).scope = "col";
    for (const [, title] of measures) cell(head, "th", title, true).scope = "col";
    const body = table.createTBody();
    for (const { keys, sums } of groups) {
      const row = body.insertRow();
      keys.forEach((key, at) => { cell(row, at ? "td" : "th", shown(key)).scope = at ? "" : "row"; });
      for (const [measure] of measures) cell(row, "td", said(sums[measure]), true);
    }
  };

  const draw = async (chart, filters) => {
    const figure = document.getElementById(chart.name);
    const groups = summed(chart.source, chart.keys, Object.keys(chart.measures), inScope(chart, filters));
    if (chart.form === "bars") groups.sort(mostFirst(chart.drawn[0]));
    for (const unit of figure.querySelectorAll(".unit")) unit.textContent = chart.unit && filters.currency ? ` in ${filters.currency}` : "";
    const details = figure.querySelector("details");
    const table = details.querySelector("table");
    details.ontoggle = () => { if (details.open) fill(chart, groups, filters, table); };
    if (details.open) fill(chart, groups, filters, table);
    const drawn = chart.form === "bars" ? groups.filter(({ keys }) => keys[0] !== OTHERS) : groups;
    const rest = groups.find(({ keys }) => chart.form === "bars" && keys[0] === OTHERS);
    figure.querySelector(".rest").textContent = rest ? `All others together: ${said(rest.sums[chart.drawn[0]])}` : "";
    const rows = rowsOf(chart, drawn);
    const height = chart.step * new Set(rows.map((row) => row.label || row.series)).size;
    figure.classList.toggle("empty", rows.length === 0);
    if (views.has(chart.name)) {
      const view = views.get(chart.name).data("rows", rows);
      await (height ? view.height(height) : view).resize().runAsync();
    } else if (rows.length) {
      const specification = { ...chart.specification, datasets: { rows }, ...(height && { height }) };
      // Expressions are interpreted: the page's policy lets none be evaluated.
      const options = { ast: true, renderer: "svg", actions: false, config: data.config };
      const { view } = await vegaEmbed(figure.querySelector(".drawing"), specification, options);
      views.set(chart.name, view);
    }
  };

  const figureOf = (tile, filters) => {
    const measures = tile.whole ? [tile.measure, tile.whole] : [tile.measure];
    const scope = inScope(tile, filters);
    if (tile.how === "top") {
      const [first, ...others] = summed(tile.source, ["label"], measures, scope)
        .sort(mostFirst(tile.measure));
      if (!first) return ["–", ""];
      const all = others.reduce((sum, other) => sum + other.sums[tile.measure], first.sums[tile.measure]);
      return [first.keys[0], `${said(first.sums[tile.measure])} ${filters.currency}, ${percent(first.sums[tile.measure], all)}`];
    }
    const [{ sums } = { sums: {} }] = summed(tile.source, [], measures, scope);
    const sum = sums[tile.measure] ?? 0;
    if (tile.how === "share") return [percent(sum, sums[tile.whole]), `${said(sum)} of ${said(sums[tile.whole] ?? 0)}`];
    if (tile.how === "mean") {
      const periods = summed(tile.source, ["period"], measures, scope).length;
      return [periods ? said(Math.round(sum / periods)) : "–", filters.grain === "hour" ? "an hour, on average" : "a day, on average"];
    }
    return [said(sum), tile.unit ? filters.currency : ""];
  };

  const page = () => (data.pages.includes(location.hash.slice(1)) ? location.hash.slice(1) : data.pages[0]);
  let turn = 0;
  const update = async () => {
    const mine = (turn += 1);
    root.dataset.turn = String(mine);
    const open = page();
    root.dataset.page = open;
    for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== `page-${open}`;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.hash === `#${open}`) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    }
    const filters = open === "publications" ? { property: ALL } : chosen();
    if (open === "business") {
      for (const tile of data.tiles) {
        const [value, more] = figureOf(tile, filters);
        const element = document.getElementById(`tile-${tile.name}`);
        element.querySelector("dd").textContent = value;
        element.querySelector("small").textContent = more;
      }
    }
    for (const chart of data.charts) {
      if (mine !== turn) return;
      if (chart.page === open) await draw(chart, filters);
    }
    root.dataset.drawn = String(mine);
  };

  // Hours are there for the newest dates only.
  const bound = () => {
    const first = fields.grain.value === "hour" ? data.firstHours : data.first;
    for (const field of [fields.from, fields.to]) [field.min, field.max] = [first, data.last];
    // A span may end before them: then it has nothing, and does not become another.
    if (fields.from.value < first) fields.from.value = first;
  };
  // A span of dates by its name.
  const DAY = 86400000;
  const dayBefore = (day, days) => new Date(Date.parse(day) - days * DAY).toISOString().slice(0, 10);
  const monday = (day) => dayBefore(day, (new Date(day).getUTCDay() + 6) % 7);
  const SPANS = {
    all: () => [data.first, data.last],
    newest: () => [data.last, data.last],
    week: () => [dayBefore(data.last, 6), data.last],
    month: () => [dayBefore(data.last, 27), data.last],
    lastweek: () => [dayBefore(monday(data.last), 7), dayBefore(monday(data.last), 1)],
  };

  const options = (select, names) => { for (const name of names) select.add(new Option(name === ALL ? "all" : name, name)); };
  options(fields.property, data.properties);
  options(fields.currency, data.currencies);
  fields.span.value = data.dates > 31 ? "month" : "all";
  const spanned = () => {
    if (fields.span.value !== "own") [fields.from.value, fields.to.value] = SPANS[fields.span.value]();
    bound();
  };
  spanned();
  document.forms.filters.addEventListener("change", ({ target }) => {
    if (target === fields.from || target === fields.to) fields.span.value = "own";
    spanned();
    update();
  });
  addEventListener("hashchange", update);
  update();
})();

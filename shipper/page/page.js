"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const kept = (value) => {
    try { // a page in a sandbox or from a mail may have no storage
      if (value) localStorage.setItem("mfa-shipper-theme", value);
      return localStorage.getItem("mfa-shipper-theme");
    } catch { return null; }
  };
  const before = kept();
  if (before === "dark" || before === "light") root.dataset.theme = before;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);

  function theme() {
    const button = document.getElementById("theme");
    const say = () => {
      const other = isDark() ? "light" : "dark";
      button.textContent = other === "dark" ? "Dark" : "Light";
      button.setAttribute("aria-label", `Change to the ${other} page`);
    };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      kept(root.dataset.theme);
      say();
    });
    dark.addEventListener("change", say);
    say();
    document.getElementById("print").addEventListener("click", () => window.print());
  }

  function users() {
    const table = document.getElementById("users");
    if (!table) return;
    table.addEventListener("click", (event) => {
      const name = event.target.closest(".name");
      if (!name) return;
      const open = name.getAttribute("aria-expanded") !== "true";
      name.setAttribute("aria-expanded", String(open));
      document.getElementById(name.getAttribute("aria-controls")).classList.toggle("open", open);
    });

    const bodies = [...table.tBodies];
    const heads = [...table.tHead.rows[0].cells];
    const value = (body, column, text) => {
      const cell = body.rows[0].cells[column];
      const raw = cell.dataset.value ?? cell.textContent;
      return text ? raw : Number(raw.replaceAll(",", ""));
    };
    heads.forEach((head, column) => {
      const text = head.dataset.kind === "text";
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.hasAttribute("aria-sort") ? head.getAttribute("aria-sort") === "descending" : text;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const keys = new Map(bodies.map((body) => [body, value(body, column, text)]));
        const order = text ? (a, b) => a.localeCompare(b) : (a, b) => a - b;
        bodies.sort((a, b) => (up ? 1 : -1) * order(keys.get(a), keys.get(b)));
        table.append(...bodies);
      });
    });

    const all = document.getElementById("all");
    let whole = !all;
    all?.addEventListener("click", () => {
      whole = true;
      table.classList.remove("short");
      all.hidden = true;
    });

    const search = document.getElementById("search");
    const found = document.getElementById("found");
    search.addEventListener("input", () => {
      const wanted = search.value.trim().toLowerCase();
      table.classList.toggle("short", !whole && !wanted);
      let number = 0;
      for (const body of bodies) {
        body.hidden = !body.rows[0].cells[0].dataset.value.toLowerCase().includes(wanted);
        number += body.hidden ? 0 : 1;
      }
      found.textContent = wanted ? `${number} of ${bodies.length}` : "";
    });
  }

  function advisor() {
    const data = document.getElementById("advisor-steps");
    if (!data) return;
    const { steps, labels, total, users: people } = JSON.parse(data.textContent);
    const slider = document.getElementById("cache");
    const put = (id, text) => { document.getElementById(id).textContent = text; };
    const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;
    const show = () => {
      const at = Number(slider.value);
      const kind = chosen("kind");
      const reading = chosen("reading");
      const [spared, all, price, longest] = steps[`${kind} ${reading}`][at];
      put("cache-label", labels[at]);
      put("cache-spared", spared.toLocaleString("en"));
      put("cache-users", all.toLocaleString("en"));
      put("cache-price", price.toLocaleString("en", { maximumFractionDigits: 1 }));
      put("cache-longest", longest);
      slider.setAttribute("aria-valuetext",
        `${labels[at]}: ${spared} of ${total} double prompts spared, ${all} of ${people} users spared all, ${price} sign-ins a day without a prompt`);
      document.querySelectorAll(".curves").forEach((charts) => { charts.hidden = charts.dataset.kind !== kind; });
      document.querySelectorAll(".curves svg").forEach((chart) => {
        const points = [...chart.querySelectorAll("[data-says]")]; // those of the last hit, then those of the answer
        const here = at + (reading === "not_renewed" ? labels.length : 0);
        points.forEach((point, place) => point.classList.toggle("here", place === here));
      });
    };
    slider.addEventListener("input", show);
    document.querySelectorAll('.slider input[type="radio"]').forEach((radio) => radio.addEventListener("change", show));
    show();
  }

  function tips() {
    const tip = document.getElementById("tip");
    const show = (event) => {
      const mark = event.target.closest?.("[data-says]");
      tip.hidden = !mark;
      if (!mark) return;
      tip.textContent = mark.dataset.says;
      const box = tip.getBoundingClientRect();
      const left = Math.min(event.clientX + 14, root.clientWidth - box.width - 6);
      const above = event.clientY - box.height - 12;
      tip.style.left = `${Math.max(6, left)}px`;
      tip.style.top = `${above > 6 ? above : event.clientY + 18}px`;
    };
    document.addEventListener("pointermove", show);
    document.addEventListener("pointerdown", show);
    document.addEventListener("scroll", () => { tip.hidden = true; }, true);
  }

  document.addEventListener("DOMContentLoaded", () => { theme(); users(); advisor(); tips(); });
})();

// Accessibility that unfold lacks, on all pages.

// Unfold uses spans and links without address as buttons: make them reachable by keyboard.
document.addEventListener("DOMContentLoaded", () => {
  const unreachable = "[x-on\\:click]:not(a[href], button, input, label, select, summary)";
  for (const element of document.querySelectorAll(unreachable)) {
    if (!element.textContent.trim()) continue; // the backdrop of a menu
    element.tabIndex = 0;
    element.setAttribute("role", "button");
  }
  document.addEventListener("keydown", (event) => {
    if ((event.key !== "Enter" && event.key !== " ") || !event.target.matches(unreachable)) return;
    event.preventDefault();
    event.target.click();
  });
});

// Name Select2's boxes by the labels of their fields, and remove wrong roles of its lists.
(() => {
  const labelOf = (field) => {
    const label = field.labels?.[0] ?? document.querySelector(`label[for="${CSS.escape(field.id)}"]`);
    return (label?.textContent ?? field.getAttribute("aria-label") ?? "").replace(/\s+/g, " ").replace(/[\s*:]+$/, "").trim();
  };
  const nameBox = (box) => {
    const field = box.previousElementSibling;
    const name = field?.matches("select") ? labelOf(field) : "";
    const selection = box.querySelector(".select2-selection");
    if (!name || !selection || selection.dataset.named === name) return;
    selection.dataset.named = name;
    const shown = box.querySelector(".select2-selection__rendered");
    if (shown.matches("ul")) shown.setAttribute("role", "presentation");
    else for (const one of ["role", "aria-readonly"]) shown.removeAttribute(one); // a value, not a field
    // The box is read as its name and the chosen value.
    const tag = document.createElement("span");
    tag.id = `${shown.id || field.id}-name`;
    tag.hidden = true;
    tag.textContent = name;
    box.append(tag);
    selection.setAttribute("aria-labelledby", shown.matches("ul") ? tag.id : `${tag.id} ${shown.id}`);
    box.querySelector(".select2-search__field")?.setAttribute("aria-label", name);
  };
  const look = () => {
    document.querySelectorAll(".select2-container[dir]").forEach(nameBox);
    for (const field of document.querySelectorAll(".select2-dropdown .select2-search__field:not([aria-label])")) {
      field.setAttribute("aria-label", "Search the options");
    }
    // Django's permission picker labels elements that have no role.
    for (const help of document.querySelectorAll(".help-tooltip[aria-label]:not([role])")) help.setAttribute("role", "img");
  };
  document.addEventListener("DOMContentLoaded", () => {
    look();
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
    for (const place of document.querySelectorAll("[data-simplebar]:not([data-simplebar-aria-label])")) {
      const part = document.getElementById(place.closest("fieldset[aria-labelledby]")?.getAttribute("aria-labelledby"));
      const name = place.closest("#changelist-filter") ? "All filters" : place.querySelector("table") ? "Table" : "More";
      place.dataset.simplebarAriaLabel = part ? `${name}: ${part.textContent.trim()}` : name;
    }
  });
})();

// A page with errors puts the focus on them; a link to a field leads to the widget that replaces it.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelector("[data-focus]")?.focus();
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.(".errornote a[href^='#']");
    const field = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
    if (!field) return;
    event.preventDefault();
    const folded = field.closest("fieldset[hidden]")?.parentElement.querySelector(".desk-fold[aria-expanded='false']");
    folded?.click();
    const box = field.nextElementSibling?.querySelector(".select2-search__field, .select2-selection");
    const target = field.matches(".select2-hidden-accessible") && box ? box : field;
    target.scrollIntoView({ block: "center" });
    target.focus({ preventScroll: true });
  });
});

// The filter dialog: move the focus in, keep it in while the dialog covers the page, and restore it.
document.addEventListener("DOMContentLoaded", () => {
  const drawer = document.querySelector("#changelist-filter");
  if (!drawer) return;
  let from = null;
  const stops = () =>
    [...drawer.querySelectorAll("a[href], button, input:not([type=hidden]), select, .select2-selection[tabindex='0'], .select2-search__field")].filter(
      (one) => one.checkVisibility() && one.tabIndex >= 0 && !one.matches(".select2-hidden-accessible")
    );
  const covers = () => drawer.checkVisibility() && getComputedStyle(drawer).position === "fixed";
  let open = false;
  new MutationObserver(() => {
    if (covers() === open) return;
    open = covers();
    if (open) {
      from = document.activeElement;
      stops()[0]?.focus();
    } else from?.focus();
  }).observe(drawer, { attributes: true, attributeFilter: ["style", "class"] });
  drawer.addEventListener("keydown", (event) => {
    if (event.key !== "Tab" || !covers()) return;
    const all = stops();
    const edge = event.shiftKey ? all[0] : all.at(-1);
    if (document.activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? all.at(-1) : all[0]).focus();
  });
});

// Let keyboards scroll wide content: make it a tab stop while it overflows.
(() => {
  const looked = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const scrolls = target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight;
      if (scrolls && !target.querySelector("a, button, input, select")) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  document.addEventListener("DOMContentLoaded", () => {
    for (const one of document.querySelectorAll(".desk-scroll, pre.desk-content")) looked.observe(one);
  });
})();

// Print in the light theme.
(() => {
  let dark = false;
  addEventListener("beforeprint", () => {
    dark = document.documentElement.classList.contains("dark");
    document.documentElement.classList.remove("dark");
  });
  addEventListener("afterprint", () => document.documentElement.classList.toggle("dark", dark));
})();

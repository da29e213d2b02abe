// After a page was merged with what others saved: mark the fields that the list at the top names.
"use strict";

(() => {
  const NOTES = { taken: "Newer value, saved by someone else", choice: "You both changed this: choose at the top" };

  const mark = (name, kind) => {
    const row = document.getElementById(name); // a whole new row
    const fields = row ? [row] : document.getElementsByName(name);
    const place = fields[0]?.closest(".field-line > *, td, .form-row, .form-group");
    if (!place || place.querySelector(":scope > .desk-mark-merged")) return;
    place.classList.add("desk-merged", `desk-merged--${kind}`);
    const note = document.createElement("p");
    note.className = "desk-mark-merged";
    note.textContent = NOTES[kind];
    place.append(note);
  };

  for (const item of document.querySelectorAll("#conflict [data-field]")) mark(item.dataset.field, item.dataset.kind);
})();

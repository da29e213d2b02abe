// Lists of merchants: add and remove rows. Enter adds a row instead of saving the page.
"use strict";

(() => {
  const add = (list) => {
    const rows = list.querySelectorAll(".desk-merchant");
    const row = rows[rows.length - 1].cloneNode(true);
    const [manner, text] = [row.querySelector("select"), row.querySelector("input")];
    text.id = `${list.querySelector("input").id}-${Date.now()}`;
    text.value = "";
    manner.value = rows[rows.length - 1].querySelector("select").value;
    list.insertBefore(row, list.querySelector(".desk-merchants__add"));
    text.focus();
  };

  const remove = (row) => {
    const list = row.closest(".desk-merchants");
    row.querySelector("input").value = "";
    if (list.querySelectorAll(".desk-merchant").length > 1) row.remove();
    // The page's check for unsaved changes listens to fields only.
    list.querySelector("input").dispatchEvent(new Event("change", { bubbles: true }));
    list.querySelector("input").focus();
  };

  document.addEventListener("click", ({ target }) => {
    const button = target.closest(".desk-merchants__add, .desk-merchant__remove");
    if (!button) return;
    const row = button.closest(".desk-merchant");
    if (row) remove(row);
    else add(button.closest(".desk-merchants"));
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches(".desk-merchant input")) return;
    event.preventDefault();
    add(event.target.closest(".desk-merchants"));
  });
})();

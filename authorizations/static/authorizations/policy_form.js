// What the policy page needs beyond unfold's scripts: Enter takes what matches rather than what was
// typed, added rows get their lists, rows show only the fields that apply, and limits fold.
"use strict";

(() => {
  const OPEN_LIMITS = 3; // more than these begin folded, so that they can be read as a list

  const $ = django.jQuery;

  // Behind the matches, not before them: typed words count only where nothing on the list does.
  $.fn.select2.defaults.set("insertTag", (matches, typed) => matches.push(typed));

  // The long lists are on the page once; the others take what they lack when they open.
  $(document).on("select2:opening", "select[data-options-of]", ({ target }) => {
    const have = new Set(Array.from(target.options, (option) => option.value));
    for (const option of document.getElementById(target.dataset.optionsOf).options) {
      if (!have.has(option.value)) target.append(new Option(option.text, option.value));
    }
  });

  const intervals = (root) => root.querySelectorAll("select[name$='-interval']");

  const showLength = (interval) => {
    const length = interval.closest("fieldset").querySelector(".field-rolling_length");
    length.closest(".form-row").hidden = interval.value !== "rolling";
  };

  const fold = (limit, open) => {
    limit.querySelector(".desk-fold").setAttribute("aria-expanded", open);
    for (const part of limit.querySelectorAll("fieldset")) part.hidden = !open;
  };

  const makeFoldable = (limit, open) => {
    const title = limit.querySelector("h3 strong");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "desk-fold";
    title.replaceWith(button);
    button.append(title);
    button.addEventListener("click", () => fold(limit, button.getAttribute("aria-expanded") === "false"));
    fold(limit, open);
  };

  const foldLimits = () => {
    const limits = document.querySelectorAll("#spending_limits-data > .form-group:not(.empty-form)");
    const merged = Array.from(document.querySelectorAll("#conflict [data-field]"), (it) => it.dataset.field);
    for (const limit of limits) {
      const hasErrors = limit.querySelector(".errors, .errornote, .errorlist") !== null;
      const isNew = !limit.classList.contains("original"); // its title says nothing yet
      const isMerged = merged.some((name) => name.startsWith(`${limit.id}-`));
      makeFoldable(limit, limits.length <= OPEN_LIMITS || hasErrors || isNew || isMerged);
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    intervals(document).forEach(showLength);
    foldLimits();
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("select[name$='-interval']")) showLength(event.target);
  });

  document.addEventListener("formset:added", (event) => {
    $(event.target).find(".unfold-admin-autocomplete").djangoCustomSelect2();
    intervals(event.target).forEach(showLength);
    if (event.target.closest("#spending_limits-data")) makeFoldable(event.target, true);
  });
})();

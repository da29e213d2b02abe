// What the policy page needs beyond unfold's scripts: Enter takes what matches rather than what was
// typed, added rows get their lists, and only a rolling limit asks for its length.
"use strict";

(() => {
  const $ = django.jQuery;

  // Behind the matches, not before them: typed words count only where nothing on the list does.
  $.fn.select2.defaults.set("insertTag", (matches, typed) => matches.push(typed));

  const intervals = (root) => root.querySelectorAll("select[name$='-interval']");

  const showLength = (interval) => {
    const length = interval.closest("fieldset").querySelector(".field-rolling_length");
    length.closest(".form-row").hidden = interval.value !== "rolling";
  };

  document.addEventListener("DOMContentLoaded", () => intervals(document).forEach(showLength));

  document.addEventListener("change", (event) => {
    if (event.target.matches("select[name$='-interval']")) showLength(event.target);
  });

  document.addEventListener("formset:added", (event) => {
    $(event.target).find(".unfold-admin-autocomplete").djangoCustomSelect2();
    intervals(event.target).forEach(showLength);
  });
})();

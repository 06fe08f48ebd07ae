"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const numbers = head.classList.contains("number");
      const compare = (a, b) => (numbers ? a - b : a.localeCompare(b, undefined, { numeric: true }));
      const rows = [...table.tBodies[0].rows];
      const known = rows.filter((row) => key(row) !== "");
      known.sort((a, b) => (up ? 1 : -1) * compare(key(a), key(b)));
      // What is missing stays at the end, whichever way.
      table.tBodies[0].append(...known, ...rows.filter((row) => key(row) === ""));
    });
  });
}
// Paper cannot be clicked on.
const closed = () => document.querySelectorAll("details:not([open])");
addEventListener("beforeprint", () => closed().forEach((one) => { one.open = true; one.dataset.closed = ""; }));
addEventListener("afterprint", () => {
  document.querySelectorAll("details[data-closed]").forEach((one) => { one.open = false; delete one.dataset.closed; });
});

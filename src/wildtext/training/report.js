// Values of a curve under the pointer, or step by step with the arrow keys. Without this, the tables have them.
for (const chart of document.querySelectorAll(".chart")) {
  const svg = chart.querySelector("svg[role=img]"), output = chart.querySelector("output");
  const rows = [...chart.querySelectorAll("tbody tr")], cursor = svg.querySelector(".cursor");
  const heads = [...chart.querySelectorAll("thead th")].map((head) => head.textContent);
  let chosen = rows.length - 1;

  const show = (row) => {
    chosen = Math.min(Math.max(row, 0), rows.length - 1);
    output.textContent = [...rows[chosen].cells].map((cell, column) => `${heads[column]} ${cell.textContent}`).join(", ");
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, rows[chosen].dataset.x);
    cursor.setAttribute("visibility", "visible");
  };
  const hide = () => { output.textContent = ""; cursor.setAttribute("visibility", "hidden"); };
  const nearest = (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const away = rows.map((row) => Math.abs(row.dataset.x - x));
    show(away.indexOf(Math.min(...away)));
  };

  svg.tabIndex = 0;
  svg.addEventListener("pointermove", nearest);
  svg.addEventListener("pointerdown", nearest);
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("focus", () => show(chosen));
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const goal = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: rows.length - 1 }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    show(goal);
  });
}

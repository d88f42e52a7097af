(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const findings = [...document.querySelectorAll(".finding")];
  const told = document.getElementById("told");
  const fits = (finding, name) => {
    const wanted = form.elements[name].value;
    return wanted === "" || finding.dataset[name].split(" ").includes(wanted);
  };
  const show = () => {
    let count = 0;
    for (const finding of findings) {
      finding.hidden = !["severity", "lane", "stage"].every((name) => fits(finding, name));
      count += finding.hidden ? 0 : 1;
    }
    told.textContent = `${count} of ${findings.length} shown`;
  };
  form.hidden = false;
  form.addEventListener("change", show);
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  show();
})();

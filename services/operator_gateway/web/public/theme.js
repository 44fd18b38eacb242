// Runs before the first paint, so that a chosen theme does not flash. Its own file because the CSP allows no inline script.
try {
  var chosen = localStorage.getItem("foyer.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch (unavailable) {
  // Storage may be switched off; the system's theme is right then.
}

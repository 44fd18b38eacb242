import "@fontsource-variable/inter/wght.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/list.css";
import "./styles/grid.css";
import "./styles/toolbar.css";
import "./styles/panels.css";
import "./styles/desk.css";
import "./styles/login.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { showTheme } from "./app/preferences";
import { startLanguage } from "./i18n";

const root = document.getElementById("root");
if (root) {
  showTheme();
  void startLanguage().then(() =>
    createRoot(root).render(
      <StrictMode>
        <App />
      </StrictMode>,
    ),
  );
}

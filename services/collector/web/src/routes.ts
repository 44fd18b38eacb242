/** Notices navigation within the document (single-page applications): the Navigation API where present, else History. */
import { guard, on } from "./guard";

type Write = (...args: [data: unknown, unused: string, url?: string | URL | null]) => void;

export function watchRoutes(changed: () => void): void {
  const { navigation } = window as unknown as { navigation?: EventTarget };
  if (navigation) {
    on("currententrychange", changed, navigation);
    return;
  }
  const methods = history as unknown as Record<string, Write>;
  for (const name of ["pushState", "replaceState"]) {
    const original = methods[name];
    methods[name] = (...args) => {
      original?.apply(history, args);
      guard(changed)();
    };
  }
  on("popstate hashchange", changed);
}

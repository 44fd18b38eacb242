/** The list view as React sees it: sends the wish, gives the snapshot. */
import { useEffect, useSyncExternalStore } from "react";
import { usePreferences } from "../app/preferences";
import { list } from "../app/live";
import type { ViewSnapshot } from "../view/client";
import { useQuery, wireSort } from "./query";

export function useListSnapshot(): ViewSnapshot {
  return useSyncExternalStore(list.subscribe, list.current);
}

export function useShowList(): void {
  const { site, filter, offset, limit } = useQuery();
  const sort = usePreferences((state) => state.sort);
  useEffect(() => {
    if (site !== null) list.show({ site, sort: wireSort(sort), filter, offset, limit });
  }, [site, sort, filter, offset, limit]);
}

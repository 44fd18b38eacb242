import type { KeyboardEvent, PointerEvent } from "react";
import { useTranslation } from "react-i18next";
import { prefer } from "../app/preferences";

export const NARROWEST = 320;
export const WIDEST = 1_000;
const KEY_STEP = 24;

/** The edge between list and side area: dragged with the pointer, moved with the arrow keys. */
export function Splitter({ width }: { width: number }) {
  const { t } = useTranslation();
  const set = (wanted: number) => prefer({ sideWidth: Math.min(WIDEST, Math.max(NARROWEST, Math.round(wanted))) });

  function drag(event: PointerEvent<HTMLDivElement>) {
    if (event.currentTarget.hasPointerCapture(event.pointerId))
      set(document.documentElement.clientWidth - event.clientX);
  }
  function keys(event: KeyboardEvent) {
    const step = { ArrowLeft: KEY_STEP, ArrowRight: -KEY_STEP }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    set(width + step);
  }
  return (
    <div
      className="splitter"
      role="separator"
      tabIndex={0}
      aria-orientation="vertical"
      aria-label={t("panel.resize")}
      aria-valuenow={width}
      aria-valuemin={NARROWEST}
      aria-valuemax={WIDEST}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={drag}
      onKeyDown={keys}
    />
  );
}

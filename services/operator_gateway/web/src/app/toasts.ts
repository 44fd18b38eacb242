/** Short messages in a corner. Bounded: the oldest goes when a fifth comes. */
import { create } from "zustand";

export interface Toast {
  id: number;
  kind: "error" | "done";
  title: string;
  text?: string;
}

const MOST = 4;
const SHOWN_MS = 7_000;
let serial = 0;

export const useToasts = create<{ toasts: Toast[] }>(() => ({ toasts: [] }));

export function toast(kind: Toast["kind"], title: string, text?: string): void {
  serial += 1;
  const id = serial;
  const added: Toast = text === undefined ? { id, kind, title } : { id, kind, title, text };
  useToasts.setState(({ toasts }) => ({ toasts: [...toasts, added].slice(-MOST) }));
  setTimeout(() => dismiss(id), SHOWN_MS);
}

export function dismiss(id: number): void {
  useToasts.setState(({ toasts }) => ({ toasts: toasts.filter((one) => one.id !== id) }));
}

import { CircleCheck, TriangleAlert, X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { dismiss, useToasts } from "../app/toasts";

export function Toasts() {
  const { t } = useTranslation();
  const toasts = useToasts((state) => state.toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map((one) => (
        <div key={one.id} className={`toast toast-${one.kind}`}>
          {one.kind === "error" ? <TriangleAlert size={18} /> : <CircleCheck size={18} />}
          <div>
            <strong dir="auto">{one.title}</strong>
            {one.text && <p dir="auto">{one.text}</p>}
          </div>
          <button type="button" className="icon-button" aria-label={t("toast.dismiss")} onClick={() => dismiss(one.id)}>
            <X size={14} />
          </button>
        </div>
      ))}
    </div>
  );
}

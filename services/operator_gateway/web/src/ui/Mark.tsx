/** The product's mark. Drawn here so that it takes no request. */
export function Mark({ size }: { size: number }) {
  return (
    <svg className="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" className="mark-ground" />
      <path d="M9 24V11a3 3 0 0 1 3-3h11M9 16.5h10" className="mark-line" />
      <circle cx="23" cy="23" r="2.6" className="mark-dot" />
    </svg>
  );
}

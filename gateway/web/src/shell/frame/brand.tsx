/** The mark: an oriel window, three panes that stand out from the wall. */
export function Brand({ size = 28 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="#0b5c8a" />
      <path d="M5 8l6-3v22l-6-3z" fill="#9fd3f0" />
      <path d="M12 5h8v22h-8z" fill="#e8f6ff" />
      <path d="M21 5l6 3v16l-6 3z" fill="#9fd3f0" />
      <path d="M12 15.2h8v1.6h-8z" fill="#0b5c8a" />
    </svg>
  );
}

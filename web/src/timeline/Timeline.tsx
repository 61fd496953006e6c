export function Timeline() {
  return <main class="timeline" aria-label="Timeline" />;
}

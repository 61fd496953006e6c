export function EventsPanel() {
  return <div class="panel" data-panel="events" />;
}

export function DetailsPanel() {
  return <div class="panel" data-panel="details" />;
}

export function ComparePanel() {
  return <div class="panel" data-panel="compare" />;
}

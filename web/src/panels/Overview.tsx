export function OverviewPanel() {
  return <div class="panel" data-panel="overview" />;
}

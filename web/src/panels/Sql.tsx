export function SqlPanel() {
  return <div class="panel" data-panel="sql" />;
}

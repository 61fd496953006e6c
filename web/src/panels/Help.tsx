export function HelpPanel() {
  return <div class="panel" data-panel="help" />;
}

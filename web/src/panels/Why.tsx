export function WhyPanel() {
  return <div class="panel" data-panel="why" />;
}

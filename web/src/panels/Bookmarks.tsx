export function BookmarksPanel() {
  return <div class="panel" data-panel="bookmarks" />;
}

// The panels: what the tabs of the bottom panel and the right side show. Each takes its data from
// the store and api.ts and acts through `actions`; none has props.

import type { ComponentChildren } from 'preact';
import type { BottomTab } from '../store';
import { BookmarksPanel } from './Bookmarks';
import { ComparePanel } from './Compare';
import { DetailsPanel } from './Details';
import { EventsPanel } from './Events';
import { HelpPanel } from './Help';
import { OverviewPanel } from './Overview';
import { SqlPanel } from './Sql';
import { WhyPanel } from './Why';

export const bottomTabs: ReadonlyArray<{
  id: BottomTab;
  name: string;
  panel: () => ComponentChildren;
}> = [
  { id: 'overview', name: 'Overview', panel: () => <OverviewPanel /> },
  { id: 'events', name: 'Events', panel: () => <EventsPanel /> },
  { id: 'why', name: 'Why', panel: () => <WhyPanel /> },
  { id: 'sql', name: 'SQL', panel: () => <SqlPanel /> },
  { id: 'compare', name: 'Compare', panel: () => <ComparePanel /> },
  { id: 'bookmarks', name: 'Bookmarks', panel: () => <BookmarksPanel /> },
  { id: 'help', name: 'Keys and legend', panel: () => <HelpPanel /> },
];

export { DetailsPanel };

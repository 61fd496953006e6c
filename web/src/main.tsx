import { render } from 'preact';
import { App } from './app';
import { start } from './start';
import './styles.css';

const root = document.getElementById('app');
if (root) render(<App />, root);
void start();

import type { Plugin } from 'vite';
import { answer } from './server';

/** `npm run dev` without a server: api/ is answered from a made-up experiment. */
export function mockPlugin(): Plugin {
  return {
    name: 'virtscope-mock',
    configureServer(server) {
      server.middlewares.use('/api', (request, response) => void answer(request, response));
    },
  };
}

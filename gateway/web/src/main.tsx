/** Entry of the browser code: styles, providers, routes. */
import '@patternfly/react-core/dist/styles/base.css';
import './shell/frame/base.css';
import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router';
import { queryClient } from './api/query-client.ts';
import { App } from './app.tsx';
import { NoticesProvider } from './shell/frame/notices.tsx';
import { ThemeProvider } from './shell/frame/theme.tsx';

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no #root');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <ThemeProvider>
        <NoticesProvider>
          <BrowserRouter>
            <App />
          </BrowserRouter>
        </NoticesProvider>
      </ThemeProvider>
    </QueryClientProvider>
  </StrictMode>,
);

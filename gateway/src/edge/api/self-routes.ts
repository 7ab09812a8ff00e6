/** Routes about the API itself. */
import { getDescription, getDescriptionPage } from '../../../api/api.ts';
import type { Route } from '../../../api/route.ts';
import { type BoundRoute, bindPublic, bindRaw } from '../../platform/api/bind.ts';
import { apiPage } from './api-page.ts';
import { type OpenApi, openApiOf } from './openapi.ts';

/** `routes` are all others; these two describe themselves too. */
export function selfRoutes(routes: readonly Route[], version: string): BoundRoute[] {
  let made: OpenApi | undefined;
  const api = (): OpenApi => {
    made ??= openApiOf(
      [...routes, getDescription as unknown as Route, getDescriptionPage as unknown as Route],
      version,
    );
    return made;
  };
  return [
    bindPublic(getDescription, async () => api()),
    bindRaw(getDescriptionPage, async (_request, response) => {
      response
        .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' })
        .end(apiPage(api()));
    }),
  ];
}

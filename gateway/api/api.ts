/** The API's description of itself. */
import { z } from 'zod';
import { route } from './route.ts';

export const getDescription = route({
  id: 'api.description',
  method: 'get',
  path: '/openapi.json',
  summary: 'This API as OpenAPI 3.1',
  access: 'public',
  reply: z.looseObject({ openapi: z.string() }),
});
export const getDescriptionPage = route({
  id: 'api.page',
  method: 'get',
  path: '/docs',
  summary: 'This API as a page to read',
  access: 'public',
  produces: 'text/html',
});

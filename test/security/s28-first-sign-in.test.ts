/** S28 (a product that shipped `admin/ChangeMe`): there is no way in that everybody knows. */
import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { startTestGateway } from '../../gateway/src/edge/testing/gateway.ts';

describe('S28 a fresh gateway', () => {
  // Seen to fail with an account made with the password "ChangeMe" in Auth.firstLink.
  test('lets nobody in who guesses; the link does, once, also after the guesses', async () => {
    const fresh = await startTestGateway();
    try {
      const link = await fresh.auth.firstLink();
      const post = (route: string, body: object) =>
        request(fresh.origin).post(`/api/v1${route}`).set('origin', fresh.origin).send(body);
      for (const name of ['admin', 'root', 'oriel', 'administrator', 'user', 'guest']) {
        for (const password of ['admin', 'ChangeMe', 'password', 'oriel', '', name]) {
          expect([400, 401, 429]).toContain((await post('/sign-in/password', { name, password })).status);
        }
      }
      expect((await request(fresh.origin).get('/api/v1/me')).status).toBe(401);
      expect((await post('/sign-in/link', { link: 'x'.repeat(43) })).status).toBe(401);
      expect((await post('/sign-in/link', { link })).status).toBe(200);
      expect((await post('/sign-in/link', { link })).status).toBe(401);
    } finally {
      await fresh.close();
    }
  });
});

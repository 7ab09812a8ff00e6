/**
 * The built pages. Names with a hash in them are kept by browsers for a year, the rest is asked for again. A path that is
 * no file and looks like a page gets index.html; nothing here ever redirects (S3).
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import compression from 'compression';
import express, { type RequestHandler } from 'express';
import { GatewayError } from '../../errors.ts';

const YEAR_SECONDS = 31_536_000;

export function webFiles(folder: string): RequestHandler[] {
  const index = path.join(folder, 'index.html');
  const files = express.static(folder, {
    index: false,
    redirect: false,
    dotfiles: 'ignore',
    fallthrough: true,
    setHeaders: (response, file) => {
      const isHashed = file.startsWith(path.join(folder, 'assets') + path.sep);
      response.setHeader('cache-control', isHashed ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache');
    },
  });
  const page: RequestHandler = (request, response, next) => {
    const isPage = (request.method === 'GET' || request.method === 'HEAD') && isPagePath(request.path);
    if (!isPage || !existsSync(index)) return next();
    response.setHeader('cache-control', 'no-cache');
    response.sendFile(index);
  };
  // Only what everybody gets is compressed: an answer of the API may hold a secret beside somebody's own words (S20).
  return [refuseOddPaths, compressed, files, page];
}

const compress = compression();
const compressed: RequestHandler = (request, response, next) =>
  /^\/(api|ws)(\/|$)/.test(request.path) ? next() : compress(request, response, next);

/** `//host/..`, `/\host`, encoded slashes and dots, control characters: no file of ours has such a name. */
const refuseOddPaths: RequestHandler = (request, _response, next) => {
  const isOdd =
    request.originalUrl.startsWith('//') ||
    /\\|%2f|%5c|%2e|%0|%1|\/\.\.?(\/|$)/i.test(request.originalUrl.split('?')[0] ?? '');
  next(isOdd ? new GatewayError('BAD_REQUEST', 'this path is not one of ours') : undefined);
};

function isPagePath(pathname: string): boolean {
  return pathname !== '/api' && !/^\/(api|ws|assets)\//.test(pathname) && path.extname(pathname) === '';
}

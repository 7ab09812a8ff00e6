/** The API as a page to read: plain HTML made here, with no script and nothing from elsewhere. Pure. */
import type { OpenApi, Operation } from './openapi.ts';

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem 1.5rem;color:#151515;background:#fff}
h1{font-size:1.6rem}h2{margin-top:2rem;border-bottom:1px solid #c7c7c7}summary{cursor:pointer;padding:.35rem 0}
code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:#f2f2f2;padding:.75rem;overflow:auto;max-height:24rem}
.verb{display:inline-block;min-width:4.5rem;font-weight:600}nav a{margin-right:.75rem}table{border-collapse:collapse}
th,td{text-align:left;padding:.15rem 1rem .15rem 0;vertical-align:top}
@media (prefers-color-scheme:dark){body{color:#e0e0e0;background:#151515}pre{background:#292929}a{color:#92c5f9}}`;

export function apiPage(api: OpenApi): string {
  const byTag = new Map<string, { path: string; method: string; operation: Operation }[]>();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0] ?? '';
      byTag.set(tag, [...(byTag.get(tag) ?? []), { path, method, operation }]);
    }
  }
  const tags = [...byTag].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const info = api['info'] as { title: string; version: string; description: string };
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(info.title)} API</title><style>${STYLE}</style></head><body><main>
<h1>${escape(info.title)} API ${escape(info.version)}</h1><p>${escape(info.description)}</p>
<p>As OpenAPI 3.1: <a href="openapi.json">openapi.json</a></p>
<nav aria-label="Resources">${tags.map(([tag]) => `<a href="#${escape(tag)}">${escape(tag)}</a>`).join(' ')}</nav>
${tags.map(([tag, operations]) => `<h2 id="${escape(tag)}">${escape(tag)}</h2>${operations.map(operationHtml).join('\n')}`).join('\n')}
</main></body></html>`;
}

function operationHtml({ path, method, operation }: { path: string; method: string; operation: Operation }): string {
  const { summary, operationId, ...rest } = operation;
  const parameters = (rest['parameters'] ?? []) as {
    name: string;
    in: string;
    required: boolean;
    schema: unknown;
    description?: string;
  }[];
  const rows = parameters.map(
    (one) =>
      `<tr><td><code>${escape(one.name)}</code></td><td>${escape(one.in)}${one.required ? ', required' : ''}</td><td><code>${escape(JSON.stringify(one.schema))}</code></td></tr>`,
  );
  const body = (rest['requestBody'] as { content?: Record<string, { schema?: unknown }> } | undefined)?.content;
  const responses = Object.entries(
    rest['responses'] as Record<string, { description: string; content?: Record<string, { schema?: unknown }> }>,
  );
  return `<details id="${escape(operationId)}"><summary><span class="verb">${escape(method.toUpperCase())}</span> <code>${escape(path)}</code> ${escape(summary)}</summary>
<p>Needs: <code>${escape(JSON.stringify(rest['x-oriel-access']))}</code></p>
${rows.length === 0 ? '' : `<table><thead><tr><th>Name</th><th>Where</th><th>Schema</th></tr></thead><tbody>${rows.join('')}</tbody></table>`}
${body === undefined ? '' : contentHtml('Body', body)}
${responses.map(([status, response]) => (status < '300' && response.content !== undefined ? contentHtml(`Answer ${status}`, response.content) : `<p>${escape(status)}: ${escape(response.description)}</p>`)).join('')}
</details>`;
}

function contentHtml(title: string, content: Record<string, { schema?: unknown }>): string {
  return Object.entries(content)
    .map(
      ([type, { schema }]) =>
        `<p>${escape(title)}, <code>${escape(type)}</code></p>${schema === undefined ? '' : `<pre>${escape(JSON.stringify(schema, null, 2))}</pre>`}`,
    )
    .join('');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

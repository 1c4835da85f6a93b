// A certified OpenID provider on this machine, at the paths of every platform, with the platforms' documented answers.
// Input: {platforms: [{id, tokenAuth, redirect, authorize, token, jwks, clientParameter}]}. Prints its origin.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const { platforms } = JSON.parse(readFileSync(0, 'utf8'));
const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const origin = `http://127.0.0.1:${server.address().port}`;
let who = 'alice-1';
const named = (id) => `name of ${id}`;
const affiliations = (id) => (id.startsWith('student') ? ['member@example.edu', 'student@example.edu'] : ['staff@example.edu']);

const provider = new Provider(origin, {
  clients: platforms.map((one) => ({
    client_id: `client-${one.id}`,
    client_secret: `secret of ${one.id}`,
    redirect_uris: [one.redirect],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: one.tokenAuth === 'basic' ? 'client_secret_basic' : 'client_secret_post',
  })),
  cookies: { keys: ['a key of these tests'] },
  features: { devInteractions: { enabled: false } },
  scopes: ['openid', ...new Set(platforms.flatMap((one) => one.scopes))],
  pkce: { required: () => true },
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: named(id), eduperson_scoped_affiliation: affiliations(id) }) }),
  claims: { openid: ['sub'], profile: ['name'], eduperson: ['eduperson_scoped_affiliation'] },
  conformIdTokenClaims: false,
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  ttl: { AccessToken: 600, AuthorizationCode: 600, IdToken: 600, Interaction: 600, Session: 600, Grant: 600, RefreshToken: 600 },
});

async function interaction(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: who } });
  }
  const grant = grantId ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope('openid profile');
  if (params.scope) grant.addOIDCScope(params.scope);
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } },
    { mergeWithLastSubmission: true });
}

const answers = {
  '/user': (id, name) => ({ id: Number(id.replace(/\D/g, '')), login: name }),
  '/youtube/v3/channels': (id, name) => ({ items: [{ id, snippet: { title: name } }] }),
  '/youtube/v3/subscriptions': (_, __, query) => ({ items: query.get('forChannelId') === 'UCyes' ? [{ id: 's' }] : [] }),
  '/2/users/me': (id, name) => ({ data: { id, username: name } }),
  '/api/users/@me': (id, name) => ({ id, username: name }),
  '/api/users/@me/guilds': () => [{ id: '42' }, { id: '43' }],
  '/helix/users': (id, name) => ({ data: [{ id, login: name }] }),
  '/helix/channels/followed': (_, __, query) => ({ data: query.get('broadcaster_id') === '7' ? [{}] : [] }),
  '/v2/user/info/': (id, name) => ({ data: { user: { open_id: id, display_name: name } } }),
  '/me': (id, name) => ({ user_id: id, username: name }),
  '/v23.0/me': (id, name) => ({ id, name }),
};
const posts = () => ({ data: [
  { id: '1', text: 'Hello #TRex, a badge!', created_at: '2026-01-02T00:00:00.000Z' },
  { id: '2', text: 'Nothing of it', created_at: '2026-01-03T00:00:00.000Z' },
  { id: '3', text: 'late #trex', created_at: '2026-03-01T00:00:00.000Z' }], meta: {} });

async function api(request, response, url) {
  const token = await provider.AccessToken.find((request.headers.authorization ?? '').replace(/^Bearer /, ''));
  const say = (status, document) => response.writeHead(status, { 'content-type': 'application/json' })
    .end(document === undefined ? '' : JSON.stringify(document));
  if (!token) return say(401, { message: 'Bad credentials' });
  if (url.pathname.startsWith('/helix/') && request.headers['client-id'] !== 'client-twitch') return say(400, {});
  if (url.pathname.startsWith('/user/following/')) return say(url.pathname.endsWith('/octocat') ? 204 : 404);
  if (/^\/2\/users\/[^/]+\/tweets$/.test(url.pathname)) return say(200, posts());
  return say(200, answers[url.pathname](token.accountId, named(token.accountId), url.searchParams));
}

const callback = provider.callback();
server.on('request', async (request, response) => {
  try {
    const url = new URL(request.url, origin);
    if (url.pathname === '/as') { who = url.searchParams.get('account'); return response.end(); }
    if (url.pathname.startsWith('/interaction/')) return await interaction(request, response);
    const one = platforms.find((each) => [each.authorize, each.token, each.jwks].includes(url.pathname));
    if (!one) {
      const known = answers[url.pathname] || /^\/(user\/following|2\/users)\//.test(url.pathname);
      return known ? await api(request, response, url) : callback(request, response);
    }
    const keys = new URLSearchParams(url.searchParams);
    if (keys.has('client_key')) { keys.set('client_id', keys.get('client_key')); keys.delete('client_key'); }
    const path = { [one.authorize]: '/auth', [one.token]: '/token', [one.jwks]: '/jwks' }[url.pathname];
    if (path === '/token') {
      let body = '';
      for await (const part of request) body += part;
      const form = new URLSearchParams(body);
      if (form.has('client_key')) { form.set('client_id', form.get('client_key')); form.delete('client_key'); }
      request.body = Object.fromEntries(form);
    }
    request.url = `${path}${keys.size ? `?${keys}` : ''}`;
    return callback(request, response);
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
});
console.log(origin);

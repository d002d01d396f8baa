// @lukehagar/plexjs 0.23.5: the token and the client identifier are in the query.

import { PlexAPI } from '@lukehagar/plexjs';
import { HTTPClient } from '@lukehagar/plexjs/lib/http.js';
import * as errors from '@lukehagar/plexjs/sdk/models/errors/index.js';

import { clientIdentifier, reporter, scene } from '../check.mjs';
import { bodyReader, runPlexjs } from '../plexjs.mjs';

// This version joins base and path without adding a slash.
const account = { serverURL: `${scene.url}/api/v2/` };
const api = (accessToken, options) => new PlexAPI({ accessToken, serverURL: scene.url, ...options });

await runPlexjs(reporter('@lukehagar/plexjs', import.meta.url), {
  errors,
  signIn: ({ username, password }, verificationCode, id = clientIdentifier) =>
    api('').authentication.postUsersSignInData(
      id,
      { login: username, password, rememberMe: true, verificationCode },
      account,
    ),
  tokenDetails: (token, options) => api(token).authentication.getTokenDetails({ ...account, ...options }),
  transientToken: async (token) => {
    const { httpClient, body } = bodyReader(HTTPClient);
    await api(token, { httpClient }).authentication.getTransientToken('delegation', 'all');
    return body();
  },
  source: async (token, source) => {
    const { httpClient, body } = bodyReader(HTTPClient);
    await api(token, { httpClient }).authentication.getSourceConnectionInformation(source);
    return body();
  },
  resources: (token) => api(token).plex.getServerResources(clientIdentifier, 1, 1, 1, account),
  newPinStatus: 200,
  startPin: (strong) => api('').plex.getPin(strong, clientIdentifier, 'plexjs', account),
  pollPin: (id) => api('').plex.getTokenByPinId(id, clientIdentifier, account),
  serverInfo: (serverURL, token) => api(token, { serverURL }).server.getServerCapabilities(),
});

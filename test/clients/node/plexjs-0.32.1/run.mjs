// @lukehagar/plexjs 0.32.1: the client identifier is a header, and omitted parameters are sent as empty headers.

import { PlexAPI } from '@lukehagar/plexjs';
import { HTTPClient } from '@lukehagar/plexjs/lib/http.js';
import * as errors from '@lukehagar/plexjs/sdk/models/errors/index.js';

import { clientIdentifier, reporter, scene } from '../check.mjs';
import { bodyReader, runPlexjs } from '../plexjs.mjs';

const account = { serverURL: `${scene.url}/api/v2` };
const api = (accessToken, options) => new PlexAPI({ accessToken, serverURL: scene.url, ...options });

await runPlexjs(reporter('@lukehagar/plexjs', import.meta.url), {
  errors,
  signIn: ({ username, password }, verificationCode, id = clientIdentifier) =>
    api('').authentication.postUsersSignInData(
      {
        clientID: id,
        requestBody: { login: username, password, rememberMe: true, verificationCode },
      },
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
  startPin: (strong) => api('').plex.getPin({ strong, clientID: clientIdentifier }, account),
  pollPin: (pinID) => api('').plex.getTokenByPinId({ pinID, clientID: clientIdentifier }, account),
  serverInfo: (serverURL, token) => api(token, { serverURL }).server.getServerCapabilities(),
});

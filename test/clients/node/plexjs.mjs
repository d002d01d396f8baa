// The operations of @lukehagar/plexjs up to 0.40, which can sign in. The versions have the same operations with
// different arguments, so each folder passes an `sdk` with functions that call its version:
//
//   signIn(person, code, id)      postUsersSignInData; id is the client identifier if it is not the usual one
//   tokenDetails(token, options)  getTokenDetails; options are those of one request
//   transientToken(token)         getTransientToken
//   source(token, source)         getSourceConnectionInformation
//   resources(token)              getServerResources
//   serverInfo(url, token)        getServerCapabilities
//   startPin(strong)              getPin
//   newPinStatus                  the only status that it accepts there; if absent, 201
//   pollPin(id)                   getTokenByPinId
//   errors                        the module of error classes
//
// transientToken and source resolve to the body of the answer. These versions discard it, so a program that needs
// the token reads it with a hook on the SDK's HTTP client, like bodyReader.

import {
  assert,
  checkAccessToken,
  checkAccount,
  checkAdminResources,
  checkSharedResources,
  checkSource,
  checkTransientToken,
  clientIdentifier,
  linkByHand,
  refused,
  scene,
} from './check.mjs';

// bodyReader returns an SDK HTTP client and a function that reads the body of its last answer.
export function bodyReader(HTTPClient) {
  const httpClient = new HTTPClient();
  let body;
  httpClient.addHook('response', async (response) => {
    body = await response.clone().json();
  });
  return { httpClient, body: () => body };
}

export async function runPlexjs(operation, sdk) {
  const { errors } = sdk;
  // In all of these versions, getTokenDetails sends no client identifier by default.
  const identified = { fetchOptions: { headers: { 'X-Plex-Client-Identifier': clientIdentifier } } };
  let admin, plain, transient, self;

  await operation('sign in', async () => {
    const answer = await sdk.signIn(scene.admin);
    assert.equal(answer.statusCode, 201);
    admin = answer.userPlexAccount;
    checkAccount(admin, scene.admin);
    checkAccessToken(admin.authToken);

    plain = (await sdk.signIn({ ...scene.plain, username: scene.plain.email })).userPlexAccount;
    checkAccount(plain, scene.plain);
    assert.notEqual(plain.authToken, admin.authToken);
  });

  await operation('wrong password', async () => {
    const error = await refused(
      sdk.signIn({ ...scene.plain, password: 'not this one' }),
      errors.PostUsersSignInDataUnauthorized,
    );
    checkErrors(error, 401, 1001);
  });

  await operation('second factor needed', async () => {
    const error = await refused(sdk.signIn(scene.second), errors.PostUsersSignInDataUnauthorized);
    checkErrors(error, 401, 1029);
  });

  await operation('second factor given', async () => {
    const { userPlexAccount } = await sdk.signIn(scene.second, scene.second.code);
    checkAccount(userPlexAccount, scene.second);
    checkAccessToken(userPlexAccount.authToken);
    assert.equal(userPlexAccount.twoFactorEnabled, true);
  });

  await operation('token details', async () => {
    const { statusCode, userPlexAccount } = await sdk.tokenDetails(admin.authToken, identified);
    assert.equal(statusCode, 200);
    checkAccount(userPlexAccount, scene.admin);
    assert.equal(userPlexAccount.id, admin.id);
    assert.equal(userPlexAccount.authToken, admin.authToken);
  });

  await operation('no client identifier', async () => {
    // A token is enough to identify the account. A sign-in without one must identify the device.
    checkAccount((await sdk.tokenDetails(admin.authToken)).userPlexAccount, scene.admin);
    const refusal = await refused(sdk.signIn(scene.plain, undefined, ''), errors.PostUsersSignInDataBadRequest);
    checkErrors(refusal, 400, 1000);
  });

  await operation('bad token', async () => {
    checkErrors(await refused(sdk.tokenDetails('nosuchtoken', identified), errors.GetTokenDetailsUnauthorized), 401, 1001);
    checkErrors(await refused(sdk.resources('nosuchtoken'), errors.GetServerResourcesUnauthorized), 401, 1001);
    const error = await refused(sdk.transientToken('nosuchtoken'), errors.GetTransientTokenUnauthorized);
    assert.equal(error.errors[0].status, 401);
  });

  await operation('transient token', async () => {
    transient = (await sdk.transientToken(admin.authToken)).MediaContainer.token;
    checkTransientToken(transient);
  });

  await operation('use of a transient token', async () => {
    const { userPlexAccount } = await sdk.tokenDetails(transient, identified);
    checkAccount(userPlexAccount, scene.admin);
    assert.equal(userPlexAccount.authToken, transient);
    const { object } = await sdk.serverInfo(scene.url, transient);
    assert.equal(object.mediaContainer.machineIdentifier, scene.machineId);
  });

  await operation('source as admin', async () => {
    for (const [kind, source] of [['server', scene.server], ['provider', scene.provider]]) {
      const { MediaContainer } = await sdk.source(admin.authToken, `${kind}://${source.id}`);
      checkSource(MediaContainer.Device, source);
    }
  });

  await operation("source with the admin's transient token", async () => {
    const { MediaContainer } = await sdk.source(transient, `server://${scene.server.id}`);
    checkSource(MediaContainer.Device, scene.server);
    assert.notEqual(MediaContainer.Device.accessToken, admin.authToken);
  });

  await operation('source as a plain user', async () => {
    const error = await refused(sdk.source(plain.authToken, `server://${scene.server.id}`), errors.SDKError);
    assert.equal(error.statusCode, 403);
  });

  await operation('malformed source', async () => {
    for (const source of ['no source at all', 'server://']) {
      const error = await refused(
        sdk.source(admin.authToken, source),
        errors.GetSourceConnectionInformationBadRequest,
      );
      assert.equal(error.errors[0].status, 400);
    }
  });

  await operation('unknown source', async () => {
    const error = await refused(sdk.source(admin.authToken, 'server://nobody'), errors.SDKError);
    assert.equal(error.statusCode, 404);
  });

  await operation('resources', async () => {
    const { statusCode, plexDevices } = await sdk.resources(admin.authToken);
    assert.equal(statusCode, 200);
    self = checkAdminResources(plexDevices);
    assert.ok(self.createdAt instanceof Date && self.lastSeenAt instanceof Date);
    checkSharedResources((await sdk.resources(plain.authToken)).plexDevices, plain.authToken, admin.authToken);
  });

  await operation('connect', async () => {
    const { uri } = self.connections.find((c) => c.uri === scene.url);
    const { object } = await sdk.serverInfo(uri, self.accessToken);
    assert.equal(object.mediaContainer.machineIdentifier, scene.machineId);
  });

  await runPins(operation, sdk, plain.authToken);
}

// runPins runs the operations of PIN sign-in.
async function runPins(operation, sdk, token) {
  for (const [name, strong, shape, seconds] of [
    ['PIN of four characters', false, /^[A-Z0-9]{4}$/, 900],
    ['strong PIN', true, /^[0-9a-z]{25}$/, 1800],
  ]) {
    if (!sdk.startPin) continue;
    await operation(name, async () => {
      const { statusCode, authPinContainer: pin } = await sdk.startPin(strong);
      assert.equal(statusCode, sdk.newPinStatus ?? 201);
      assert.match(pin.code, shape);
      assert.equal(pin.expiresIn, seconds);
      assert.equal(pin.clientIdentifier, clientIdentifier);
      assert.equal(pin.expiresAt - pin.createdAt, 1000 * seconds);
      assert.equal(pin.authToken, null);
      assert.equal((await sdk.pollPin(pin.id)).authPinContainer.authToken, null);

      await linkByHand(pin.code, token);
      const { authToken } = (await sdk.pollPin(pin.id)).authPinContainer;
      checkAccessToken(authToken);
      assert.notEqual(authToken, token);
      const identified = { fetchOptions: { headers: { 'X-Plex-Client-Identifier': clientIdentifier } } };
      checkAccount((await sdk.tokenDetails(authToken, identified)).userPlexAccount, scene.plain);
    });
  }

  await operation('unknown PIN', async () => {
    const error = await refused(sdk.pollPin(1), sdk.errors.GetTokenByPinIdResponseBody);
    assert.equal(error.errors[0].code, 1020);
  });
}

// checkErrors checks the typed error of the account plane: its first entry has the code and repeats the status.
function checkErrors(error, status, code) {
  assert.equal(error.errors[0].code, code);
  assert.equal(error.errors[0].status, status);
}

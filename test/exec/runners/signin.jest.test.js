// Jest loads CommonJS, and has beforeEach as a global.
const { useUsher } = require('usher-exec')

const usher = useUsher()
const headers = { 'X-Plex-Client-Identifier': 'jest', Accept: 'application/json' }

test('a PIN is approved', async () => {
  const pin = await (await fetch('https://plex.tv/api/v2/pins', { method: 'POST', headers })).json()
  await usher.approvePIN(pin.code)
  const { authToken } = await (await fetch(`https://plex.tv/api/v2/pins/${pin.id}`, { headers })).json()
  expect(authToken).toBeTruthy()
})

test('it is reset', async () => {
  expect(await usher.requests()).toEqual([])
})

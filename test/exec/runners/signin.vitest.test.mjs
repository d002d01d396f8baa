// Vitest loads ES modules, and has no globals by default.
import { beforeEach, expect, test } from 'vitest'
import { useUsher } from 'usher-exec'

const usher = useUsher({ beforeEach })
const headers = { 'X-Plex-Client-Identifier': 'vitest', Accept: 'application/json' }

test('a PIN is approved', async () => {
  const pin = await (await fetch('https://plex.tv/api/v2/pins', { method: 'POST', headers })).json()
  await usher.approvePIN(pin.code)
  const { authToken } = await (await fetch(`https://plex.tv/api/v2/pins/${pin.id}`, { headers })).json()
  expect(authToken).toBeTruthy()
})

test('it is reset', async () => {
  expect(await usher.requests()).toEqual([])
})

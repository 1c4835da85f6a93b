// A real attestor, the platforms' pages on a local HTTPS site, and a client that asks for claims: one process.
// Reads {ca, cert, key, requests} as JSON from standard input, writes one JSON line for each request.
'use strict'
process.env.DISABLE_BGP_CHECKS = '1'
process.env.LOG_LEVEL = 'fatal'
process.env.PRIVATE_KEY = '0x' + '07'.padStart(64, '0')

const fs = require('node:fs')
const https = require('node:https')
const net = require('node:net')
const dns = require('node:dns')

const input = JSON.parse(fs.readFileSync(0, 'utf8'))
global.TLS_ADDITIONAL_ROOT_CA_LIST = [input.ca]

let current
const site = https.createServer({ cert: input.cert, key: input.key, minVersion: 'TLSv1.3' }, (request, response) => {
  const asked = { method: request.method, host: request.headers.host, path: request.url }
  current.asked = asked
  response.writeHead(200, { 'content-type': 'application/json', connection: 'close' })
  response.end(current.body)
})

/** Every platform's name is the local site's. */
function bringHome(sitePort) {
  const connect = net.Socket.prototype.connect
  net.Socket.prototype.connect = function (...parts) {
    const options = Array.isArray(parts[0]) ? parts[0][0] : parts[0]
    if (typeof options === 'object' && Number(options.port) === 443) {
      return connect.call(this, { port: sitePort, host: '127.0.0.1' })
    }
    return connect.apply(this, parts)
  }
  dns.setServers = () => {}
  dns.resolve = (_, done) => done(null, ['127.0.0.1'])
}

async function main() {
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve))
  bringHome(site.address().port)
  const { createServer } = require('@reclaimprotocol/attestor-core/lib/server')
  const { createClaimOnAttestor } = require('@reclaimprotocol/attestor-core')
  // The client shows the whole answer, which an attestor takes whatever responseRedactions say: hiding parts of
  // it needs zero-knowledge circuits, which this version of the package does not ship.
  require('@reclaimprotocol/attestor-core/lib/providers').providers.http.getResponseRedactions = () => []
  const port = await new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const found = probe.address().port
      probe.close(() => resolve(found))
    })
  })
  await createServer(port)
  for (const request of input.requests) {
    current = { body: request.body }
    const started = Date.now()
    let answer
    try {
      const result = await createClaimOnAttestor({
        name: 'http',
        params: request.params,
        secretParams: request.secretParams,
        context: request.context,
        ownerPrivateKey: '0x' + '02'.repeat(32),
        timestampS: request.timestampS,
        maxRetries: 1,
        client: { url: `ws://127.0.0.1:${port}/ws` },
      })
      answer = result.claim
        ? {
            identifier: result.claim.identifier,
            claimData: result.claim,
            signatures: ['0x' + Buffer.from(result.signatures.claimSignature).toString('hex')],
            witnesses: [{ id: result.signatures.attestorAddress, url: `ws://127.0.0.1:${port}/ws` }],
          }
        : { error: result.error?.message ?? 'no claim' }
    } catch (error) {
      answer = { error: String(error?.message ?? error) }
    }
    process.stdout.write(JSON.stringify({ id: request.id, ms: Date.now() - started, asked: current.asked, answer }) + '\n')
  }
  process.exit(0)
}

main().catch((error) => {
  process.stderr.write(`${error?.stack ?? error}\n`)
  process.exit(1)
})

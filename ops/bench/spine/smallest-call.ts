import { Client, credentials, Metadata } from '@grpc/grpc-js'

// One unary call over TLS with grpc-js and nothing else: bytes out, bytes in. What `spell ps` is measured beside.

const { ADDRESS = '', CA = '', TOKEN = '' } = process.env
const asIs = (bytes: Buffer): Buffer => bytes
const client = new Client(ADDRESS, credentials.createSsl(Buffer.from(CA)))
const metadata = new Metadata()
metadata.set('authorization', `Bearer ${TOKEN}`)
client.makeUnaryRequest('/spell.v1.Runs/List', asIs, asIs, Buffer.alloc(0), metadata, (error, response) => {
  process.stdout.write(error ? `${error.message}\n` : `${response?.length} bytes\n`)
  client.close()
  process.exitCode = error ? 1 : 0
})

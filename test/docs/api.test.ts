import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { execa } from 'execa'
import { projectRoot } from '../cli/support/spell.js'
import { startCluster } from '../fixtures/cluster.js'

// The client is the page's own, made from proto/ by protoc, and run by Debian's python3.

test('the Python client of the page submits, follows, reads the log and stops', async (t) => {
  const cluster = await startCluster(t, { runtime: 'process' })
  const folder = join(cluster.dir, '..', 'python')
  await mkdir(folder)
  const proto = join(projectRoot, 'proto')
  const files = ['run', 'api'].map((name) => `spell/v1/${name}.proto`)
  const plugin = (await execa('which', ['grpc_python_plugin'])).stdout
  const out = [`--python_out=${folder}`, `--grpc_python_out=${folder}`]
  await execa('protoc', [`-I${proto}`, ...out, `--plugin=protoc-gen-grpc_python=${plugin}`, ...files])

  const page = await readFile(join(projectRoot, 'docs/api.md'), 'utf8')
  const code = /```python\n(.*?)```/s.exec(page)?.[1] ?? ''
  const { address } = await cluster.process('coordinator-1')
  const token = await readFile(join(cluster.dir, 'trust/admin-token'), 'utf8')
  const given = `address = ${JSON.stringify(address)}\ntoken = ${JSON.stringify(token.trim())}\n`
  await writeFile(join(folder, 'client.py'), given + code)
  await writeFile(join(folder, 'ca.pem'), await readFile(join(cluster.dir, 'trust/ca.pem')))
  const env = { GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: undefined }
  const { stdout } = await execa('/usr/bin/python3', ['client.py'], { cwd: folder, env })
  t.regex(stdout, /^hello\nexit code 0\n(KILLED|STOPPED)$/)
})

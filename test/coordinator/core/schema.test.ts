import test from 'ava'
import { encode, schemaVersion } from '../../../coordinator/core/record-codec.js'
import { Schema } from '../../../coordinator/core/schema.js'

const text = encode({ id: 7, name: 'x' })

test('what is written in any version that is read comes back as it was', (t) => {
  for (const written of [1, 2, 3]) {
    const schema = new Schema(2)
    schema.write(written)
    const stored = schema.toStored(text)
    t.is(JSON.parse(stored).v, written)
    t.is(new Schema(2).fromStored(stored), text)
  }
})

test('a program of its own version writes and reads what it has, untouched', (t) => {
  const schema = new Schema()
  t.is(schema.newest, schemaVersion)
  t.is(schema.toStored(text), text)
  t.is(schema.fromStored(text), text)
})

test('a version above what it reads is left to be refused, in records and for the cluster', (t) => {
  const later = new Schema(1)
  later.write(2)
  const stored = later.toStored(text)
  t.is(new Schema().fromStored(stored), stored)
  t.throws(() => new Schema().write(2), {
    code: 'FAILED_PRECONDITION',
    message: /have schema version 2; this coordinator reads up to 1\. Upgrade it/,
  })
})

import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { DummyRuntime } from '../../../node-agent/runtimes/dummy.js'
import { testRuntime } from '../../contracts/runtime-cases.js'
import { runtimeContract } from '../../contracts/runtime-contract.js'

testRuntime(test, runtimeContract, () => ({
  open: (attemptsFolder) => new DummyRuntime({ attemptsFolder }, systemClock),
  image: 'none',
  deaf: 'ignore-term',
}))

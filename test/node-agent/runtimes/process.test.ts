import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { ProcessRuntime } from '../../../node-agent/runtimes/process.js'
import { processContract } from '../../contracts/process-contract.js'
import { testRuntime } from '../../contracts/runtime-cases.js'
import { runtimeContract } from '../../contracts/runtime-contract.js'

testRuntime(test, { ...runtimeContract, ...processContract }, () => ({
  open: (attemptsFolder) => new ProcessRuntime({ attemptsFolder }, systemClock),
  image: 'none',
  deaf: "trap '' TERM",
  extraVariables: ['SPELL_TASK', 'CUDA_VISIBLE_DEVICES'],
}))

import type { TestFn } from 'ava'
import type { RuntimeCase } from './runtime-contract.js'
import { Bench, type RuntimeUnderTest } from './runtime-under-test.js'

/** Each case a test with a bench of its own, on one runtime; one after the other, since some look at the clock. */
export function testRuntime(
  test: TestFn,
  cases: Readonly<Record<string, RuntimeCase>>,
  under: () => RuntimeUnderTest,
): void {
  const onBench = test.macro(async (t, body: RuntimeCase) => {
    const bench = new Bench(under())
    try {
      await body(t, bench)
    } finally {
      await bench.end()
    }
  })
  for (const [title, body] of Object.entries(cases)) test.serial(title, onBench, body)
}

// Python scripts in fixtures/ that are told what to do in JSON and answer in JSON.

import { join } from 'node:path'
import { runProgram } from './run-program.js'

export async function runPython<T>(
  python: string,
  script: string,
  task: object,
  env: Record<string, string> = {},
): Promise<T> {
  const path = join(import.meta.dirname, 'fixtures', script)
  const { code, stdout, said } = await runProgram(python, ['-B', path], { input: JSON.stringify(task), env })
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${said}`)
  return JSON.parse(stdout)
}

// What the runs of vitest came to, from their reports in JSON.
// `failed REPORT` prints the test files that failed. `totals FOLDER STATUS` prints one line for all reports in a folder,
// where the report `x-again.json` stands for the files of `x.json` that it has run once more.

import { existsSync, readdirSync, readFileSync } from 'node:fs'

const [command, where, status] = process.argv.slice(2)
if (command === 'failed') failed(where)
else totals(where, status)

function read(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

function failed(report) {
  if (!existsSync(report)) return
  for (const { name, status } of read(report).testResults) if (status === 'failed') console.log(name)
}

function totals(folder, exitCode) {
  const reports = readdirSync(folder).filter((name) => name.endsWith('.json'))
  const results = reports
    .filter((name) => !name.endsWith('-again.json'))
    .flatMap((name) => {
      const again = `${folder}/${name.replace('.json', '-again.json')}`
      const second = existsSync(again) ? read(again).testResults : []
      const repeated = new Set(second.map((file) => file.name))
      const first = read(`${folder}/${name}`).testResults
      return [...first.filter((file) => !repeated.has(file.name)), ...second]
    })
    .flatMap((file) => file.assertionResults.map(({ status }) => status))
  const count = (...statuses) => results.filter((each) => statuses.includes(each)).length
  const failures = count('failed')
  // A run can fail without a failed test, by a leak for one; then there is no honest line to print.
  if (results.length > 0 && (exitCode === '0') === (failures === 0)) {
    const passed = count('passed')
    console.log(`${passed} passed, ${failures} failed, ${results.length - passed - failures} skipped`)
  }
}

import { describe, expect, test } from 'vitest'
import { failureOf, UsageError } from '../../src/cli/failure.js'
import { FluxMailError } from '../../src/errors.js'
import { widthOf } from '../../src/terminal/text.js'
import { writeFiles } from './folder.js'
import { run } from './terminal.js'

const commands = ['demo', 'dev', 'enqueue', 'status', 'doctor', 'send', 'worker', 'sink']

describe('help', () => {
  test('without a command every command is listed', async () => {
    const { exitCode, stdout, stderr } = await run([])
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'))
  })

  test.each(commands)('of %s has an example of it, in 80 columns', async (command) => {
    const { exitCode, stdout } = await run([command, '--help'], { columns: 200 })
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(new RegExp(`\nExamples?:\n.*fluxmail ${command}`, 's'))
    for (const line of stdout.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80)
    expect((await run(['help', command])).stdout).toBe(stdout)
  })

  test('the version is that of the package', async () => {
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('exit codes', () => {
  const wrong: readonly (readonly [args: string[], message: RegExp])[] = [
    [['enqeue'], /unknown command 'enqeue' \(Did you mean enqueue\?\) \(invalid_params\)/],
    [['status', '--bach', 'x'], /unknown option '--bach' \(Did you mean --batch\?\)/],
    [['status', 'extra'], /too many arguments/],
    [['enqueue', '--csv', 'x.csv'], /required option '--template <file>' not specified/],
    [['status', '--batch', 'a', '--delivery', 'b'], /do not go together/],
    [['sink', '--port', '70000'], /--port takes a whole number from 0 to 65535, not "70000"/],
    [['sink', '--cert', 'nowhere.pem', '--key', 'nowhere.pem'], /nowhere.pem cannot be read: no such file/],
    [['send', '--subject', 's', '--recipients', 'a@x.example'], /there is no body/],
    [
      ['send', '--subject', 's', '--recipients', 'a@x.example', '--body-file', 'nowhere.txt'],
      /nowhere.txt cannot be read/,
    ],
    [
      ['send', '--subject', 's', '--recipients', 'a@x.example', '--body', 'b', '--timeout', 'soon'],
      /--timeout takes a number/,
    ],
  ]

  test.each(wrong)('1 when the command line or a file that it names is wrong: %j', async (args, message) => {
    const { exitCode, stdout, stderr } = await run(args)
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
    expect(stderr).toMatch(/^\[FluxMail ERROR\] .* \(\w+\)\n$/)
    expect(stderr).toMatch(message)
  })

  test('1 for an attachment that is not there', async () => {
    const args = [
      'send',
      '--host',
      'x.example',
      '--sender',
      'a@x.example',
      '--subject',
      's',
      '--recipients',
      'b@x.example',
    ]
    const { exitCode, stderr } = await run([...args, '--body', 'b', '--attachments', 'nowhere.pdf'])
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/nowhere\.pdf.* \(attachment_not_found\)/)
  })

  test('2 for what the library refuses', async () => {
    const args = ['send', '--host', 'x.example', '--subject', 's', '--recipients', 'b@x.example']
    const { exitCode, stderr } = await run([...args, '--body', 'b'], { env: { FLUXMAIL_SENDER: 'nobody' } })
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/^\[FluxMail ERROR\] .* \(invalid_email\)\n$/)
  })

  test('2 with advice when there is no Redis', async () => {
    const { exitCode, stderr } = await run(['status', '--redis', 'redis://127.0.0.1:1'])
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/FLUXMAIL_REDIS_URL says\? .*\(queue_unavailable\)/)
  })

  test('2 for a wrong environment, which is quoted', async () => {
    const { exitCode, stderr } = await run(['status'], { env: { FLUXMAIL_PORT: 'smtp' } })
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/FLUXMAIL_PORT must be a whole number.*\(invalid_config\)/s)
  })

  test('99 for anything else, with what to report', () => {
    const failure = failureOf(new TypeError('x is not a function'))
    expect(failure.exitCode).toBe(99)
    expect(failure.text).toMatch(/^\[FluxMail ERROR\].*x is not a function\n\s+at /s)
  })

  test('a fault of the command line stays one when the library has wrapped it', () => {
    const wrapped = new FluxMailError('queue_unavailable', 'outer', {
      cause: new UsageError('x.csv cannot be read', 'read_error'),
    })
    expect(failureOf(wrapped)).toEqual({
      text: '[FluxMail ERROR] x.csv cannot be read (read_error)',
      exitCode: 1,
    })
  })
})

describe('what a person sees', () => {
  test('errors are broken into lines on a terminal and are one line elsewhere', async () => {
    const [template = ''] = await writeFiles({ 'a.html': '<p>Hello</p>' })
    const args = [
      'enqueue',
      '--csv',
      `nowhere/${'x'.repeat(50)}.csv`,
      '--template',
      template,
      '--subject',
      's',
      '--sender',
      'a@x.example',
    ]
    const onTerminal = await run(args, { isTTY: true })
    expect(onTerminal.stderr.trimEnd().split('\n').length).toBeGreaterThan(1)
    expect((await run(args)).stderr.trimEnd().split('\n')).toHaveLength(1)
  })
})

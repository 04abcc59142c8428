import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { describe, expect, inject, test } from 'vitest'
import { runCommandLine } from '../../../src/cli/program.js'
import { widthOf } from '../../../src/terminal/text.js'
import { freshName } from '../../helpers/fresh-name.js'
import { newFolder, writeFiles } from '../folder.js'
import { openTerminal, run } from '../terminal.js'

const nowhere = ['--redis', 'redis://127.0.0.1:1']

/** A command line with everything but its rows. */
async function given(template = '<p>Hello {{ name }}</p>'): Promise<string[]> {
  const [path = ''] = await writeFiles({ 'mail.html': template })
  const content = ['--template', path, '--subject', 'Hi {{ name }}', '--sender', 'news@example.com']
  return ['enqueue', ...content, '--redis', inject('redisUrl'), '--name', freshName(), '--json']
}

async function rowsFile(content: string | Uint8Array, name = 'people.csv'): Promise<string[]> {
  const [path = ''] = await writeFiles({ [name]: content })
  return ['--rows', path]
}

describe('rows', () => {
  test.each([
    ['people.tsv', 'email\tname\na@example.com\tAda\n'],
    ['people.ndjson', '{"to":"a@example.com","name":"Ada"}\n'],
    ['people.csv.gz', gzipSync('email,name\na@example.com,Ada\n')],
    ['people.jsonl.gz', gzipSync('{"to":"a@example.com","name":"Ada"}\n')],
  ])('come from %s', async (name, content) => {
    const { exitCode, stdout, stderr } = await run([...(await given()), ...(await rowsFile(content, name))])
    expect(exitCode, stderr).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ total: 1, rejected: 0, duplicates: 0 })
  })

  test('come from standard input, with the format that is said', async () => {
    const stdin = Readable.from(['email|na', 'me\na@example.com|Ada\n'])
    const { exitCode, stdout } = await run([...(await given()), '--rows', '-', '--format', 'csv'], { stdin })
    expect(exitCode).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ total: 1 })
  })

  test('that were not given are asked for', async () => {
    const { exitCode, stderr } = await run(await given())
    expect(exitCode).toBe(1)
    expect(stderr).toContain('--rows FILE is missing')
  })

  test.each([
    ['--format', 'xml', '--format takes csv, tsv, ndjson, not "xml"'],
    ['--encoding', 'ebcdic', '--encoding takes utf-8, latin1, utf-16le, utf-16be, not "ebcdic"'],
    ['--delimiter', '::', '--delimiter takes one character, or tab, not "::"'],
  ])('%s %s is refused', async (flag, value, message) => {
    const { exitCode, stderr } = await run([...(await given()), ...(await rowsFile('')), flag, value])
    expect(exitCode).toBe(1)
    expect(stderr).toContain(message)
  })

  test('in Latin-1 are read, and it is said', async () => {
    const file = await rowsFile(Buffer.from('email,name\na@example.com,J\u00f6rg\n', 'latin1'))
    const { stdout, stderr } = await run([...(await given()), ...file, '--dry-run'])
    expect(stderr).toMatch(/people\.csv is not UTF-8: read as Latin-1 \(--encoding utf-8 insists\)/)
    expect(JSON.parse(stdout).samples[0].subject).toBe('Hi J\u00f6rg')
  })
})

describe('repeated addresses', () => {
  const people = 'email,name\na@example.com,1\nb@example.com,2\na@EXAMPLE.com,3\n'

  test('get one delivery, and are counted', async () => {
    const args = [...(await given()), ...(await rowsFile(people))]
    const { stdout, stderr } = await run(args)
    expect(JSON.parse(stdout)).toMatchObject({ total: 2, duplicates: 1, rejected: 0 })
    expect(stderr).toBe('1 row repeats an address, left out; --allow-duplicates keeps them\n')
  })

  test('get a delivery each with --allow-duplicates', async () => {
    const args = [...(await given()), ...(await rowsFile(people)), '--allow-duplicates']
    expect(JSON.parse((await run(args)).stdout)).toMatchObject({ total: 3, duplicates: 0 })
  })
})

describe('rejects', () => {
  const rows = Array.from({ length: 3_000 }, (_, index) => `r${index}@example.com,R${index}\n`)
  const bad = rows.toSpliced(2_000, 0, 'nobody,N\n').toSpliced(2_500, 0, 'nobody,N\n').join('')

  test('beyond --max-rejects end the import with 1; what was acknowledged stays, and it can go on', async () => {
    const args = [...(await given()), ...(await rowsFile(`email,name\n${bad}`)), '--batch', 'spring']
    const stopped = await run([...args, '--max-rejects', '1'])
    expect(stopped.exitCode).toBe(1)
    expect(stopped.stderr).toMatch(
      /deliver(y|ies) acknowledged, and will be sent\nto go on: the same command again\n/,
    )
    expect(stopped.stderr).toMatch(
      /stopped at line 2502 .*: more rows cannot be sent to than --max-rejects 1 allows \(invalid_params\)/,
    )
    const done = await run([...args, '--max-rejects', '2'])
    expect(done.exitCode, done.stderr).toBe(0)
    expect(JSON.parse(done.stdout)).toMatchObject({ total: 3_000, rejected: 2, sealed: true })
  })

  test('are written with line and reason whatever was wrong with them', async () => {
    const out = join(await newFolder(), 'rejects.csv')
    const file = await rowsFile(
      '{"to":"a@example.com","name":1}\n[1]\n{"to":"x","name":2}\n{"name":3}\n',
      'people.ndjson',
    )
    const { exitCode } = await run([...(await given()), ...file, '--rejects', out])
    expect(exitCode).toBe(0)
    expect((await readFile(out, 'utf8')).split('\r\n')).toEqual([
      'line,reason,row',
      '2,"it is an array, not an object",[1]',
      expect.stringMatching(/^3,.*has no @.*,x$/),
      '4,"it has no field to, email or address","{""name"":3}"',
      '',
    ])
  })

  test('are rows whose files are missing', async () => {
    const file = await rowsFile('email,name,attachments\na@example.com,1,nowhere.pdf\nb@example.com,2,\n')
    const { stdout, stderr } = await run([...(await given()), ...file])
    expect(JSON.parse(stdout)).toMatchObject({ total: 1, rejected: 1 })
    expect(stderr).toContain('line 2: attachments: there is no file nowhere.pdf')
  })
})

describe('--dry-run', () => {
  const template = '<h1>Dear {{ name }}</h1><p>{{ note }}</p>'
  const people = `email,name,note\na@example.com,Ada,x\nnobody,N,\nb@example.com,,\na@example.com,Ada,\nc@example.com,Cy,${'word '.repeat(300)}\n`
  const unsubscribe = ['--unsubscribe-url', `https://example.com/${'u'.repeat(90)}?e={{ email | urlencode }}`]

  test('checks and renders every row, and needs no Redis', async () => {
    const args = [...(await given(template)), ...(await rowsFile(people)), ...nowhere, '--dry-run']
    const { exitCode, stdout, stderr } = await run(args)
    expect(exitCode, stderr).toBe(0)
    const result = JSON.parse(stdout)
    expect(result).toMatchObject({ deliveries: 3, duplicates: 1, rejected: 1 })
    expect(result.samples).toMatchObject([
      { line: 2, why: 'first', to: 'Ada <a@example.com>', subject: 'Hi Ada' },
      { line: 4, why: 'most empty fields', to: 'b@example.com', subject: 'Hi' },
      { line: 6, why: 'longest', to: 'Cy <c@example.com>' },
    ])
  })

  test('shows three samples in 80 columns', async () => {
    const args = (await given(template)).filter((arg) => arg !== '--json')
    const { stdout } = await run([...args, ...(await rowsFile(people)), ...unsubscribe, '--dry-run'], {
      isTTY: true,
      columns: 80,
      env: { NO_COLOR: '1' },
    })
    expect(stdout).toMatch(/^Line 2, first\n {2}To {11}Ada <a@example\.com>\n {2}Subject {6}Hi Ada\n/)
    expect(stdout).toMatch(/… and \d+ lines more\n/)
    expect(stdout).toMatch(/\n3 deliveries would be enqueued; this was a dry run\n$/)
    for (const line of stdout.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80)
  })

  test('a row that its templates cannot render is a reject, and the first one is an error', async () => {
    const unlike = '{"to":"a@example.com","name":"A"}\n{"to":"b@example.com"}\n'
    const args = [...(await given()), ...(await rowsFile(unlike, 'people.ndjson')), '--dry-run']
    const { stdout, stderr } = await run(args)
    expect(JSON.parse(stdout)).toMatchObject({ deliveries: 1, rejected: 1 })
    expect(stderr).toMatch(/line 2: .*"name" is not defined/)
    const first = [
      ...(await given()),
      ...(await rowsFile(unlike.split('\n')[1] ?? '', 'people.ndjson')),
      '--dry-run',
    ]
    expect(await run(first)).toMatchObject({ exitCode: 2 })
  })

  test('without any row that can be sent to exits with 1', async () => {
    const args = [...(await given()), ...(await rowsFile('email,name\n')), '--dry-run']
    expect(await run(args)).toMatchObject({ exitCode: 1 })
  })
})

test('a schedule and a priority are those of the batch, and a run that goes on must have the same', async () => {
  const args = [
    ...(await given()),
    ...(await rowsFile('email,name\na@example.com,Ada\n')),
    '--batch',
    'later',
  ]
  const schedule = [
    '--send-at',
    '2099-05-01T09:00Z',
    '--send-window',
    'mon-fri 09:00-17:00 UTC',
    '--priority',
    '20',
  ]
  for (const _ of ['first', 'again']) {
    const { exitCode, stderr } = await run([...args, ...schedule])
    expect(exitCode, stderr).toBe(0)
  }
  expect(await run(args)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('(batch_conflict)') })
})

test('Ctrl-C ends the reading of an input that says nothing', async () => {
  const stdin = new Readable({ read() {} })
  const terminal = openTerminal({ stdin })
  const running = runCommandLine([...(await given()), '--rows', '-'], terminal)
  stdin.push('email,name\n')
  terminal.interrupt()
  expect(await running).toBe(130)
  expect(terminal.stderr.text).toMatch(/stopped; nothing is acknowledged\n/)
})

test('files of rows stand beside the file, or where --attachments-folder says', async () => {
  const file = await rowsFile('email,name,files\na@example.com,1,a.txt\n')
  const folder = await newFolder()
  await writeFile(join(folder, 'a.txt'), 'A')
  const args = [...(await given()), ...file, '--attachments-column', 'files', '--dry-run']
  expect(JSON.parse((await run(args)).stdout)).toMatchObject({ deliveries: 0, rejected: 1 })
  const found = await run([...args, '--attachments-folder', folder])
  expect(JSON.parse(found.stdout)).toMatchObject({ deliveries: 1, samples: [{ attachments: ['a.txt'] }] })
  await writeFile(join(dirname(file[1] ?? ''), 'a.txt'), 'A')
  expect(JSON.parse((await run(args)).stdout)).toMatchObject({ deliveries: 1 })
})

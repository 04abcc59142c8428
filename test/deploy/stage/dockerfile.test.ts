import { expect, test } from 'vitest'
import { parseDockerfile } from './dockerfile.js'
import { parseDockerignore } from './dockerignore.js'

test('stages, their steps and what the image states are read', () => {
  const [build, last] = parseDockerfile(`# A comment
ARG NODE=24.1.0
FROM node:\${NODE}-slim AS build
WORKDIR /app
COPY --chown=node a b ./
RUN one && \\
    # in between
    two $HOME
FROM node:\${NODE}-slim
ENV A=1 \\
    B="two words"
COPY --from=build /app/dist dist
USER node
EXPOSE 80 443/tcp
HEALTHCHECK --interval=10s --timeout=3s \\
  CMD ["node", "-e", "x"]
ENTRYPOINT ["node"]
CMD ["main.js"]
`)
  expect(build).toMatchObject({ name: 'build', from: 'node:24.1.0-slim' })
  expect(build?.instructions).toEqual([
    { name: 'WORKDIR', flags: {}, words: ['/app'] },
    { name: 'COPY', flags: { chown: 'node' }, words: ['a', 'b', './'] },
    { name: 'RUN', flags: {}, words: ['/bin/sh', '-c', expect.stringMatching(/^one &&\s+two \$HOME$/)] },
  ])
  expect(last?.instructions[0]).toMatchObject({ flags: { from: 'build' } })
  expect(last?.config).toEqual({
    env: { A: '1', B: 'two words' },
    user: 'node',
    workdir: '/',
    entrypoint: ['node'],
    cmd: ['main.js'],
    stopSignal: 'SIGTERM',
    healthcheck: ['node', '-e', 'x'],
    exposed: [80, 443],
  })
})

test('a stage built on another has what that one states', () => {
  const [, second] = parseDockerfile('FROM a AS one\nENV A=1\nWORKDIR /x\nFROM one\nENV B=$A')
  expect(second?.config).toMatchObject({ env: { A: '1', B: '1' }, workdir: '/x' })
})

test.each([
  ['an instruction that is not known', 'FROM a\nVOLUME /data', 'VOLUME'],
  ['an instruction before the first FROM', 'RUN true\nFROM a', 'RUN'],
  ['a here-document', 'FROM a\nRUN <<EOF', 'here-document'],
])('%s is an error', (_, text, said) => {
  expect(() => parseDockerfile(text)).toThrow(said)
})

test('the last pattern of .dockerignore that matches decides, for a folder and all in it', () => {
  const isLeftOut = parseDockerignore('# all but\n*\n!src\n!package.json\nsrc/**/*.test.ts\n')
  const paths = ['package.json', 'src', 'src/a/b.ts', 'src/b.test.ts', 'src/a/b.test.ts', '.env', 'dist/a.js']
  expect(paths.filter(isLeftOut)).toEqual(['src/b.test.ts', 'src/a/b.test.ts', '.env', 'dist/a.js'])
})

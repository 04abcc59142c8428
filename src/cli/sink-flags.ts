// The flags of `fluxmail sink`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { wholeNumber } from './options.js'
import { orderLines, type SinkCommandOptions, sink, sinkPorts } from './sink.js'

const help = `
It mails nobody. The local part of a recipient says how to misbehave:
${orderLines()
  .map((line) => `  ${line}`)
  .join('\n')}

Examples:
  fluxmail sink --port 2525 --http-port 8025 --folder ./mails
  fluxmail sink --slower-above 120 --answer 20     a relay that wants less`

export function addSink(program: Command, run: Runner): void {
  const port = (flag: string) => wholeNumber(flag, 0, 65_535)
  program
    .command('sink')
    .description('run an SMTP server that records mails and misbehaves on order')
    .option('--port <port>', `SMTP port, 0 for any free one (default: ${sinkPorts.smtp})`, port('--port'))
    .option(
      '--http-port <port>',
      `inbox page, 0 for any free one (default: ${sinkPorts.http})`,
      port('--http-port'),
    )
    .option('--no-http', 'without an inbox page')
    .option('--host <host>', 'where SMTP listens (default: 127.0.0.1)')
    .option('--http-host <host>', 'where the inbox page listens (default: 127.0.0.1)')
    .option('--folder <folder>', 'keep the mails here (default: in memory)')
    .option('--keep <count>', 'keep so many of the newest (default: all)', wholeNumber('--keep', 1))
    .option('--latency <ms>', 'hold back the reply to every message', wholeNumber('--latency', 0, 3_600_000))
    .option('--answer <ms>', 'answer everything so much later', wholeNumber('--answer', 0, 3_600_000))
    .option(
      '--slower-above <count>',
      'answer 451 4.7.1 above so many messages a second',
      wholeNumber('--slower-above', 0),
    )
    .option(
      '--max-messages <count>',
      'answer 421 after so many on a connection',
      wholeNumber('--max-messages', 1),
    )
    .option('--username <name>', 'demand this login')
    .option('--password <password>', 'and this password')
    .option('--cert <file>', 'offer STARTTLS with this certificate (PEM)')
    .option('--key <file>', 'and its key (PEM)')
    .option('--secure', 'TLS from the first byte')
    .option('--json', 'print the addresses as JSON')
    .addHelpText('after', help)
    .action(run<SinkCommandOptions>(sink))
}

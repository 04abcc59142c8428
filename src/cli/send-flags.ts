// The flags of `fluxmail send`.

import { type Command, Option } from 'commander'
import type { Runner } from './context.js'
import { UsageError } from './failure.js'
import { collect, positiveNumber, wholeNumber } from './options.js'
import { send } from './send.js'
import type { SendOptions } from './send-options.js'

const help = `
The relay may stand in the environment instead: FLUXMAIL_HOST, FLUXMAIL_PORT,
FLUXMAIL_USERNAME, FLUXMAIL_PASSWORD, FLUXMAIL_TLS and so on. A flag goes before
its variable.

Exit codes:
  0   sent
  1   the command line, or a file that it names, is wrong
  2   refused by FluxMail or the relay: [FluxMail ERROR] message (code)
  99  anything else

Example:
  fluxmail send --host 127.0.0.1 --port 2525 --sender me@example.com \\
    --recipients ada@example.com --subject Hello --body 'How are you?' --dry-run

  fluxmail send --recipients ada@example.com bob@example.com --subject News \\
    --body-file news.html --html --inline-css --inline-image logo=logo.png \\
    --attachments report.pdf

  fluxmail send --type outlook --recipients ada@example.com --subject Hello \\
    --body 'How are you?' --draft hello.eml`

export function addSend(program: Command, run: Runner): void {
  const command = program
    .command('send')
    .description('send one email now, without the queue')
    .requiredOption('--subject <text>', 'subject')
    .requiredOption('--recipients <address...>', 'who gets it')
    .option('--body <text>', 'body')
    .option('--body-file <file>', 'file with the body; - is standard input')
    .option('--html', 'the body is HTML')
    .option('--plain-body <text>', 'text beside an HTML body (default: made from it)')
    .option('--sender <address>', 'From (default: FLUXMAIL_SENDER, or the login name)')
    .option('--cc <address...>', 'copies')
    .option('--bcc <address...>', 'hidden copies')
    .option('--reply-to <address>', 'where answers go')
    .option('--attachments <file...>', 'files to attach')
    .option('--inline-image <cid=path...>', 'images for <img src="cid:…"> in HTML')
    .option('--inline-css', 'move the style rules into the elements')
    .option('--priority <priority>', 'high, normal or low')
    .option('--unsubscribe-url <url>', 'https URL for one-click unsubscribing')
    .option('--header <line>', "further header, 'Name: value'; may be repeated", collect)
    .option('--dry-run', 'print the email and touch no network')
    .option('--draft <file>', 'write an .eml that mail programs open for composing, and send nothing')
  addRelayFlags(command)
    .option('--json', 'print the result, or what was wrong, as JSON')
    .addHelpText('after', help)
    .action(run<SendOptions>(send))
  refuseMisnamed(command)
}

/** Near misses that are told before anything else is, such as a flag that is missing for want of the right word. */
const misnamed: Readonly<Record<string, string>> = {
  recipient: 'recipients',
  to: 'recipients',
  from: 'sender',
  text: 'body',
  'html-body': 'html',
  attachment: 'attachments',
  'inline-images': 'inline-image',
  headers: 'header',
}

/** Hidden flags that say which one is meant; any flag with `_` for `-` among them. */
function refuseMisnamed(command: Command): void {
  const names = command.options.flatMap(({ long }) => (long?.includes('-', 2) ? [long.slice(2)] : []))
  const meant = { ...misnamed, ...Object.fromEntries(names.map((name) => [name.replaceAll('-', '_'), name])) }
  for (const [name, right] of Object.entries({ ...meant, html_body: 'html' })) {
    command.addOption(new Option(`--${name} [value...]`).hideHelp())
    command.on(`option:${name}`, () => {
      throw new UsageError(`there is no --${name}; did you mean --${right}?`)
    })
  }
}

function addRelayFlags(command: Command): Command {
  return command
    .option('--host <host>', 'the SMTP relay')
    .option('--port <port>', '465 with --ssl, 587 with --tls, else 25', wholeNumber('--port', 1, 65_535))
    .option('--username <name>', 'login name')
    .option('--password <password>', 'login password; FLUXMAIL_PASSWORD keeps it from the process list')
    .option('--tls', 'require STARTTLS')
    .option('--ssl', 'TLS from the first byte')
    .option(
      '--timeout <seconds>',
      'for connecting and replies (default: 30)',
      positiveNumber('--timeout', 0.001),
    )
    .option(
      '--max-retries <count>',
      'further tries of what is transient (default: 0)',
      wholeNumber('--max-retries', 0),
    )
    .option('--retry-delay <seconds>', 'wait between them (default: 1)', positiveNumber('--retry-delay'))
    .option('--type <type>', 'smtp, or outlook: opens the email there; elsewhere than on Windows as a draft')
}

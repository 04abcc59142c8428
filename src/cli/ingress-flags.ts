// The flags of `fluxmail ingress`.

import type { Command } from 'commander'
import type { Runner } from './context.js'
import { type IngressCommandOptions, ingress } from './ingress.js'
import { queueHelp } from './open-queue.js'
import { wholeNumber } from './options.js'

const help = `
Apps in any language send through it as through any SMTP server; it answers 250
once Redis has the message, and workers deliver it. Without TLS and users it
listens on loopback only. The environment configures it as well; the README lists
the FLUXMAIL_INGRESS_ variables.

Examples:
  fluxmail ingress
  fluxmail ingress --hash-password
  fluxmail ingress --host 0.0.0.0 --port 587 --secure-port 465 \\
    --key key.pem --cert cert.pem --users users.json

users.json, with what --hash-password prints:
  [{ "username": "shop", "passwordHash": "$scrypt$ln=15,r=8,p=1$...",
     "senders": ["@example.com"] }]`

export function addIngress(program: Command, run: Runner): void {
  program
    .command('ingress')
    .description('take mail in by SMTP submission and enqueue it')
    .option('--redis <url>', 'where Redis is (default: FLUXMAIL_REDIS_URL)')
    .option(...queueHelp.name)
    .option('--config <file>', "the workers' lanes (default: FLUXMAIL_CONFIG)")
    .option('--host <host>', 'where it listens (default: 127.0.0.1)')
    .option('--port <port>', 'with STARTTLS; 0 for any free one, off for none (default: 2587)')
    .option('--secure-port <port>', 'with TLS from the first byte (default: none)')
    .option('--key <file>', 'its private key (PEM)')
    .option('--cert <file>', 'and its certificate (PEM)')
    .option('--users <file>', 'who may log in (JSON)')
    .option(
      '--http-port <port>',
      'for metrics and health (default: 9465)',
      wholeNumber('--http-port', 0, 65_535),
    )
    .option('--hash-password', 'read a password from standard input and print its hash')
    .addHelpText('after', help)
    .action(run<IngressCommandOptions>(ingress))
}

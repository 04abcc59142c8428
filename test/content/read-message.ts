// What two parsers that share no code make of a message, in a form in which two messages can be compared:
// mailparser, and Python's email.

import { type AddressObject, simpleParser } from 'mailparser'
import { readHeader, withLineFeeds } from './mail-strings.js'

/** As JSON, so that a difference can be read. */
export type ReadMessage = Readonly<Record<string, unknown>>

export async function readByMailparser(bytes: Buffer, headers: readonly string[]): Promise<ReadMessage> {
  const mail = await simpleParser(bytes, { keepCidLinks: true, skipTextToHtml: true })
  return {
    subject: mail.subject,
    messageId: mail.messageId,
    date: mail.date?.toISOString(),
    from: mailboxes(mail.from),
    to: mailboxes(mail.to),
    cc: mailboxes(mail.cc),
    replyTo: mailboxes(mail.replyTo),
    inReplyTo: mail.inReplyTo,
    references: mail.references,
    priority: mail.priority,
    text: bodyText(mail.text),
    html: bodyText(mail.html || undefined),
    headers: headers.map((name) => [name, readHeader(bytes, name)]),
    files: mail.attachments.map(({ filename, contentType, contentDisposition, cid, content }) => ({
      ...{ filename, contentType, contentDisposition, cid },
      content: content.toString('base64'),
    })),
  }
}

function mailboxes(given: AddressObject | AddressObject[] | undefined): string[] {
  const objects = given === undefined ? [] : [given].flat()
  return objects.flatMap(({ value }) => value.map(({ name, address }) => `${name}|${address}`))
}

function bodyText(text: string | undefined): string {
  return withLineFeeds(text ?? '').replace(/\n$/, '')
}

/** Reads base64 of messages in a JSON list, writes a JSON list of what they are. */
export const pythonReader = `
import base64, email, email.policy, json, sys
task = json.load(sys.stdin)
# It leaves the space between two encoded words in a name, which it should not (RFC 2047, 6.2).
def mailboxes(value):
    return [] if value is None else [[each.display_name.replace(' ', ''), each.addr_spec] for each in value.addresses]
def leaf(part):
    payload = part.get_payload(decode=True)
    kind = part.get_content_type()
    body = part.get_content_disposition() is None and part.get_content_maintype() == 'text'
    content = base64.b64encode(payload).decode()
    if body:
        content = payload.decode('utf-8').replace('\\r\\n', '\\n').removesuffix('\\n')
    return [kind, part.get_content_charset() if body else None, part.get_content_disposition(),
            part.get_filename(), part.get('Content-ID'), content]
def read(raw):
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert not mail.defects, mail.defects
    return {
        'subject': mail['Subject'],
        'mailboxes': [mailboxes(mail[name]) for name in ('From', 'To', 'Cc', 'Reply-To')],
        'date': mail['Date'].datetime.isoformat(),
        'ids': [mail[name] and mail[name].split() for name in ('Message-ID', 'In-Reply-To', 'References')],
        'headers': [[name, mail[name]] for name in task['headers']],
        'leaves': [leaf(part) for part in mail.walk() if not part.is_multipart()],
    }
json.dump([read(base64.b64decode(each)) for each in task['messages']], sys.stdout)
`

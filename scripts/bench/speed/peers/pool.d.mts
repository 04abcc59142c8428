export interface RenderedMail {
  readonly from: string
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

export function renderer(source: string): (row: Readonly<Record<string, string>>) => RenderedMail

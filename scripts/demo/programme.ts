// The attachment of the newsletter: a PDF of one page with the standard fonts, written by hand.

const lines: readonly [size: number, font: 'F1' | 'F2', text: string, gap: number][] = [
  [26, 'F2', 'Spring programme', 40],
  [12, 'F1', 'Harbour Botanic Garden', 44],
  [13, 'F2', 'Saturday 6 March, 10:00', 18],
  [12, 'F1', 'The tide-pool garden: what grows between two tides', 32],
  [13, 'F2', 'Sunday 14 March, 14:00', 18],
  [12, 'F1', 'The old glasshouse: a hundred and forty years under one roof', 32],
  [13, 'F2', 'Friday 19 March, 18:30', 18],
  [12, 'F1', 'The orchard at dusk: grafting for beginners, with cider', 32],
  [13, 'F2', 'Saturday 27 March, 09:00', 18],
  [12, 'F1', 'The camellia walk, and breakfast in the fernery', 48],
  [10, 'F1', 'Every walk starts at the east gate and takes about ninety minutes.', 15],
  [10, 'F1', 'This garden was invented for a demonstration; no walk takes place.', 15],
]

export function programme(): Buffer {
  const content = pageContent()
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 420 595] /Contents 6 0 R /Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> >>',
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>',
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    '<< /Title (Spring programme) /Author (Harbour Botanic Garden) >>',
  ]
  let body = '%PDF-1.4\n%\xe2\xe3\xcf\xd3\n'
  const offsets = objects.map((object, index) => {
    const offset = body.length
    body += `${index + 1} 0 obj\n${object}\nendobj\n`
    return `${String(offset).padStart(10, '0')} 00000 n \n`
  })
  const table = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${offsets.join('')}`
  const trailer = `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info 7 0 R >>\nstartxref\n${body.length}\n%%EOF\n`
  return Buffer.from(body + table + trailer, 'latin1')
}

function pageContent(): string {
  const bands = '0.08 0.24 0.22 rg 0 571 420 24 re f 0.96 0.66 0.38 rg 0 565 420 6 re f'
  let y = 510
  const text = lines.map(([size, font, words, gap]) => {
    const line = `BT /${font} ${size} Tf 0.08 0.24 0.22 rg 48 ${y} Td (${words}) Tj ET`
    y -= gap
    return line
  })
  return [bands, ...text].join('\n')
}

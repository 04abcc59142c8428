// Names of temporary files on Windows: no attachment may name a device, a stream, a pattern or another folder.

const reserved = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)/i
const maxLength = 100

/** The name, with what Windows does not take in a file name replaced by `_`; its extension stays. */
export function safeFilename(name: string): string {
  const plain = name.replace(/[<>:"/\\|?*\p{C}]/gu, '_').replace(/^\s+|[\s.]+$/gu, '')
  const short = shorten(plain === '' ? '_' : plain)
  return reserved.test(short) ? `_${short}` : short
}

function shorten(name: string): string {
  if (name.length <= maxLength) return name
  const extension = /\.[\p{L}\p{N}]{1,10}$/u.exec(name)?.[0] ?? ''
  // By characters: half of one is no character.
  const characters = [...name].slice(0, Math.floor((maxLength - extension.length) / 2))
  return `${characters.join('').replace(/[\s.]+$/u, '')}${extension}`
}

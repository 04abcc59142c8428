// Which provider takes the mail of a domain: by the domain itself, or by the names of its MX hosts.
// Only domains that are a provider's own for sure; everything else is `other`.

/** For every domain that is not in the table. */
export const otherProvider = 'other'

/** What a report calls all of them together: no provider's own name. */
export const allProviders = 'all'

const ends = (name: string, suffixes: string) => suffixes.split(' ').map((suffix) => `${name}.${suffix}`)

const domainsOf: Readonly<Record<string, readonly string[]>> = {
  google: ['gmail.com', 'googlemail.com', 'google.com'],
  microsoft: [
    ...ends(
      'outlook',
      'com com.ar com.au com.br com.gr com.tr com.vn co.id co.il co.th at be cl cz de dk es',
    ),
    ...ends('outlook', 'fr hu ie in it jp kr lv my ph pt sa sg sk'),
    ...ends('hotmail', 'com com.ar com.br com.tr co.jp co.uk be ca ch de dk es fi fr gr it nl no se'),
    ...ends(
      'live',
      'com com.ar com.au com.mx com.pt co.uk at be ca cl cn de dk fi fr hk ie in it jp nl no se',
    ),
    'msn.com',
    'windowslive.com',
    'microsoft.com',
  ],
  yahoo: [
    ...ends('yahoo', 'com com.ar com.au com.br com.hk com.mx com.my com.ph com.sg com.tr com.tw com.vn'),
    ...ends('yahoo', 'ca co.id co.in co.nz co.th co.uk de dk es fr gr hu ie in it nl no pl pt ro se'),
    'ymail.com',
    'rocketmail.com',
    'myyahoo.com',
    'aol.com',
    'aim.com',
  ],
  apple: ['icloud.com', 'me.com', 'mac.com'],
}

/** Ends of the names of MX hosts: those of the domains that people have at these providers. */
const hostsOf: Readonly<Record<string, readonly string[]>> = {
  google: ['google.com', 'googlemail.com'],
  microsoft: ['outlook.com', 'mx.microsoft'],
  yahoo: ['yahoodns.net'],
  apple: ['mail.icloud.com'],
}

/** The providers that there are unless more are configured. */
export const knownProviders: readonly string[] = [...Object.keys(domainsOf), otherProvider]

type Table = ReadonlyMap<string, string>

function tableOf(names: Readonly<Record<string, readonly string[]>>): Table {
  return new Map(Object.entries(names).flatMap(([provider, all]) => all.map((name) => [name, provider])))
}

const domains = tableOf(domainsOf)
const hosts = tableOf(hostsOf)

/** The provider of a domain in its normal form; undefined where the table does not have it. */
export function providerOfDomain(domain: string, more: Table): string | undefined {
  return more.get(domain) ?? domains.get(domain)
}

/** The provider whose host this is, by any end of its name. */
export function providerOfHost(host: string, more: Table): string | undefined {
  const labels = host.toLowerCase().replace(/\.$/, '').split('.')
  for (let from = 0; from < labels.length - 1; from += 1) {
    const end = labels.slice(from).join('.')
    const provider = more.get(end) ?? hosts.get(end)
    if (provider !== undefined) return provider
  }
  return undefined
}

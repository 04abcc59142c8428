// The filters of templates by name: those of Nunjucks, rewritten so that each pays for what it builds.
// `random` is left out: a message that is rendered again must come out the same.

import type { Filter } from './template-filter.js'
import { listFilters } from './template-list-filters.js'
import { textFilters } from './template-text-filters.js'

const filters: ReadonlyMap<string, Filter> = new Map<string, Filter>(
  Object.entries({ ...textFilters, ...listFilters }),
)

export function findFilter(name: string): Filter | undefined {
  return filters.get(name)
}

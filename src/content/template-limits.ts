// What one template may cost, so that none can stop a worker: about 0.2 s and some megabytes at the most.

export const limits = {
  /** Steps of one rendering: loop turns, outputs, calls, and 16 characters of a string that is built. */
  steps: 1_000_000,
  outputChars: 2_000_000,
  rangeItems: 10_000,
  /** Macros that call each other. */
  depth: 64,
  sourceChars: 1_000_000,
  blankRunChars: 1000,
  /** Files that include each other. */
  includeDepth: 20,
} as const

// Where the package lies, for commands and for scripts, which find it by this door.

export { packageRoot } from '../package-root.js'

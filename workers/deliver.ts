// A worker process: takes deliveries out of Redis and hands them to relays, as the environment says.

import { openDeliverRole } from '../src/ops/deliver.js'
import { run } from './run.js'

await run((stop) => openDeliverRole(undefined, stop))

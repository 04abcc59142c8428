// An ingress process: takes mail in by SMTP submission and enqueues it, as the environment says.

import { openIngressRole } from '../src/ops/ingress.js'
import { run } from './run.js'

await run(() => openIngressRole())

# A peer: FluxMail (Python)'s own BulkSender, over its one connection. argv: port, count, a file of JSON lines, each the
# keyword arguments of one message. Its name must not be that of the package.

import json
import sys
import time

from fluxmail import BulkSender, FluxMail

port, count, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
with open(path, encoding="utf-8") as lines:
    messages = [json.loads(line) for line in lines][:count]
mailer = FluxMail(object_type="smtp", host="127.0.0.1", port=port)
started = time.process_time()
result = BulkSender(mailer).send_batch(messages, progress=False)
print(json.dumps({"sent": result["sent"], "failed": result["failed"], "cpuMs": 1000 * (time.process_time() - started)}))

"""Ask a service on this machine how it is: `healthcheck.py PORT PATH`.  Standard library only, so it is quick."""

import http.client
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=3)
connection.request("GET", sys.argv[2])
sys.exit(0 if connection.getresponse().status < 400 else 1)

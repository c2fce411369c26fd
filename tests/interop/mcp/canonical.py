"""Writes every example of a file of webhooks as RFC 8785 has it, one a line."""

import json
import sys

import rfc8785

with open(sys.argv[1], encoding="utf-8") as file:
    events = json.load(file)
for event in events:
    for example in event["examples"]:
        sys.stdout.write(rfc8785.dumps(example).decode() + "\n")

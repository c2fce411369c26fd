"""Checks an exported ledger of ActionPass from its first record on. See README.md beside this file.

    pip install rfc8785
    actionpass ledger export > ledger.jsonl
    python check_ledger.py ledger.jsonl [SEQ:sha256:HASH]...
"""

import hashlib
import json
import sys

import rfc8785

MAX_ENTRY_BYTES = 65_535
FIRST_PREVIOUS = "sha256:" + 64 * "0"
MEMBERS = {"schema", "log", "seq", "id", "time", "kind", "issuer", "body", "previousLedgerHash", "ledgerHash"}
OPTIONAL = {"tenant", "trace", "ext"}


class Broken(Exception):
    """What is wrong first, and with which record."""


def check_ledger(lines, known=()):
    """The number of records and the last hash. `known` has (seq, hash) of records that the log must hold."""
    seq, previous, owner = 0, FIRST_PREVIOUS, None
    for line in lines:
        record = read(line, seq)
        # The entry is the canonical record without its own hash. Its kind and body are any.
        stated = record.pop("ledgerHash")
        entry = rfc8785.dumps(record)
        check(len(entry) <= MAX_ENTRY_BYTES, seq, "ledger_malformed: the entry is too large")
        check(stated == "sha256:" + hashlib.sha256(entry).hexdigest(), seq, "ledger_hash_mismatch")
        owner = owner or (record["log"], record["issuer"])
        check((record["log"], record["issuer"]) == owner, seq, "ledger_log_mismatch")
        check(record["seq"] == seq, seq, "ledger_sequence_broken")
        check(record["previousLedgerHash"] == previous, seq, "ledger_chain_broken")
        check(all(stated == hash for at, hash in known if at == seq), seq, "ledger_forked")
        seq, previous = seq + 1, stated
    check(all(at < seq for at, _ in known), seq, "ledger_truncated")
    return seq, previous


def read(line, seq):
    try:
        record = json.loads(line.decode(), object_pairs_hook=unique, parse_constant=refuse)
        canonical = rfc8785.dumps(record)  # Refuses numbers beyond 2^53 and lone surrogates.
    except (ValueError, RecursionError) as error:
        raise Broken(f"record {seq}: ledger_malformed: {error}") from error
    check(line.removesuffix(b"\n") == canonical, seq, "ledger_malformed: not its canonical bytes")
    whole = isinstance(record, dict) and MEMBERS <= set(record) <= MEMBERS | OPTIONAL
    check(whole and record["schema"] == "actionpass.record.v1", seq, "ledger_malformed: not a record")
    return record


def unique(members):
    """json.loads would keep the last of two members of one name."""
    if len(dict(members)) != len(members):
        raise ValueError("a member stands twice")
    return dict(members)


def refuse(constant):
    raise ValueError(f"{constant} is not JSON")


def check(holds, seq, fault):
    if not holds:
        raise Broken(f"record {seq}: {fault}")


def head(text):
    seq, _, ledger_hash = text.partition(":")
    return int(seq), ledger_hash


if __name__ == "__main__":
    try:
        with open(sys.argv[1], "rb") as file:
            size, last = check_ledger(file, [head(text) for text in sys.argv[2:]])
    except Broken as broken:
        sys.exit(f"broken: {broken}")
    print(f"whole: {size} records, head {size - 1}:{last}" if size else "whole: 0 records")

"""docs/spec/tools.md a second time: reads vectors and says for each whether it derives the same.

    python3 normalize.py VECTORS.json...

A file of vectors is {"catalogue": TOML, "calls": [{"call": ..., "is": {"tool", "resource", "payload"} | {"code", "path"?}}],
"definitions": [{"list": TEXT, "meta": [...], "hashes": {NAME: HASH} | {"code": ...}}]}. Arguments are JSON that was admitted, so
that this only has to read it. Schemas are not looked at.
"""

import hashlib
import json
import math
import re
import sys
import tomllib
import unicodedata
from decimal import Decimal

UNRESERVED = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
LABEL = re.compile(r"[a-z0-9_-]+")


class Refused(Exception):
    def __init__(self, code, path=None):
        self.code, self.path = code, path


def encode(text):
    return "".join(chr(b) if chr(b) in UNRESERVED else f"%{b:02X}" for b in text.encode())


def decode(text, refusal):
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise refusal
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), text.encode())
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise refusal
    if any(unicodedata.category(c) == "Cc" for c in text):
        raise refusal
    return text


def is_tool_name(name):
    parts = name.split("/")
    return len(name) <= 128 and all(re.fullmatch(r"[A-Za-z0-9_.-]+", p) and p not in (".", "..") for p in parts)


def is_server_name(name):
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) is not None


def is_host(host):
    name, colon, port = host.rpartition(":")
    if not colon:
        name, port = host, "1"
    return len(host) <= 255 and all(LABEL.fullmatch(p) for p in name.split(".")) and re.fullmatch(r"[0-9]{1,5}", port)


# Paths. Of docs/spec/policy.md, "Tests", what the generated calls have: not every list of characters.

HIDDEN = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\uffff]")


def is_safe_segment(segment, first):
    stem = segment.split(".")[0].strip()
    port = re.fullmatch(r"(?i)(com|lpt)[0-9]", stem)
    device = stem.upper() in ("AUX", "CLOCK$", "CON", "CONIN$", "CONOUT$", "NUL", "PRN")
    bad_end = not segment or segment[-1] == "." or segment[-1].isspace()
    bad_start = first and segment[:1] in ("~", "$")
    short = re.search(r"~[0-9]+$", stem)
    return not (bad_end or bad_start or short or port or device or segment.lower() == "..namedfork")


def is_safe_path(path):
    def plain(path):
        if re.search(r'[\\:%<>"|*?]', path) or HIDDEN.search(path) or any(unicodedata.category(c) == "Cc" for c in path):
            return False
        return all(is_safe_segment(s, at == 0) for at, s in enumerate(path.split("/")))

    if not plain(path) or not unicodedata.is_normalized("NFC", path):
        return False
    compatible = unicodedata.normalize("NFKC", path)
    return plain(compatible) and compatible.count("/") == path.count("/")


# Resources.


def folded(name):
    return name.upper().lower().replace("i\u0307", "i").casefold()


def look_up(payload, path):
    value = payload
    for name in path.split(".")[1:]:
        if not isinstance(value, dict):
            raise Refused("call_value_missing", path)
        if any(other != name and folded(other) == folded(name) for other in value):
            raise Refused("call_value_shadowed", path)
        if name not in value:
            raise Refused("call_value_missing", path)
        value = value[name]
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Refused("call_value_type", path)


def placeholder(inner, payload, root, fold):
    path = inner.removeprefix("path:")
    value = look_up(payload, path)
    if value == "":
        raise Refused("call_value_empty", path)
    if any(s in (".", "..") for s in re.split(r"[/\\]", value)):
        raise Refused("call_value_dots", path)
    if path in fold:
        if not value.isascii():
            raise Refused("call_value_not_foldable", path)
        value = value.lower()
    if path == inner:
        return encode(value)
    segments = [s for s in value.split("/") if s]
    if segments and not is_safe_path("/".join(segments)):
        raise Refused("call_path_unsafe", path)
    if not value.startswith("/"):
        segments = [s for s in root.split("/") if s] + segments
    return "".join("/" + encode(s) for s in segments) or "/"


def fill(template, payload, root, fold):
    resource = re.sub(r"\{([^}]*)\}", lambda m: placeholder(m[1], payload, root, fold), template)
    if len(resource) > 2048:
        raise Refused("call_too_large")
    return resource


# Requests.


def segments_of(path):
    refusal = Refused("call_path_ambiguous", "path")
    if not path.startswith("/"):
        raise refusal
    segments = path[1:].split("/") if path != "/" else []
    decoded = []
    for segment in segments:
        if not re.fullmatch(r"[A-Za-z0-9._~%@!$&'()*+,=:-]+", segment):
            raise refusal
        text = decode(segment, refusal)
        if text in (".", "..") or re.search(r"[/\\]|%[0-9A-Fa-f]{2}", text):
            raise refusal
        decoded.append(text)
    return decoded


def query_of(query):
    refusal = Refused("call_query_ambiguous", "query")
    members = {}
    for pair in query.split("&") if query else []:
        if not re.fullmatch(r"[A-Za-z0-9._~%=!$'()*,:@/?-]*", pair):
            raise refusal
        name, equals, value = pair.partition("=")
        name = decode(name, refusal)
        if not name or name in members:
            raise refusal
        members[name] = decode(value, refusal) if equals else True
    return members


def headers_of(names, headers):
    found = {}
    for name in names:
        refusal = Refused("call_header_ambiguous", f"headers.{name}")
        values = [value for other, value in headers if other.lower() == name]
        if len(values) > 1:
            raise refusal
        for value in values:
            value = value.strip(" \t")
            if not re.fullmatch(r"[ -~]*", value):
                raise refusal
            found[name] = value
    return found


def captured(pattern, segments):
    """What stands in named segments and how exact the pattern is; None if it isn't one of these."""
    pattern = [] if pattern == "" else pattern.split("/")
    if len(pattern) != len(segments):
        return None
    captures, literal = {}, []
    for part, segment in zip(pattern, segments):
        if part.startswith("{"):
            captures[part[1:-1]] = segment
        elif part != segment:
            return None
        literal.append(not part.startswith("{"))
    return captures, literal


class Catalogue:
    def __init__(self, text):
        file = tomllib.loads(text)
        self.servers = {server["name"]: server for server in file.get("server", [])}
        self.entries = file.get("tool", [])

    def normalize(self, call):
        if "method" in call:
            return self.request(call)
        server, name, payload = call["server"], call["tool"], call["arguments"]
        if not is_server_name(server):
            raise Refused("call_not_normalizable", "server")
        if not is_tool_name(name):
            raise Refused("call_not_normalizable", "tool")
        if not isinstance(payload, dict):
            raise Refused("call_arguments_not_object", "payload")
        best, length = {}, -1
        for entry in self.entries:
            if entry["match"].startswith("http:"):
                continue
            of, _, match = entry["match"].partition("/")
            if of != server:
                continue
            if match == name:
                best, length = entry, math.inf
            elif match.endswith("*") and name.startswith(match[:-1]) and len(match) - 1 > length:
                best, length = entry, len(match) - 1
        root = best.get("root", self.servers.get(server, {}).get("root", ""))
        return {
            "tool": best.get("tool", f"mcp/{server}/{name}"),
            "resource": fill(best.get("resource", f"server:{server}"), payload, root, best.get("fold", [])),
            "payload": payload,
        }

    def request(self, call):
        host = "".join(c.lower() if c.isascii() else c for c in call["host"])
        if not is_host(host):
            raise Refused("call_not_normalizable", "host")
        path, _, query = call["target"].partition("?")
        segments = segments_of(path)
        best = None
        for entry in self.entries:
            if not entry["match"].startswith("http:"):
                continue
            method, target = entry["match"][5:].split(" ")
            of, _, pattern = target.partition("/")
            found = captured(pattern, segments) if (method, of) == (call["method"], host) else None
            if found and (best is None or all(a or not b for a, b in zip(found[1], best[2]))):
                best = (entry, found[0], found[1], pattern)
        if best is None:
            raise Refused("call_not_mapped")
        entry, captures, _, pattern = best
        query = query_of(query)
        payload = {"path": captures, "query": query}
        if "body" in call:
            payload["body"] = call["body"]
        if "headers" in entry:
            payload["headers"] = headers_of(entry["headers"], call.get("headers", []))
        parts = [p if not p.startswith("{") else ":" + p[1:-1] for p in pattern.split("/")] if pattern else []
        default = f"http:{call['method']}:{host}" + "".join("/" + p for p in parts)
        root = entry.get("root", "")
        return {
            "tool": entry.get("tool", default),
            "resource": fill(entry.get("resource", f"host:{host}"), payload, root, entry.get("fold", [])),
            "payload": payload,
        }


# Definitions.


def number(text):
    """A number as the gate admits it, or the object that stands for one that it refuses."""
    double = float(text)
    exact = math.isfinite(double) and Decimal(repr(double)) == Decimal(text)
    whole = exact and double == int(double)
    # Neither what was written nor the canonical text may be an integer literal outside of ±(2^53−1).
    written_out = re.fullmatch(r"-?[0-9]+", text) or (whole and abs(double) < 1e21)
    if not exact or (whole and written_out and abs(int(double)) > 2**53 - 1):
        return {"actionpass.number": text}
    return int(double) if whole and abs(double) < 1e21 else double


def canonical(value):
    """RFC 8785, for the numbers that the vectors have."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(n)}:{canonical(value[n])}" for n in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        text = repr(value)
        mantissa, e, exponent = text.partition("e")
        return text if not e else f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"
    return json.dumps(value, ensure_ascii=False)


def definitions(text, meta):
    hashes = {}
    for tool in json.loads(text, parse_int=number, parse_float=number):
        kept = {name: value for name, value in tool.get("_meta", {}).items() if name in meta}
        tool = {name: value for name, value in tool.items() if name != "_meta"} | ({"_meta": kept} if kept else {})
        hashes[tool["name"]] = "sha256:" + hashlib.sha256(canonical(tool).encode()).hexdigest()
    return hashes


def main():
    wrong = count = 0
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            vectors = json.load(file)
        catalogue = Catalogue(vectors["catalogue"])
        for vector in vectors["calls"]:
            try:
                found = catalogue.normalize(vector["call"])
            except Refused as refused:
                found = {"code": refused.code} | ({"path": refused.path} if refused.path else {})
            count += 1
            if found != vector["is"]:
                wrong += 1
                print(f"{name}: {vector['call']}\n  here {found}\n  there {vector['is']}")
        for vector in vectors.get("definitions", []):
            found = definitions(vector["list"], vector["meta"])
            count += 1
            if found != vector["hashes"]:
                wrong += 1
                print(f"{name}: {vector['list']}\n  here {found}\n  there {vector['hashes']}")
    print(f"{count - wrong} of {count} alike")
    sys.exit(wrong > 0)


main()

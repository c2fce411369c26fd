#!/usr/bin/env python3
"""A second implementation of docs/spec/display.md, standard library only, but for the end of a section (`rest`).

    view.py TABLE VECTOR...

computes the view of each vector from its action, rules and facts, and compares it and its hash with those of the vector.
"""

import bisect
import hashlib
import json
import sys

FLAGS = ["control", "bidi", "tag", "hidden", "blank", "stacked", "private", "unassigned", "look_alike", "mixed_script",
         "whole_script"]
TAKEN = ("always", "words")
EAST_ASIAN = {"Hanb", "Jpan", "Kore"}


# RFC 8785.

def number(value):
    if value == 0:
        return "0"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        text = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        power = point - 1
        text = digits[0] + ("." + digits[1:] if digits[1:] else "") + "e" + ("+" if power > 0 else "-") + str(abs(power))
    return ("-" if value < 0 else "") + text


def string(text):
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(short.get(c, "\\u%04x" % ord(c) if c < " " else c) for c in text) + '"'


def members(value):
    return sorted(value, key=lambda name: name.encode("utf-16-be"))


def canonical(value):
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return string(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return "{" + ",".join(string(name) + ":" + canonical(value[name]) for name in members(value)) + "}"


def digest(value):
    return "sha256:" + hashlib.sha256(canonical(value).encode()).hexdigest()


# The table.

class Table:
    def __init__(self, text):
        self.kinds = {"class": [], "script": [], "like": []}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                span, kind, rest = line.split(" ", 2)
                first, _, last = span.partition("-")
                self.kinds[kind].append((int(first, 16), int(last or first, 16), rest))

    def find(self, kind, character):
        ranges = self.kinds[kind]
        at = bisect.bisect(ranges, (ord(character), 0x110000, "")) - 1
        if at >= 0 and ranges[at][0] <= ord(character) <= ranges[at][1]:
            return ranges[at][2]
        return None

    def cls(self, character):
        return self.find("class", character)

    def scripts(self, character):
        if character.isascii():
            return {"Latn"} if character.isalpha() else None
        found = self.find("script", character)
        return set(found.split(",")) if found else None

    def like(self, character):
        found = self.find("like", character)
        return found.split(" ", 1) if found else (None, None)

    def is_word(self, character):
        if character.isascii():
            return character.isalnum()
        kind = self.cls(character)
        if kind:
            return kind == "mark"
        return self.scripts(character) is not None or self.like(character)[0] in TAKEN


# Texts.

class Flags:
    def __init__(self):
        self.all = {}

    def add(self, kind, character=None, like=None):
        flag = self.all.setdefault(kind, {"flag": kind, "count": 0, "characters": []})
        flag["count"] += 1
        if character is not None and len(flag["characters"]) < 8:
            named = {"code": "U+%04X" % ord(character)}
            if like is not None:
                named["like"] = like
            if named not in flag["characters"]:
                flag["characters"].append(named)

    def list(self):
        flags = [self.all[kind] for kind in FLAGS if kind in self.all]
        return [{name: value for name, value in flag.items() if value != []} for flag in flags]


def escape(table, raw, role):
    is_value = role == "value"
    is_name = not is_value or not any(c in raw for c in " \n\t")
    flags, pieces, reads = Flags(), [], None
    base, word_end, foreign = None, 0, False
    for at, c in enumerate(raw):
        if at >= word_end and table.is_word(c):
            word_end = at
            while word_end < len(raw) and table.is_word(raw[word_end]):
                word_end += 1
            word = raw[at:word_end]
            has_ascii = any(w.isascii() for w in word)
            has_like = any(table.like(w)[0] in TAKEN for w in word)
            other = any(not w.isascii() and table.cls(w) is None and table.like(w)[0] not in TAKEN for w in word)
            latin = any("Latn" in (table.scripts(w) or ()) and table.like(w)[0] is None for w in word)
            foreign = other and not has_ascii and not latin
            if is_name:
                sets = [s for s in map(table.scripts, word) if s is not None]
                beside = [s for s in sets if "Latn" not in s]
                common = set.intersection(*beside) if beside else EAST_ASIAN
                if sets and not set.intersection(*sets) and not common & EAST_ASIAN:
                    flags.add("mixed_script")
                if has_like and not other and not has_ascii:
                    flags.add("whole_script")
            if reads is None and has_like and not other and len(word) <= 64:
                reads = "".join(table.like(w)[1] or (w if w.isascii() else "") for w in word)
        following = raw[at + 1] if at + 1 < len(raw) else "\n"
        kind, like = table.cls(c), None
        hide = None
        if c == "\n" and is_value:
            piece, base = "\n", None
        elif c == "\\":
            piece, base = "\\\\", None
        elif c == "\t":
            piece, base = "\\t", None
        elif c == '"' and role == "quoted":
            piece, base = '\\"', None
        elif c == " " and (at == 0 or following == "\n"):
            hide = "blank"
        elif c == " ":
            piece, base = " ", None
        elif kind == "mark":
            if base is not None and base[0] < 4 and base[1] != c:
                piece, base = c, (base[0] + 1, c)
            else:
                hide = "stacked"
        elif kind:
            hide = kind
        else:
            reach, text = table.like(c)
            taken = (reach == "always" or reach == "words" and not foreign
                     or reach == "names" and (is_name or text.startswith("\\"))
                     and not (foreign and table.scripts(c) is not None))
            if taken:
                hide, like = "look_alike", text
            else:
                piece, base = c, (0, None)
        if hide:
            piece, base = "\\u{%x}" % ord(c), None
            flags.add(hide, c, like)
        pieces.append(piece)
    flags = flags.list()
    for flag in flags:
        if flag["flag"] == "look_alike" and reads is not None:
            flag["reads"] = reads
    return "".join(pieces), flags


def pieces(text):
    at = 0
    while at < len(text):
        end = at + 1
        if text[at] == "\\":
            end = text.index("}", at) + 1 if text[at + 1] == "u" else at + 2
        yield text[at:end]
        at = end


def fold(text):
    shown, lines = 0, 1
    for piece in pieces(text):
        if shown + len(piece) > 2000 or piece == "\n" and lines >= 20:
            rest = text[shown:]
            return {"shown": shown, "characters": len(rest), "bytes": len(rest.encode()),
                    "lines": rest.count("\n") + (piece != "\n")}
        shown += len(piece)
        lines += piece == "\n"
    return None


# Changes.

def changes(former, new, left):
    """The changes, and how many pairs of lines may still be compared."""
    old, new = former.split("\n"), new.split("\n")
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    rows, columns = old[head:len(old) - tail], new[head:len(new) - tail]
    steps = [("same", line) for line in new[:head]]
    if len(rows) * len(columns) <= left:
        left -= len(rows) * len(columns)
        length = [[0] * (len(columns) + 1) for _ in range(len(rows) + 1)]
        for r in reversed(range(len(rows))):
            for c in reversed(range(len(columns))):
                length[r][c] = (length[r + 1][c + 1] + 1 if rows[r] == columns[c]
                                else max(length[r + 1][c], length[r][c + 1]))
        r = c = 0
        while r < len(rows) or c < len(columns):
            if r < len(rows) and c < len(columns) and rows[r] == columns[c]:
                steps.append(("same", rows[r]))
                r, c = r + 1, c + 1
            elif c == len(columns) or r < len(rows) and length[r + 1][c] >= length[r][c + 1]:
                steps.append(("removed", rows[r]))
                r += 1
            else:
                steps.append(("added", columns[c]))
                c += 1
    else:
        steps += [("removed", line) for line in rows] + [("added", line) for line in columns]
    steps += [("same", line) for line in new[len(new) - tail:]]
    changed = [at for at, (kind, _) in enumerate(steps) if kind != "same"]
    shown, at = [], 0
    while at < len(steps):
        end = at
        while end < len(steps) and all(abs(end - other) > 3 for other in changed):
            end += 1
        if end - at > 1:
            shown.append({"kind": "skipped", "lines": end - at})
            at = end
            continue
        kind, text = steps[at]
        shown.append(without({"kind": kind, "text": text, "fold": fold(text)}))
        at += 1
    return shown, left


# The view.

MISSING = object()


def without(value):
    return {name: member for name, member in value.items() if member not in (None, [], 0) or name == "level"}


def type_of(value):
    names = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


class View:
    def __init__(self, table, action, rules, facts):
        self.table, self.action, self.facts = table, action, facts or {}
        self.rules = sorted(set(rules))
        self.left = 1_000_000

    def text(self, value):
        if isinstance(value, str):
            return escape(self.table, value, "value")
        if isinstance(value, (list, dict)):
            return str(len(value)), []
        return canonical(value), []

    def field(self, path, kind, text, flags=(), level=0, **more):
        return without({"path": path, "type": kind, "text": text, "level": level, "flags": list(flags),
                        "fold": fold(text), **more}) | {"text": text}

    def name(self, path, text):
        shown, flags = escape(self.table, text, "name")
        return self.field(path, "name", shown, flags)

    def values(self, fields, value, path, before=MISSING, level=0, flags=(), length=None, cut=False):
        length = len(path) if length is None else length
        kind = type_of(value)
        text, told = self.text(value)
        more = {"pathFlags": list(flags)}
        is_container = kind in ("object", "array")
        if before is not MISSING and not (is_container and type_of(before) == kind):
            if not is_container and type_of(before) == kind and before == value:
                more["same"] = True
            elif isinstance(value, str) and isinstance(before, str):
                more["changes"], self.left = changes(self.text(before)[0], text, self.left)
                more["foldedChanges"] = max(0, len(more["changes"]) - 60)
            else:
                former = self.text(before)[0]
                more["former"] = without({"type": type_of(before), "fold": fold(former)}) | {"text": former}
        fields.append(self.field(path, kind, text, told, level, **more))
        if kind == "object":
            inner = [(name, *self.part(name), value[name]) for name in members(value)]
        else:
            inner = [(at, "[%d]" % at, [], element) for at, element in enumerate(value if kind == "array" else [])]
        for key, part, part_flags, element in inner:
            former = MISSING
            if before is not MISSING and type_of(before) == kind:
                if isinstance(before, dict):
                    former = before.get(key, MISSING)
                elif key < len(before):
                    former = before[key]
            whole = length + len(part)
            is_cut = cut or whole > 200
            self.values(fields, element, "\u2026" + part if is_cut else path + part, former, level + 1, part_flags, whole, is_cut)

    def part(self, name):
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
        if name and name[0] in letters and all(c in letters + "0123456789-" for c in name):
            return "." + name, []
        text, flags = escape(self.table, name, "quoted")
        return '."' + text + '"', flags

    def section(self, name, source, fields):
        section = {"name": name, "source": source, "fields": fields[:10_000]}
        lines = characters = shown = 0
        for field in section["fields"]:
            text = field["text"][:field["fold"]["shown"]] if "fold" in field else field["text"]
            lines += text.count("\n") + 1
            characters += len(text) + len(field["path"])
            if shown and (lines > 100 or characters > 4000):
                break
            shown += 1
        if source in ("asserted", "attested") or name == "payload":
            section["foldedFields"] = len(section["fields"]) - shown
        if not section.get("foldedFields"):
            section.pop("foldedFields", None)
        return section

    def document(self):
        action, actor, tool = self.action, self.action["actor"], self.action["capability"]
        definition = action.get("toolDefinition", {})
        decision = [self.name("agent", actor["agent"])]
        decision += [self.name("via[%d]" % at, via) for at, via in enumerate(actor.get("via", []))]
        decision += [self.name("owner", actor["humanOwner"]), self.name("tenant", action["tenant"]),
                     self.name("runtime", actor["runtime"]), self.name("task", action["intent"]["task"]),
                     self.name("tool", tool["tool"]), self.name("resource", tool["resource"])]
        if definition:
            decision.append(self.name("server", definition["server"]))
            decision.append(self.field("definitionHash", "hash", definition["definitionHash"]))
        decision += [self.name("rules[%d]" % at, rule) for at, rule in enumerate(self.rules)]
        payload, words, facts = [], [], []
        self.values(payload, tool["payload"], "payload", self.facts.get("before", MISSING))
        if "summary" in action["intent"]:
            self.values(words, action["intent"]["summary"], "summary")
        if action.get("context"):
            self.values(words, action["context"], "context")
        if self.facts:
            self.values(facts, self.facts, "facts")
        binding = {"schema": "actionpass.binding.v1", "tenant": action["tenant"], "agent": actor["agent"],
                   "via": actor.get("via", []), "humanOwner": actor["humanOwner"], "runtime": actor["runtime"],
                   "task": action["intent"]["task"], "tool": tool["tool"], "resource": tool["resource"],
                   "payloadHash": digest(tool["payload"]), **definition}
        hashes = [("actionHash", digest(binding)), ("payloadHash", digest(tool["payload"])),
                  ("contextHash", digest(action.get("context", {}))), ("factsHash", digest(self.facts))]
        return {"schema": "actionpass.view.v1", "renderer": "actionpass-display/1", "sections": [
            self.section("decision", "bound", decision), self.section("payload", "bound", payload),
            self.section("words", "asserted", words), self.section("facts", "attested", facts),
            self.section("hashes", "computed", [self.field(name, "hash", text) for name, text in hashes])]}


def main():
    sys.setrecursionlimit(10_000)
    with open(sys.argv[1], encoding="utf-8") as file:
        table = Table(file.read())
    failed = 0
    for name in sys.argv[2:]:
        with open(name, encoding="utf-8") as file:
            vector = json.load(file)
        facts = (vector["facts"] or {}).get("facts")
        made = View(table, vector["action"], vector["rules"], facts).document()
        if canonical(made) == canonical(vector["view"]) and digest(made) == vector["hash"]:
            print("ok", name)
            continue
        failed += 1
        print("DIFFERS", name)
        for mine, theirs in zip(made["sections"], vector["view"]["sections"]):
            for left, right in zip(mine["fields"], theirs["fields"]):
                if left != right:
                    print("  made    ", json.dumps(left))
                    print("  expected", json.dumps(right))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

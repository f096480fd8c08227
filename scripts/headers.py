"""Reads genie's headers: which public names they declare, and what their comments say of them.

A reader of C++ as this tree is written: formatted by clang-format, checked by two compilers, no macros around
declarations. It splits a header into tokens and follows namespaces, classes and enumerations; it needs no compiler, so
that the check for undocumented names runs wherever the tests do. tests/docs/test_reference.py compares what it finds
with what clang finds.

Public is what lies in namespace `genie` or `genie::testing` (inline namespaces do not count) and is not in a namespace
whose name is `detail` or ends with `_detail`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

TOKEN = re.compile(
    r"""(?P<doc>///[^\n]*)
      | (?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<directive>^[ \t]*\#(?:[^\n\\]|\\.)*(?:\\\n(?:[^\n\\]|\\.)*)*)
      | (?P<raw>R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)")
      | (?P<string>"(?:[^"\\\n]|\\.)*"|(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)*')
      | (?P<number>\.?[0-9](?:[eEpP][+-]|'?[0-9a-zA-Z_.])*)
      | (?P<word>[A-Za-z_][A-Za-z_0-9]*)
      | (?P<mark2><=>|->\*|\.\.\.|::|->|\+\+|--|<<=|<<|&&|\|\||[=!<>+\-*/%&|^]=|[^\sA-Za-z0-9_])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
PAIRS = {"(": ")", "[": "]", "{": "}"}


class ParseError(Exception):
    pass


@dataclass
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass
class Member:
    """Something public inside a class, or an enumerator."""

    name: str
    kind: str  # function, constructor, operator, variable, type, enumerator, using
    text: str
    doc: str
    line: int
    inherits_doc: bool = False  # an overload of the member before it, which is documented


@dataclass
class Entity:
    """A public name of a namespace. Overloads are entities of their own, of one name."""

    scope: str
    name: str
    kind: str  # class, struct, enum, concept, function, variable, alias, macro
    text: str
    doc: str
    header: str
    line: int
    members: list = field(default_factory=list)
    is_specialisation: bool = False

    @property
    def qualified(self):
        return f"{self.scope}::{self.name}" if self.scope else self.name


@dataclass
class Header:
    name: str  # genie/claim.hpp
    doc: str  # the first lines, which say what it is for
    includes: list  # all of them, as spelled between the brackets or quotes
    entities: list  # public ones
    internal: list  # classes of internal namespaces: public ones may inherit from them
    formatters: list  # types that fmt can print where this header is included


def tokens_of(source):
    tokens = []
    for found in TOKEN.finditer(source):
        kind = found.lastgroup
        if found["raw"] is not None:
            kind = "string"
        if kind == "mark2":
            kind = "mark"
        if kind == "comment":
            continue
        tokens.append(Token(kind, found[0], found.start(), found.end()))
    return tokens


def unmark(lines):
    """The text of `///` or `//` lines."""
    return "\n".join(re.sub(r"^//[/!]?<? ?", "", line.strip()) for line in lines).strip("\n")


def is_internal(namespace):
    return namespace == "detail" or namespace.endswith("_detail")


class Parser:
    def __init__(self, name, source):
        self.name = name
        self.source = source
        self.tokens = tokens_of(source)
        self.at = 0
        self.entities = []
        self.last = None  # what a trailing comment belongs to

    # --- tokens ---

    def peek(self, ahead=0):
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else Token("end", "", len(self.source), len(self.source))

    def advance(self):
        self.at += 1

    def line(self, offset):
        return self.source.count("\n", 0, offset) + 1

    def fail(self, what):
        raise ParseError(f"{self.name}:{self.line(self.peek().start)}: {what}, at '{self.peek().text}'")

    def skip_pair(self):
        """Passes over a bracket and everything up to its partner."""
        closing = [PAIRS[self.peek().text]]
        self.at += 1
        while closing:
            token = self.peek()
            if token.kind == "end":
                self.fail("a bracket is not closed")
            if token.kind == "mark":
                if token.text in PAIRS:
                    closing.append(PAIRS[token.text])
                elif token.text == closing[-1]:
                    closing.pop()
            self.at += 1

    def skip_angles(self):
        """Passes over `<…>` of a template."""
        depth = 0
        while True:
            token = self.peek()
            if token.kind == "end":
                self.fail("a '<' is not closed")
            if token.text in PAIRS and token.kind == "mark":
                self.skip_pair()
                continue
            if token.kind == "mark":
                depth += (token.text == "<") - (token.text == ">")
            self.at += 1
            if depth == 0:
                return

    def skip_constraint(self):
        """Passes over the expression of a requires-clause between a template's parameters and its declaration."""
        while True:
            while self.peek().text == "!":
                self.at += 1
            if self.peek().text == "(":
                self.skip_pair()
            elif self.peek().text == "requires":
                while self.peek().text != "{":
                    self.skip_pair() if self.peek().text == "(" else self.advance()
                self.skip_pair()
            else:
                while self.peek().kind == "word" or self.peek().text == "::":
                    self.at += 1
                    if self.peek().text == "<":
                        self.skip_angles()
                        break
                    if self.peek().kind == "word" and self.peek(-1).kind == "word":
                        break
            if self.peek().text not in ("&&", "||"):
                return
            self.at += 1

    # --- comments ---

    def take_doc(self):
        """Reads `///` lines; those with a `<` go to what was declared before them. Returns the others."""
        lines, trailing, previous = [], [], None
        while self.peek().kind in ("doc", "directive"):
            token = self.peek()
            self.at += 1
            if token.kind == "directive":
                lines = []
                continue
            number = self.line(token.start)
            if token.text.startswith("///<"):
                trailing.append(token.text)
            elif trailing and not lines and previous == number - 1 and self.is_aligned(token):
                trailing.append(token.text)
            else:
                if lines and previous != number - 1:
                    lines = []
                lines.append(token.text)
            previous = number
        if trailing and self.last is not None:
            self.last.doc = unmark(trailing)
        # A comment belongs to what follows it at once, not to what comes after an empty line.
        if lines and self.line(self.peek().start) != previous + 1:
            lines = []
        return unmark(lines)

    def is_aligned(self, token):
        """Whether a comment stands to the right of code, or of nothing but the place of a trailing comment."""
        begin = self.source.rfind("\n", 0, token.start) + 1
        return token.start - begin > 8

    # --- declarations ---

    def parse(self):
        self.scope([], "")
        return self

    def scope(self, names, closer):
        """A namespace's body, or the file."""
        while True:
            doc = self.take_doc()
            token = self.peek()
            if token.kind == "end" and not closer:
                return
            if token.text == closer and token.kind == "mark":
                self.at += 1
                return
            if token.text == "namespace":
                self.namespace(names)
            else:
                self.declaration(names, doc, None)

    def namespace(self, names):
        self.at += 1
        inner = list(names)
        is_inline = False
        while self.peek().text != "{":
            token = self.peek()
            if token.text == "inline":
                is_inline = True
            elif token.kind == "word":
                if not is_inline:
                    inner.append(token.text)
                is_inline = False
            elif token.text != "::":
                self.fail("not a namespace")
            self.at += 1
        self.at += 1
        self.scope(inner, "}")

    def declaration(self, names, doc, members):
        """One declaration of a namespace, or of a class where `members` is its list."""
        begin = self.at
        start = self.peek().start
        is_specialisation = False
        template_end = None
        while self.peek().text == "template":
            self.at += 1
            is_specialisation = self.peek().text == "<" and self.peek(1).text == ">"
            self.skip_angles()
            if self.peek().text == "requires":
                self.at += 1
                self.skip_constraint()
            template_end = self.at
        while self.peek().text == "[" and self.peek(1).text == "[":
            self.skip_pair()
        word = self.peek().text
        add = self.adder(names, doc, members, start, is_specialisation)

        if word == "static_assert":
            self.skip_to_semicolon()
        elif word == ";":
            self.at += 1
        elif word == "friend":
            self.skip_function_or_variable()
        elif word == "using":
            self.using(add)
        elif word == "concept":
            name = self.peek(1).text
            end = self.skip_to_semicolon()
            add(name, "concept", self.source[start:end])
        elif word in ("class", "struct", "union"):
            self.type(add, word, start, members is not None, is_specialisation)
        elif word == "enum":
            self.enumeration(add, start)
        elif word == "extern":  # the system's names
            if self.peek(1).kind == "string" and self.peek(2).text == "{":
                self.at += 2
                self.skip_pair()
            else:
                self.skip_to_semicolon()
        else:
            self.function_or_variable(add, start, template_end if template_end is not None else begin)

    def adder(self, names, doc, members, start, is_specialisation):
        def add(name, kind, text, inner=()):
            line = self.line(start)
            text = dedent(text, self.column(start))
            if members is None:
                item = Entity("::".join(names), name, kind, text, doc, self.name, line, list(inner), is_specialisation)
                self.entities.append(item)
            else:
                item = Member(name, "type" if kind in ("class", "struct", "enum", "alias") else kind, text, doc, line)
                members.append(item)
            self.last = item
            return item

        return add

    def column(self, offset):
        return offset - self.source.rfind("\n", 0, offset) - 1

    def skip_to_semicolon(self):
        while self.peek().text != ";":
            if self.peek().kind == "end":
                self.fail("a ';' is missing")
            if self.peek().kind == "mark" and self.peek().text in PAIRS:
                self.skip_pair()
            else:
                self.at += 1
        end = self.peek().end
        self.at += 1
        return end

    def using(self, add):
        start = self.peek().start
        first, second = self.peek(1), self.peek(2)
        end = self.skip_to_semicolon()
        if second.text == "=":
            add(first.text, "alias", self.source[self.declaration_start(start) : end])
        elif first.text != "namespace":
            text = self.source[start:end]
            add(re.search(r"(\w+|operator\S+);$", text)[1], "using", text)

    def declaration_start(self, start):
        """Where the template header in front of a declaration begins."""
        before = self.source.rfind("template <", 0, start)
        if before >= 0 and re.fullmatch(r"template <[^;{}]*>\s*", self.source[before:start]):
            return before
        return start

    def type(self, add, word, start, is_nested, is_specialisation):
        self.at += 1
        while self.peek().text == "[":
            self.skip_pair()
        name = self.peek().text
        self.at += 1
        while self.peek().text not in ("{", ";"):
            if self.peek().text == "<":
                self.skip_angles()
            else:
                self.at += 1
        if self.peek().text == ";":  # defined elsewhere
            add(name, "declared", self.source[start : self.peek().end])
            self.at += 1
            return
        head = self.source[start : self.peek().start].rstrip()
        self.at += 1
        inner = []
        item = add(name, "class" if word == "class" else "struct", head, inner)
        self.members(name, inner, word != "class")
        if isinstance(item, Entity):
            item.members = inner
        elif inner:
            item.text += " { " + " ".join(member.text.replace("\n", " ") for member in inner) + " }"
        self.skip_to_semicolon()
        self.last = item

    def members(self, name, inner, is_public):
        """A class's body."""
        hidden = []
        while True:
            doc = self.take_doc()
            token = self.peek()
            if token.kind == "end":
                self.fail(f"the class {name} does not end")
            if token.text == "}":
                self.at += 1
                break
            if token.text in ("public", "private", "protected") and self.peek(1).text == ":":
                is_public = token.text == "public"
                self.at += 2
                continue
            target = inner if is_public else hidden
            count = len(target)
            self.declaration([name], doc, target)
            for member in target[count:]:
                if member.name in (name, "~" + name):
                    member.kind = "constructor"
        for before, member in zip(inner, inner[1:]):
            if not member.doc and member.name == before.name and member.kind == before.kind != "constructor":
                member.inherits_doc = bool(before.doc) or before.inherits_doc

    def enumeration(self, add, start):
        self.at += 1
        if self.peek().text in ("class", "struct"):
            self.at += 1
        name = self.peek().text
        while self.peek().text not in ("{", ";"):
            self.at += 1
        if self.peek().text == ";":
            self.at += 1
            return
        head = self.source[start : self.peek().start].rstrip()
        self.at += 1
        inner = []
        item = add(name, "enum", head, inner)
        while True:
            doc = self.take_doc()
            token = self.peek()
            if token.text == "}":
                break
            begin = token.start
            enumerator = Member(token.text, "enumerator", "", doc, self.line(begin))
            while self.peek().text not in (",", "}") and self.peek().kind != "doc":
                if self.peek().kind == "mark" and self.peek().text in PAIRS:
                    self.skip_pair()
                else:
                    self.at += 1
            enumerator.text = self.source[begin : self.peek(-1).end]
            inner.append(enumerator)
            self.last = enumerator
            if self.peek().text == ",":
                self.at += 1
        self.at += 1
        if isinstance(item, Entity):
            item.members = inner
        else:
            item.text += " { " + ", ".join(member.text for member in inner) + " }"
        self.skip_to_semicolon()
        self.last = item

    def skip_function_or_variable(self):
        self.function_or_variable(lambda *_: None, self.peek().start, self.at)

    def function_or_variable(self, add, start, begin):
        """Anything else: a function with or without body, or a variable."""
        self.at = begin
        name = None
        while True:
            token = self.peek()
            if token.kind == "end":
                self.fail("a declaration does not end")
            if token.text == "operator" and token.kind == "word":
                self.at += 1
                words = []
                while self.peek().text != "(" or not words:
                    if self.peek().text == "(":  # operator()
                        words.append("()")
                        self.at += 2
                    else:
                        words.append(self.peek().text)
                        self.at += 1
                name = "operator" + (" " if words[0][0].isalpha() else "") + "".join(words)
                self.function(add, start, name, "operator")
                return
            if token.text == "[" and self.peek(1).text == "[":
                self.skip_pair()
            elif token.text == "<":
                self.skip_angles()
            elif token.text == "(" and name is not None and self.peek(-1).kind == "word" and name == self.peek(-1).text:
                if name in ("requires", "decltype", "alignas", "noexcept", "explicit"):
                    self.skip_pair()
                    continue
                if self.peek(-2).text == "~":
                    name = "~" + name
                is_elsewhere = self.peek(-2).text == "::"  # declared in its class
                self.function((lambda *_: None) if is_elsewhere else add, start, name, "function")
                return
            elif token.text == "(":
                self.skip_pair()
            elif token.text in ("=", "{", ";", "["):
                end = self.skip_to_semicolon()
                text = self.source[start:end]
                add(name, "variable", text)
                return
            else:
                if token.kind == "word":
                    name = token.text
                self.at += 1

    def function(self, add, start, name, kind):
        self.skip_pair()  # parameters
        while True:
            token = self.peek()
            if token.kind == "end":
                self.fail(f"{name} does not end")
            if token.text == ";":
                text = self.source[start : token.start]
                self.at += 1
                break
            if token.text == "{":
                text = self.source[start : token.start]
                self.skip_pair()
                break
            if token.text == ":":  # members are initialised
                text = self.source[start : token.start]
                self.at += 1
                while not (self.peek().text == "{" and self.peek(-1).text in ("}", ")")):
                    if self.peek().text in PAIRS:
                        self.skip_pair()
                    else:
                        self.at += 1
                self.skip_pair()
                break
            if token.text == "=":  # default, delete
                text = self.source[start : self.skip_to_semicolon() - 1]
                break
            if token.text == "requires" and self.peek(1).text == "requires":
                self.at += 2
                if self.peek().text == "(":
                    self.skip_pair()
                self.skip_pair()
            elif token.text in ("(", "["):
                self.skip_pair()
            else:
                self.at += 1
        add(name, kind, text.rstrip() + ";")


def dedent(text, columns):
    """Source text without the indentation that its first line had, and without comments that only checkers read."""
    text = re.sub(r"[ \t]*// NOLINT[^\n]*", "", text)
    return re.sub(r"\n {0,%d}" % columns, "\n", text).strip() if columns else text.strip()


def macros(name, source):
    """Documented or not: macros that are no include guards."""
    guard = name.upper().replace("/", "_").replace(".", "_")
    found = []
    for match in re.finditer(r"((?:^///[^\n]*\n)*)^[ \t]*#[ \t]*define[ \t]+(GENIE_\w+)[^\n]*", source, re.MULTILINE):
        is_own = re.search(rf"^\s*#\s*if.*\b{match[2]}\b", source, re.MULTILINE)  # a switch of this header
        if match[2] != guard and not is_own:
            line = source.count("\n", 0, match.start(2)) + 1
            found.append(Entity("", match[2], "macro", match[0][len(match[1]) :].strip(), unmark(match[1].splitlines()), name, line))
    return found


def read_header(path, name):
    source = path.read_text(encoding="utf-8")
    parser = Parser(name, source).parse()
    first = re.match(r"(?://(?!/)[^\n]*\n)*", source)[0]
    includes = re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', source, re.MULTILINE)
    public = [entity for entity in parser.entities if entity.scope in ("genie", "genie::testing")]
    internal = [entity for entity in parser.entities if entity.kind in ("class", "struct") and entity not in public]
    printed = re.findall(r"^struct fmt::formatter<(genie::[\w:]+)>", source, re.MULTILINE)
    formatters = [name for name in printed if not any(is_internal(part) for part in name.split("::")[:-1])]
    return Header(name, unmark(first.splitlines()), includes, public + macros(name, source), internal, formatters)


def read_headers(tree=ROOT / "include"):
    names = sorted(str(path.relative_to(tree)) for path in tree.glob("genie/**/*.hpp"))
    return [read_header(tree / name, name) for name in names]

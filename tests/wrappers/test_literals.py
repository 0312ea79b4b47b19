"""Names are data in every file of a bundle: a literal says exactly the name, and the code around it stays the same."""

import ast
import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import tree_sitter_kotlin
import tree_sitter_swift
import tree_sitter_typescript
from bundle_facts import facts
from edgeport.artifacts.errors import UsageError
from edgeport.bundles import literals
from edgeport.bundles.android_package import check_package
from edgeport.bundles.layouts import LAYOUTS, write_sources
from edgeport.bundles.wrappers import WRAPPERS
from hostile_names import ANY, NAMES
from hypothesis import example, given
from tree_sitter import Language, Parser

PARSERS = {
    ".kt": Parser(Language(tree_sitter_kotlin.language())),
    ".kts": Parser(Language(tree_sitter_kotlin.language())),
    ".swift": Parser(Language(tree_sitter_swift.language())),
    ".ts": Parser(Language(tree_sitter_typescript.language_typescript())),
}


def bytes_of(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")


@given(ANY)
@example("".join(NAMES))
def test_a_cpp_literal_is_the_name(name):
    assert ast.literal_eval("b" + literals.cpp(name)) == bytes_of(name)
    assert "?" not in literals.cpp(name)  # no trigraph


@given(ANY)
@example("".join(NAMES))
def test_a_kotlin_literal_is_the_name(name):
    literal = literals.kotlin(name)
    assert json.loads(literal).encode("utf-16", "surrogatepass") == name.encode("utf-16", "surrogatepass")
    assert "$" not in literal
    root = PARSERS[".kt"].parse(f"val x = {literal}".encode()).root_node
    assert not root.has_error
    assert {each.type for each in nodes(root)} <= {
        *("source_file", "property_declaration", "val", "variable_declaration", "identifier", "="),
        *("string_literal", '"', "string_content", "escape_sequence"),
    }


@given(ANY)
@example("".join(NAMES))
def test_a_typescript_literal_is_the_name(name):
    literal = literals.typescript(name)
    assert json.loads(literal).encode("utf-16", "surrogatepass") == name.encode("utf-16", "surrogatepass")
    assert not set(literal) & set("<>`$")  # no end of a script element, no HTML comment, no template
    root = PARSERS[".ts"].parse(f"const x = {literal};".encode()).root_node
    assert not root.has_error
    assert {each.type for each in nodes(root)} <= {
        *("program", "lexical_declaration", "const", "variable_declarator", "identifier", "=", ";"),
        *("string", '"', "string_fragment", "escape_sequence"),
    }


@given(ANY)
@example("".join(NAMES))
def test_a_swift_literal_is_the_name(name):
    literal = literals.swift(name)
    said = re.sub(r"\\u\{([0-9a-f]+)\}", lambda code: chr(int(code[1], 16)), literal[1:-1])
    assert said == re.sub("[\ud800-\udfff]", "\ufffd", name)
    root = PARSERS[".swift"].parse(f"let x = {literal}".encode()).root_node
    assert not root.has_error
    assert "interpolated_expression" not in {each.type for each in nodes(root)}


def nodes(node):
    yield node
    for child in node.children:
        yield from nodes(child)


def test_a_compiler_reads_the_names_out_of_cpp(tmp_path):
    if not shutil.which("g++"):
        pytest.skip("no g++")
    code = "".join(f"  put({literals.cpp(name)});\n" for name in NAMES)
    (tmp_path / "names.cpp").write_text(
        "#include <cstdio>\ntemplate <int n> void put(const char (&text)[n]) {\n"
        '  for (int i = 0; i < n - 1; ++i) std::printf("%02x", (unsigned char)text[i]);\n  std::puts("");\n}\n'
        f"int main() {{\n{code}}}\n"
    )
    for standard in ("c++11", "c++17"):  # the older one has trigraphs
        run = ["g++", f"-std={standard}", "-Wall", "-Werror", "names.cpp", "-o", "names"]
        subprocess.run(run, cwd=tmp_path, check=True)
        done = subprocess.run(["./names"], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert [bytes.fromhex(line) for line in done.stdout.splitlines()] == [bytes_of(name) for name in NAMES]


@pytest.mark.skipif(not shutil.which("node"), reason="no Node")
def test_an_engine_reads_the_names_out_of_typescript(tmp_path):
    names = ", ".join(map(literals.typescript, NAMES))
    code = f"for (const name of [{names}]) console.log(Buffer.from(name, 'utf16le').toString('hex'));"
    (tmp_path / "names.js").write_text(code)
    said = subprocess.run(["node", tmp_path / "names.js"], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [name.encode("utf-16-le", "surrogatepass").hex() for name in NAMES]


@pytest.mark.skipif(not shutil.which("swiftc"), reason="no swiftc")
def test_a_compiler_reads_the_names_out_of_swift(tmp_path):
    code = "".join(f"print(Array({literals.swift(name)}.utf8))\n" for name in NAMES)
    (tmp_path / "main.swift").write_text(code)
    subprocess.run(["swiftc", "main.swift", "-o", "names"], cwd=tmp_path, check=True)
    done = subprocess.run(["./names"], cwd=tmp_path, capture_output=True, text=True, check=True)
    wanted = [list(re.sub("[\ud800-\udfff]", "\ufffd", name).encode()) for name in NAMES]
    assert [json.loads(line) for line in done.stdout.splitlines()] == wanted


FREE = ("README.md", "cpp/model_facts.h")  # whose names other tests look for


@pytest.mark.parametrize(("platform", "task"), [(each, task) for each in LAYOUTS for task in LAYOUTS[each].tasks])
def test_the_code_of_a_bundle_does_not_depend_on_names(platform, task):
    """Whichever parts of it a parser knows have no error, either."""
    plain = write_sources(facts(platform, "name", task))
    names = NAMES if task == "classify" else ("".join(NAMES),)
    for name in names:
        made = write_sources(facts(platform, name, task))
        assert made.keys() == plain.keys()
        for place, content in made.items():
            parser = PARSERS.get(Path(place).suffix)
            if parser is None:
                assert content == plain[place] or place in FREE, place
                continue
            assert shape(parser, content) == shape(parser, plain[place]), (place, name)
            if content != plain[place]:
                assert place.endswith(("ModelFacts.kt", "ModelFacts.swift", "model_facts.ts"))


@pytest.mark.parametrize("task", LAYOUTS["ios"].tasks)
@pytest.mark.parametrize(("runtime", "waits"), [("coreml", False), ("coreai", True)])
def test_swift_waits_where_the_runtime_does(task, runtime, waits):
    made = write_sources(facts("ios", "name", task, runtime))
    sources = {place: content for place, content in made.items() if place.endswith(".swift")}
    assert len(sources) == 9
    assert not any(PARSERS[".swift"].parse(content).root_node.has_error for content in sources.values())
    waiting = {Path(place).stem for place, content in sources.items() if b"await " in content or b" async " in content}
    assert waiting == ({"Model", "VisionModel", WRAPPERS[task].name, "GoldenTests"} if waits else set())


def shape(parser: Parser, content: bytes) -> list[str]:
    """The kinds of all nodes of a file, but for the insides of literals."""
    root = parser.parse(content).root_node
    assert not root.has_error
    inside = ("string_content", "line_str_text", "str_escaped_char", "escape_sequence", "\\", "u", "string_fragment")
    return [each.type for each in nodes(root) if each.type not in inside]


def test_the_facts_in_cpp_are_the_names_and_nothing_else(tmp_path):
    if not shutil.which("g++"):
        pytest.skip("no g++")
    code, prints = ['#include <cstdio>\n#include "classification.h"\n#include "preprocess.h"\n'], []
    for i, name in enumerate(NAMES):
        sources = write_sources(facts("linux", name))
        for header in ("preprocess.h", "outputs.h", "classification.h"):
            (tmp_path / header).write_bytes(sources[f"cpp/{header}"])
        made = sources["cpp/model_facts.h"].decode().replace("#pragma once", "")
        code.append(made.replace("namespace vision {", f"namespace n{i} {{\nusing namespace vision;"))
        prints.append(
            f'for (auto p = n{i}::kOutputs[0].name; *p; ++p) std::printf("%02x", (unsigned char)*p);\nstd::puts("");\n'
        )
    (tmp_path / "main.cpp").write_text("".join((*code, "int main() {\n", *prints, "}\n")))
    subprocess.run(["g++", "-std=c++17", "main.cpp", "-o", "main"], cwd=tmp_path, check=True)
    done = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True, check=True)
    wanted = [bytes_of(name).split(b"\0")[0].hex() for name in NAMES]  # C's strings end there
    assert done.stdout.splitlines() == wanted


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("examples/**/*.*")), ids=lambda path: path.name)
def test_the_examples_have_no_error_that_a_parser_finds(path):
    if path.suffix in PARSERS:
        assert not PARSERS[path.suffix].parse(path.read_bytes()).root_node.has_error


@pytest.mark.parametrize("name", ["org.example.vision", "com.Your_2.app1", "a.b"])
def test_android_packages(name):
    assert check_package(name) == name
    made = write_sources(dataclasses.replace(facts("android", "x"), package=name))
    kotlin = {place: content for place, content in made.items() if place.endswith(".kt")}
    assert len(kotlin) == 11
    for place, content in kotlin.items():
        assert content.decode().count(f"\npackage {name}\n") == 1
        assert f"/{name.replace('.', '/')}/" in place
    assert f'namespace = "{name}"' in made["build.gradle.kts"].decode()
    assert name in made["README.md"].decode()


REFUSED = {
    "": "is not a letter followed by",
    "vision": "needs two parts or more",
    "org.1a": "'1a' is not a letter",
    "org..a": "'' is not a letter",
    "org.a.": "'' is not a letter",
    "org.a-b": "'a-b' is not a letter",
    "org._a": "'_a' is not a letter",
    "org.größe": "'größe' is not a letter",
    "org.a\n": r"'a\n' is not a letter",
    "org.example.new": "'new' is a keyword",
    "in.example": "'in' is a keyword",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_android_package(name):
    with pytest.raises(UsageError, match=re.escape(REFUSED[name])):
        check_package(name)

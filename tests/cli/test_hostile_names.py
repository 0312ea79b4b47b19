"""Names of models, labels and files reach the terminal, tables and pages as text: nothing in them is obeyed."""

import html.parser
import json
import logging
import re
import sys
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from edgeport.artifacts.errors import ExportError, UnknownModel, UsageError, WriteError
from edgeport.artifacts.printable import printable
from edgeport.cli.console import Console
from edgeport.cli.main import bugs_shown, show_bug
from edgeport.pipeline.progress import Event, Progress
from edgeport.pipeline.text_table import format_facts, format_table
from edgeport.reporting import html_page, markdown
from edgeport.reporting.html_table import html_table
from hostile_names import ANY, NAMES
from hypothesis import example, given
from markdown_it import MarkdownIt

FORGED = "\x1b[31m\r\nWARNING: forged\u202e\x9b2J\u2028"


TURNING = ("LRE", "RLE", "LRO", "RLO", "LRI", "RLI", "FSI", "PDF", "PDI")


def assert_plain(text: str, keep: str = "\n") -> None:
    """Nothing in it moves, colours, turns or hides what a terminal shows, and no line is a forged one."""
    wrong = [c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in keep]
    turned = [c for c in text if unicodedata.bidirectional(c) in TURNING]
    assert not wrong + turned, text
    assert not re.search(r"^(WARNING: )?forged", text, re.MULTILINE)
    text.encode()


@given(ANY)
@example("".join(NAMES))
def test_printable(text):
    assert_plain(printable(text), keep="")
    assert printable(printable(text)) == printable(text)
    assert printable(text, keep="\n").count("\n") == text.count("\n")


def test_letters_of_all_languages_stay():
    persian, hindi, chemist = "\u0645\u06cc\u200c\u062e", "\u0915\u094d\u200d\u0937", "\U0001f469\u200d\U0001f52c"
    for text in ("Größe", "猫\u3000犬", persian, hindi, chemist, "a\u00a0b", ""):
        assert printable(text) == text


@given(ANY)
@example("".join(NAMES))
def test_a_name_stays_in_its_cell(name):
    table = format_table(("name", "size"), [(name, "1"), ("b", "2")])
    assert_plain(table)
    assert len(table.split("\n")) == 3
    assert len(format_facts([(name, name), ("b", 2)], 12).split("\n")) == 2


def console_words(capsys, name: str) -> str:
    console = Console(out=sys.stdout)
    console.note(name)
    console.warn(name)
    console.error(name)
    console.progress(Event("end", name, seconds=9))
    console.result({}, name.replace("\n", ""))
    return "".join(capsys.readouterr())


def test_the_console_obeys_no_name(capsys):
    for name in (*NAMES, FORGED):
        words = console_words(capsys, name)
        assert_plain(words)
        assert "WARNING: " + printable(name) + "\n" in words


def test_the_progress_bar_obeys_no_name(monkeypatch):
    import io

    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    console = Console(out=sys.stdout)
    for name in ("[/b]", "[red]x", FORGED):  # rich has a markup of its own
        console.progress(Event("begin", name, total=2))
        console.progress(Event("end", name))
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
        assert printable(name)[:30] in shown
        assert "\u202e" not in shown
        assert "\x1b[31m\r" not in screen.getvalue()


def test_a_traceback_obeys_no_name(capsys):
    try:
        raise RuntimeError(FORGED)
    except RuntimeError as e:
        show_bug(type(e), e, e.__traceback__)
        with bugs_shown():
            logging.getLogger("edgeport").exception("target %s", FORGED)
    said = capsys.readouterr().err
    assert said.count("\nRuntimeError: \\x1b[31m") == 2
    assert said.count("    raise RuntimeError(FORGED)\n") == 2
    assert_plain(said)
    with bugs_shown():
        shown = warnings.formatwarning(FORGED.replace("\n", ""), UserWarning, "forward.py", 1)
    assert_plain(shown)
    assert "UserWarning: \\x1b[31m" in shown


def test_errors_and_log_records_obey_no_name(caplog):
    for name in (*NAMES, FORGED):
        for error in (UsageError(name), ExportError(name), UnknownModel(name), WriteError(Path(name), OSError(name))):
            assert_plain(str(error), keep="")
        with caplog.at_level("INFO", "edgeport"):
            Progress().note(name)
            Progress().warn(name)
        assert {record.getMessage() for record in caplog.records[-2:]} == {printable(name)}


def forged_model(path, name: str) -> None:
    """A classifier whose every name is that one, in ONNX."""
    weight = np.random.default_rng(0).standard_normal((10, 192)).astype(np.float32)
    helper = onnx.helper
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", [f"image{name}"], [f"flat{name}"], name=f"node{name}", doc_string=name),
            helper.make_node("Gemm", [f"flat{name}", f"weight{name}"], [f"scores{name}"], transB=1),
        ],
        f"graph{name}",
        [helper.make_tensor_value_info(f"image{name}", onnx.TensorProto.FLOAT, (1, 3, 8, 8))],
        [helper.make_tensor_value_info(f"scores{name}", onnx.TensorProto.FLOAT, (1, 10))],
        [onnx.numpy_helper.from_array(weight, f"weight{name}")],
        doc_string=name,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name=name)
    onnx.helper.set_model_props(model, {name: name})
    onnx.save(model, path)


def test_commands_show_what_a_model_calls_things(edgeport, tmp_path):
    file = f"net{FORGED.replace('/', '')}.onnx"
    forged_model(tmp_path / file, FORGED)
    done = edgeport("export", file, "--no-benchmark", "--output", "made")
    assert done.code == 0, done.err
    assert_plain(done.out + done.err)
    (artifact,) = tmp_path.rglob("*.tflite")
    for command in (
        ("info", artifact),
        ("validate", artifact, "--reference", file),
        ("debug", artifact, "--reference", file),
        ("benchmark", artifact, "--num-runs", 1),
        ("report", artifact.parent),
        ("report", artifact.parent, "--markdown"),
        ("export", file, "--input-shape", f"{FORGED}=1x3x8x8"),
        ("export", file, "--keep-float", FORGED, "--int8", "--no-benchmark"),
        ("export", f"{file}.py:{FORGED}"),
        ("export", FORGED),
        ("info", FORGED),
        ("debug", artifact, FORGED, f"--{FORGED}"),
        ("benchmark", FORGED, "--device", FORGED),
        ("validate", artifact, "--validation-data", FORGED),
        ("bundle", artifact, "--platform", "android", "--android-package", FORGED),
        ("sweep", "--models", FORGED, "--targets", FORGED),
        ("weights", "fetch", FORGED),
        ("devices", "clean", FORGED),
        ("list", "--family", FORGED),
    ):
        done = edgeport(*command)
        assert_plain(done.out + done.err)
    done = edgeport("info", artifact, "--json")
    assert_plain(done.out)
    assert json.loads(done.out)["outputs"][0]["name"] == f"scores{FORGED}"


def test_openvino_says_which_name_xml_cannot_hold(edgeport, tmp_path):
    forged_model(tmp_path / "net.onnx", "\x1b")
    done = edgeport("export", "net.onnx", "--target", "openvino", "--no-benchmark", "--output", "made")
    assert done.code == 3
    assert r"the name 'image\x1b' of an input or output has the character '\x1b', which XML cannot hold" in done.error
    assert not (tmp_path / "made").exists() or not list((tmp_path / "made").rglob("*.xml"))


LABELS = {
    "escape": ("cat\n\x1b[31mdog\n", r"line 2 has a control character or line break (\x1b)"),
    "separator": ("a\u2028b\n", r"line 1 has a control character or line break (\u2028)"),
    "nul": ("a\nb\0c\nd\n", r"line 2 has a control character or line break (\x00)"),
    "next line": ("a\nb\nc\x85d\n", r"line 3 has a control character or line break (\x85)"),
}


@pytest.mark.parametrize("what", LABELS)
def test_a_label_that_no_file_can_hold_blames_the_labels(edgeport, tmp_path, what):
    text, words = LABELS[what]
    (tmp_path / "labels.txt").write_text(text, "utf-8")
    done = edgeport("export", "lenet5", "--labels", "labels.txt", "--target", "openvino", "--no-benchmark")
    assert done.code == 2
    assert done.error == f"edgeport: labels.txt: {words}; remove it"


@given(ANY)
@example("".join(NAMES))
def test_text_in_html_is_text(name):
    class Reader(html.parser.HTMLParser):
        text, tags, values = "", (), ()

        def handle_data(self, data):
            self.text += data

        def handle_starttag(self, tag, attributes):
            self.tags += (tag,)
            self.values += tuple(value for _, value in attributes)

    reader = Reader()
    reader.feed(f'<p title="{html_page.text(name)}">{html_page.text(name)}</p>')
    reader.close()
    assert reader.tags == ("p",)
    assert reader.values == (reader.text,)
    assert reader.text == printable(name, keep="\n\t")
    reader = Reader()
    reader.feed(html_table([(name, name)]))
    assert reader.tags == ("table", "tr", "th", "td")


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@given(ANY)
@example("".join(NAMES))
def test_text_in_markdown_is_text(name):
    wanted = printable(" ".join(name.split()))
    plain = ("# a x b", "|a|b|\n|---|---|\n|a x b|c|")
    for page in plain:
        tokens = MARKDOWN.parse(page.replace("x", markdown.text(name)))
        assert [token.type for token in tokens] == [token.type for token in MARKDOWN.parse(page)]
        children = [child for token in tokens for child in token.children or ()]
        assert {child.type for child in children} <= {"text", "text_special"}
        assert f"a {wanted} b".replace("  ", " ") in "".join(child.content for child in children).replace("  ", " ")
    (token,) = [token for token in MARKDOWN.parse(f"- {markdown.code(name)} with") if token.type == "inline"]
    assert [child.type for child in token.children] == ["code_inline", "text"]
    assert token.children[0].content == (wanted or " ")


@given(ANY)
@example("- a")
@example("1. b")
@example("---")
def test_a_sentence_in_a_list_begins_no_other_block(name):
    tokens = [token.type for token in MARKDOWN.parse(markdown._list([name, "end"]))]
    assert tokens.count("list_item_open") == 2
    assert {*tokens} <= {
        *("bullet_list_open", "list_item_open", "paragraph_open", "inline"),
        *("paragraph_close", "list_item_close", "bullet_list_close"),
    }

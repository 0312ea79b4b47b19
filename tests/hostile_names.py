"""Names that a model, a label, a file or a device may have, each of which means something to some reader of text."""

from hypothesis import strategies

CHARACTERS = "".join(map(chr, range(0x300))) + "\u200b\u200e\u202e\u2028\u2029\u2066\ufeff\ufffe\ud800\udfff\U0001f600"
NAMES = (
    'y"; inline const int run = std::system("true"); inline constexpr const char* kX = "',
    'y\nval run = Runtime.getRuntime().exec("id") // ${x} $x `x`',
    '\\(exec("id")) \\u{41} \\',
    'R"(raw)" ??/ ??= <: %: *//* // \\',
    '"""', "'''", "a\0b", "1a", "9\x1b[31m\u202e",
    "|a|*b*_c_~~d~~<b>[e](http://f)`g``h$i$@j#1&amp;",
    "- a", "1. b", "---", "# c", "", " ", CHARACTERS,
)  # fmt: skip
ANY = strategies.text(strategies.characters(codec=None, exclude_categories=()), max_size=20) | strategies.text(
    strategies.sampled_from(CHARACTERS), max_size=20
)

# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 36: the examples, the rules, words and quotes, refusals that name the line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import directives
from rosin.rfc.directives import Directive


def arguments(text: str | Iterable[str]) -> list[str]:
    return [argument for directive in directives.parse(text) for argument in directive.args]


DOCSTRING = '''#!/usr/bin/env python3
def main():
    """
    flux: -N4
    flux: --queue=batch
    flux: --job-name="my python job"

    # Set some arbitrary user data:
    flux: --setattr=user.data=\'\'\'
    flux: x, y, z
    flux: a, b, c
    flux: \'\'\'
    """
    run()
'''


@pytest.mark.rfc_vectors(36)
@pytest.mark.rfc(
    36,
    *("sentinel", "rest-of-line", "comment", "white-space", "quoting", "triple-quotes", "same-prefix"),
    *("multi-line-ends", "multi-line-sentinel", "multi-line-newline", "multi-line-indent", "options"),
)
@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("# flux: -N 4 -c 2\n# Set job name:\n# flux: --job-name\n", ["-N", "4", "-c", "2", "--job-name"]),
        ("# flux: -N4 # -c2 : comment out for now\n", ["-N4"]),
        ('# flux: --setattr=user.foo="""{"key": 42}"""\n', ['--setattr=user.foo={"key": 42}']),
        ("# flux: --setattr=user.bar='''It's a \"job\"'''\n", ['--setattr=user.bar=It\'s a "job"']),
        (
            '# flux: --setattr=user.conf="""\n# flux: [config]\n# flux:   item = "foo"\n# flux: """\n',
            ['--setattr=user.conf=[config]\n  item = "foo"\n'],
        ),
        (
            "#!/bin/sh\n#FLUX: -N4     # Request four nodes\n#FLUX: --queue=batch   # Submit\n"
            "#FLUX: --job-name=app001    # Set an explicit job name\nflux run -N4 app\n",
            ["-N4", "--queue=batch", "--job-name=app001"],
        ),
        (
            DOCSTRING,
            ["-N4", "--queue=batch", "--job-name=my python job", "--setattr=user.data=x, y, z\na, b, c\n"],
        ),
        (
            "#!/usr/bin/lua\n--\n-- flux: -N1 --exclusive\n-- flux: --output=job.out\nlocal app = 1\n",
            ["-N1", "--exclusive", "--output=job.out"],
        ),
        (
            "#!/bin/sh\n# Set flux directives\n#FLUX: -N1\n# Set job name:\n"
            "#FLUX: --job-name=test\nhostname; date\n",
            ["-N1", "--job-name=test"],
        ),
        (
            '"""\nflux: --nodes=4\n\nSet an arbitrary value in jobspec:\n'
            'flux: --setattr=user.foo="hello, earth"\n"""\n',
            ["--nodes=4", "--setattr=user.foo=hello, earth"],
        ),
        ('# flux: --setattr=user.data=\'{"option": "arg"}\'\n', ['--setattr=user.data={"option": "arg"}']),
        ("# flux: --job-name='''It's a \"job\"'''\n", ['--job-name=It\'s a "job"']),
    ],
)
def test_examples_of_the_rfc(text: str, args: list[str]) -> None:
    assert arguments(text) == args
    assert arguments(text.replace("\n", "\r\n")) == args
    assert arguments(text.splitlines(keepends=True)) == args
    assert arguments(text.removesuffix("\n")) == args


@pytest.mark.rfc_vectors(36)
@pytest.mark.rfc(36, "orphan", "stop", "same-sentinel")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "# flux: -N4\n# flux: -c2\necho hello, world\n# flux: --queue=batch\n",
            "line 4: orphan '# flux:': directives ended at line 3",
        ),
        (
            "#!/bin/sh\n#FLUX: -N1\nhostname; date\n#FLUX: --job-name=test\n",
            "line 4: orphan '#FLUX:': directives ended at line 3",
        ),
        ("#flux: -N1\n# flux: -N2\n", "line 2: sentinel changed from '#flux:' to '# flux:'"),
    ],
)
def test_wrong_examples(text: str, message: str) -> None:
    with pytest.raises(FormatError) as info:
        directives.parse(text)
    assert str(info.value).startswith(f"directives: {message}")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("echo\n", []),
        ("# flux:\n# flux:   \n# flux: # nothing\n", []),
        ("x flux: -N1\n", []),
        ("_# flux: -N1\n", []),
        ("# Flux: -N1\n", []),
        ("%%flux:-N1\n", [(1, ["-N1"])]),
        ("é flux: -N1\n", []),
        ("// FLUX: -N1 flux: x\n", [(1, ["-N1", "flux:", "x"])]),
        ("#flux: -a\n\n   \n#\n#flux: -b\n", [(1, ["-a"]), (5, ["-b"])]),
        ("# flux: -a\n#\n# flux: -b\n", [(1, ["-a"]), (3, ["-b"])]),
        ("# flux: -a\necho\n# then flux: is no directive\n", [(1, ["-a"])]),
        ("echo\n# flux: -a\n", [(2, ["-a"])]),
        ("#flux: -a '' b\\ c d'e f'g \"h'i\"\n", [(1, ["-a", "", "b c", "de fg", "h'i"])]),
        (r"""#flux: -a "b\"c\\d\e" 'f\'g' \#h""" + "\n", [(1, ["-a", 'b"c\\d\\e', "f'g", "#h"])]),
        ("#flux: -a|b;;c -d#e\n", [(1, ["-a", "|", "b", ";;", "c", "-d"])]),
        ("#flux: -a='b|c' \"#d\"\n", [(1, ["-a=b|c", "#d"])]),
        ('#flux: -a """b""" c"""#"""d"""\\"""\n', [(1, ["-a", "b", "c#d\\"])]),
        (
            '#flux: -a="""   \n#flux: b\\\\c\n#flux:  \'d\'  """  \n#flux: -e\n',
            [(1, ["-a=b\\\\c\n 'd'  "]), (4, ["-e"])],
        ),
        ("#flux: -a='''\n#flux:\n#flux:b\n#flux: \"\"\"\n#flux: c'''\n", [(1, ['-a=\nb\n"""\nc'])]),
        ("#flux: -a \"\"\"b\"\"\" '''\n#flux: c'''\n", [(1, ["-a", "b", "c"])]),
    ],
)
@pytest.mark.rfc(36, "sentinel", "stop", "same-prefix", "comment", "quoting")
def test_directives(text: str, found: list[tuple[int, list[str]]]) -> None:
    assert directives.parse(text) == [Directive(line, args) for line, args in found]


@pytest.mark.rfc(36, "same-sentinel", "multi-line-ends", "multi-line-sentinel", "options")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "#flux: -a\n# flux: -b\n",
            "line 2: sentinel changed from '#flux:' to '# flux:': all directives need",
        ),
        ("#flux: -a\n#FLUX: -b\n", "line 2: sentinel changed from '#flux:' to '#FLUX:'"),
        ("\n#flux: a\n", "line 2: unknown directive 'a': expected an option, which begins with -"),
        ("#flux: 'a\n", "line 1: unclosed ': 'a"),
        ('#flux: -a "b\n', 'line 1: unclosed ": "b'),
        ("#flux: -a \\\n", "line 1: nothing follows the backslash"),
        ('#flux: """a\n#flux: """\n', 'line 1: unclosed """: """a'),
        ('#flux: -a """\n#flux: b\n', 'line 1: unclosed """: the script ends'),
        ('#flux: -a """\n# b\n#flux: """\n', 'line 1: unclosed """: line 2 is no directive'),
        ('#flux: a"""\n#flux: """\n', "line 1: unknown directive 'a'"),
    ],
)
def test_refusals_name_the_line(text: str, message: str) -> None:
    with pytest.raises(FormatError) as info:
        directives.parse(text)
    assert str(info.value).startswith(f"directives: {message}")


def test_a_directive_can_be_compared_and_shown() -> None:
    assert Directive(1, ["-a"]) != Directive(2, ["-a"])
    assert Directive(1, ["-a"]) != 1
    assert repr(Directive(1, ["-a"])) == "Directive(1, ['-a'])"


WORDS = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\\"), max_size=8))


@given(WORDS)
def test_quoted_words_come_back(words: list[str]) -> None:
    text = "# flux: -- " + " ".join(shlex.quote(word) for word in words)
    if "'''" not in text and '"""' not in text:
        assert arguments(text) == ["--", *words]


LITERAL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r'"), max_size=12)


@given(st.lists(LITERAL, min_size=1, max_size=4))
def test_triple_quotes_are_literal(lines: list[str]) -> None:
    inline = f"#flux: -a='''{lines[0]}'''"
    assert arguments(inline) == [f"-a={lines[0]}"]
    several = "\n".join(["#flux: -a='''", *[f"#flux: {line}" for line in lines], "#flux: '''"])
    assert arguments(several) == ["-a=" + "".join(f"{line}\n" for line in lines)]


@given(st.text() | st.text("#flux: -a'\"\\\n|"))
def test_any_text_has_directives_or_is_refused(text: str) -> None:
    try:
        found = directives.parse("#flux: " + text)
    except FormatError as error:
        assert str(error).startswith("directives: line ")  # noqa: PT017
        return
    assert all(directive.args[0].startswith("-") for directive in found)


@pytest.mark.parametrize(
    "text",
    [
        "#flux: " + '"\\a' * 300_000,
        "#flux: -a" + '"\\a' + "\\a" * 400_000 + '"',
        "#flux: -a" + '""x' * 300_000 + "\\ ",
        "#flux: -a" + "'''" * 300_000,
        "#flux: -a '''\n" + "#flux: ''''\n" * 80_000,
        "#flux: -a\n" * 100_000,
        "#" * 1_000_000 + "\n" + "#" * 1_000_000 + "flux:",
        "#flux: -a" + "\\" * 1_000_000,
        "#flux: -a" + "|" * 1_000_000,
    ],
    ids=range(9),
)
def test_a_megabyte_takes_linear_time(text: str) -> None:
    try:
        assert len(directives.parse(text)) < 100_001
    except FormatError as error:
        assert len(str(error)) < 300  # noqa: PT017

"""Laws of every study: what it must have, that its page is whole, in every language, and that a notebook repeats it."""

from __future__ import annotations

import ast
import inspect
import json
import string
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from losscope import studies
from losscope.errors import LossError
from losscope.report.write import plain
from losscope.studies import claims, get, notebook, presentation, text, verdict
from losscope.studies.option import Range
from losscope.studies.study import GROUPS, Result
from losscope.studies.verdict import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, Interval
from quick import quick

ROOT = Path(__file__).parents[1]
FOLDER = Path(studies.__file__).parent


def source(name: str) -> str:
    return (FOLDER / f"{name.replace('-', '_')}.py").read_text()


NAMES = list(studies.studies())
LANGUAGES = [each for each in text.languages() if each != "en"]


def as_json(result: Result) -> str:
    return json.dumps(plain({"numbers": result.numbers, "claims": [vars(each) for each in result.claims]}))


def test_there_are_studies_and_languages() -> None:
    assert len(studies.studies()) >= 12
    assert LANGUAGES == ["zh"]


def test_listing_the_studies_imports_none() -> None:
    code = (
        "import sys\nfrom losscope.studies import studies\nfound = studies()\n"
        "print(len(found), [m for m in sys.modules if m.startswith('losscope.studies.') and m.split('.')[2] in"
        " {n.replace('-', '_') for n in found}], [m for m in ('torch', 'sympy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{len(studies.studies())} [] []"


@pytest.mark.parametrize("name", NAMES)
def test_a_study_has_all_that_a_page_needs(name: str) -> None:
    found = quick(name)
    assert 1 <= found.answer.count(". ") <= 3, "an answer is about two sentences: what is so, and why"
    assert found.answer.endswith(".")
    assert found.claims
    assert found.done
    assert found.sources
    assert found.charts
    for claim in found.claims:
        assert claim.group in GROUPS
        assert claim.claim.endswith(".")
        assert claim.evidence.endswith(".")
    names = [chart.name for chart in found.charts]
    assert len(set(names)) == len(names)
    assert "chart" not in names
    assert all(panel.x_label and panel.title for chart in found.charts for panel in chart.panels)
    assert len(source(name).splitlines()) <= 330


@pytest.mark.parametrize("name", NAMES)
def test_the_page_answers_first_and_folds_the_rest(name: str) -> None:
    run = presentation.Run(get(name), quick(name), f"losscope study {name}")
    html = presentation.page(run).html()
    order = [html.index(each) for each in ("<h1", 'class="lead"', "<figure", 'class="verdict', "<details")]
    assert order == sorted(order)
    assert html.count("<details>") >= 1 + len(quick(name).tables)
    assert all(f'id="claim-{number}"' in html for number in range(1, len(quick(name).claims) + 1))
    assert "src=" not in html
    assert "<nav" in html


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_words_and_refuses_what_is_out_of_its_domain(name: str) -> None:
    for option in get(name).options.values():
        assert option.words, option.name
        if option.kind in (int, float):
            assert option.within is not None, f"{option.name}: Annotated[..., Range(...), words]"
            for bad in (float("nan"), float("inf"), "1", True):
                with pytest.raises(LossError, match=f"{option.name} is out of its domain"):
                    get(name)(quick=True, **{option.name: (bad,) if option.several else bad})


def test_an_option_that_is_none_is_refused() -> None:
    with pytest.raises(LossError, match="no option 'epoch'"):
        get("saturation")(epoch=3)


# ------------------------------------------------------------------------------------------------ languages


def said(name: str) -> set[str]:
    """Every template that the source of a study says, on whichever branch."""
    found = set()
    for node in ast.walk(ast.parse(source(name))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say" and node.args:
            first = node.args[0]
            choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
            found |= {each.value for each in choices if isinstance(each, ast.Constant)}
    return set(filter(text.has_words, found))


def places(template: str) -> set[tuple[str, str]]:
    return {(name, spec) for _, name, spec, _ in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_a_language_has_words_for_all_that_is_said(name: str, language: str) -> None:
    words = text.words_of(language, name)
    needed = {get(name).question, *text.templates(quick(name)), *said(name)}
    assert sorted(needed - words.keys()) == []
    own = import_module(f"losscope.studies.{language}.{name.replace('-', '_')}").WORDS
    for template, translated in own.items():
        if "{" in template and "$" not in template:
            assert places(template) == places(translated), template
    constants = {
        node.value
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
    }
    stale = [each for each in own if each not in constants | needed]
    assert stale == [], "words for what is no longer said"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_every_language_makes_the_same_claims(name: str, language: str) -> None:
    run = presentation.Run(get(name), quick(name), "", language=language)
    there, here = run.translated().result, quick(name)
    assert [each.verdict.template for each in there.claims] == [each.verdict.template for each in here.claims]
    assert [each.claim.template for each in there.claims] == [each.claim for each in here.claims]
    assert not {each.claim for each in there.claims} & {each.claim for each in here.claims}
    assert plain(there.numbers) == plain(here.numbers)
    html = presentation.page(run).html()
    assert f'<html lang="{language}">' in html
    assert "The picture" not in html


def test_a_language_that_is_none_is_refused() -> None:
    with pytest.raises(LossError, match="There is no language 'xx'"):
        text.words_of("xx")


def test_a_sentence_keeps_its_numbers_in_another_language() -> None:
    inner = text.say("from {at}", at=text.say("here"))
    outer = text.say("{n:.2f} {0}", inner, n=1 / 3)
    words = {"{n:.2f} {0}": "{0} {n:.1f}", "from {at}": "von {at}", "here": "hier"}
    assert text.in_words(outer, words) == "von hier 0.3"


# ------------------------------------------------------------------------------------------------ verdicts


def test_a_verdict_needs_evidence_on_its_own_side() -> None:
    assert verdict.more_than(Interval(1, 0.1, 2, 5)) == HOLDS
    assert verdict.more_than(Interval(1, 0.1, 2, 5), least=0.5) == NOT_DECIDED
    assert verdict.more_than(Interval(1, -0.1, 2, 5)) == NOT_DECIDED
    assert verdict.more_than(Interval(-1, -2, 0, 5)) == DOES_NOT_HOLD
    assert verdict.more_than(verdict.mean([3.0])) == NOT_DECIDED, "one run says nothing of another"
    assert verdict.more_than(verdict.mean([1.0, float("nan"), 1.0])) == NOT_DECIDED
    assert verdict.more_than(verdict.median([1.0] * 4)) == NOT_DECIDED
    assert verdict.more_than(verdict.median([1.0] * 12 + [float("inf")])) == HOLDS
    assert verdict.theorem([]) == verdict.beyond([], [], "x") == NOT_DECIDED


@pytest.mark.parametrize("estimate", [verdict.mean, verdict.median])
def test_the_intervals_cover_what_they_promise(estimate: object) -> None:
    random = np.random.default_rng(0)
    hits = [one.low <= 0 <= one.high for one in (estimate(random.normal(size=15)) for _ in range(1000))]  # type: ignore[operator]
    assert 0.98 <= np.mean(hits) <= 1


def test_a_condition_is_tested_on_both_sides() -> None:
    assert verdict.over({"a": HOLDS, "b": DOES_NOT_HOLD}) == "holds when a"
    assert verdict.over({"a": HOLDS, "b": NOT_DECIDED}) == NOT_DECIDED
    assert verdict.over({"a": DOES_NOT_HOLD, "b": NOT_DECIDED}) == NOT_DECIDED
    assert verdict.over({"a": DOES_NOT_HOLD, "b": DOES_NOT_HOLD}) == DOES_NOT_HOLD
    assert verdict.over({"a": HOLDS, "b": HOLDS, "c": DOES_NOT_HOLD}) == "holds when a or b"
    assert verdict.beyond([1, 2, 3], [True, True, True], "x") == HOLDS
    assert verdict.beyond([1, 2, 3], [True, False, False], "x") == "holds when x is less than 1.5"


# ------------------------------------------------------------------------------------------------ the map, the notebook


def test_the_map_links_every_claim_to_its_page(tmp_path: Path) -> None:
    runs = [presentation.Run(get(name), quick(name), f"losscope study {name}") for name in NAMES]
    first = presentation.save(runs, tmp_path, "losscope study --all", whole=True)
    html = first.read_text()
    assert first.name == "index.html"
    for name in NAMES:
        assert (tmp_path / f"{name}.html").exists()
        for number in range(1, len(quick(name).claims) + 1):
            assert f'href="{name}.html#claim-{number}"' in html
    counts = claims.counted([(name, quick(name)) for name in NAMES])
    assert html.count('class="badge') == counts["all"] == sum(len(quick(name).claims) for name in NAMES)
    assert all(
        group[:1].upper() + group[1:] in html
        for group in {each.group for name in NAMES for each in quick(name).claims}
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_document_of_claims_is_current(name: str) -> None:
    page = (ROOT / "docs/claims.md").read_text()
    for claim in quick(name).claims:
        line = next(
            (
                each
                for each in page.splitlines()
                if each.startswith("| " + claim.claim.replace("|", "\\|") + " |")
            ),
            None,
        )
        assert line is not None, f"run: python benchmarks/verdicts.py ({claim.claim})"
        assert claim.verdict == NOT_DECIDED or f"**{claim.verdict}**" in line, line


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_and_finds_the_same(name: str, tmp_path: Path) -> None:
    """To the last digit: so a study repeats itself, too."""
    path = notebook.save(get(name), tmp_path / "study.ipynb", {}, quick=True)
    made = json.loads(path.read_text())
    assert made["nbformat"] == 4
    cells = ["".join(each["source"]) for each in made["cells"] if each["cell_type"] == "code"]
    names: dict[str, object] = {"__name__": "notebook"}
    for cell in cells[:-1]:  # the last one displays
        exec(compile(cell, name, "exec"), names)
    assert as_json(names["found"]) == as_json(quick(name))  # type: ignore[arg-type]
    functions = [node for node in ast.parse(source(name)).body if isinstance(node, ast.FunctionDef)]
    assert len(cells) >= len(functions), "a function has a cell of its own"


def test_ranges() -> None:
    assert str(Range(0, above=True)) == "more than 0"
    assert str(Range(1, 100_000)) == "1 to 100,000"
    assert inspect.signature(get("saturation").experiment).parameters["epochs"].default == 300

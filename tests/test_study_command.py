"""`losscope study`: what it lists, runs, writes and refuses."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from losscope import studies
from losscope.cli import main
from losscope.studies import Claim, Result, Study, presentation
from losscope.studies.study import DOES_NOT_HOLD, HOLDS


def run(capsys, *words):
    code = main(["study", *words])
    out, err = capsys.readouterr()
    return code, out, err


def small(
    *,
    quick=False,
    seed=0,
    progress,
    rate: float = 0.5,
    names: tuple[str, ...] = ("a", "b"),
    loud: bool = False,
) -> Result:
    """A study of nothing."""
    from losscope.report import Chart, Line, Panel, Table

    progress(0.5, "half way")
    chart = Chart([Panel("P", "x (m)", "y (m)", [Line([0, 1], [0, rate], "line")])], name="one figure")
    claims = [
        Claim("A claim.", HOLDS, "Seen.", "entropy"),
        Claim("Another.", "holds when small", "Seen.", "entropy"),
        Claim("A third.", DOES_NOT_HOLD, "<Seen>.", "gradients"),
    ]
    return Result(
        answer="It is small.",
        claims=claims,
        charts=[chart],
        done=["Done with **care**."],
        sources=["A. Author, A book (2026)."],
        numbers={"rate": rate, "names": names, "loud": loud, "seed": seed, "quick": quick},
        tables=[Table(["n"], [[1.5]])],
    )


def lacking(*, quick=False, seed=0, progress) -> Result:
    raise ModuleNotFoundError("No module named 'torch'", name="torch")


@pytest.fixture
def two(monkeypatch):
    """Two small studies in the place of the real ones."""
    known = {
        "small": Study("small", 1, "Is it small?", lambda: small),
        "lacking": Study("lacking", 2, "Is it there?", lambda: lacking),
    }
    monkeypatch.setattr(studies, "studies", lambda: known)
    return known


def test_it_lists_every_study_with_its_question(capsys):
    code, out, _ = run(capsys)
    assert code == 0
    for study in studies.studies().values():
        assert study.name in out
    code, out, _ = run(capsys, "--json")
    assert [each["question"] for each in json.loads(out)["studies"]] == [
        each.question for each in studies.studies().values()
    ]


def test_studies_are_in_reading_order_and_have_their_own_names():
    known = list(studies.studies().values())
    assert [each.order for each in known] == sorted({each.order for each in known})
    assert all(each.question.endswith("?") for each in known)


def test_one_study_prints_question_claims_and_tables(capsys, two):
    code, out, _ = run(capsys, "small")
    assert code == 0
    for words in (
        "Is it small?",
        "Done with care.",
        "A claim.",
        "holds when small",
        "does not hold",
        "<Seen>.",
        "1.5",
        "--out DIR",
    ):
        assert words in out


def test_own_options_come_from_the_annotations(capsys, two):
    code, out, _ = run(
        capsys, "small", "--rate", "0.25", "--names", "c", "d", "--loud", "--seed", "7", "--quick", "--json"
    )
    assert code == 0
    found = json.loads(out)
    assert found["schema"] == "losscope.study/2"
    assert found["studies"][0]["numbers"] == {
        "rate": 0.25,
        "names": ["c", "d"],
        "loud": True,
        "seed": 7,
        "quick": True,
    }
    assert found["command"] == "losscope study small --quick --seed 7 --rate 0.25 --names c d --loud"


def test_the_command_in_the_report_gives_the_same_again(capsys, two):
    _, first, _ = run(capsys, "small", "--rate", "0.25", "--seed", "3", "--json")
    words = json.loads(first)["command"].split()[2:]
    _, again, _ = run(capsys, *words, "--json")
    assert first == again


def test_all_writes_a_page_numbers_and_a_picture_each(capsys, two, tmp_path):
    code, out, _ = run(capsys, "--all", "--out", str(tmp_path / "report"))
    assert code == 0
    assert sorted(each.name for each in (tmp_path / "report").iterdir()) == [
        "index.html",
        "lacking.html",
        "results.json",
        "small-one-figure.svg",
        "small.html",
    ]
    found = json.loads((tmp_path / "report" / "results.json").read_text())
    assert found["studies"][0]["figures"] == ["small-one-figure.svg"]
    assert "torch" in found["studies"][1]["missing"]  # one missing package does not cost the others
    html = (tmp_path / "report" / "index.html").read_text()
    assert "Is it small?" in html
    assert "Not run" in html
    assert 'href="small.html#claim-1"' in html
    assert "<strong>1 hold</strong>" in html
    assert "&lt;Seen&gt;" in (tmp_path / "report" / "small.html").read_text()
    assert str(tmp_path / "report" / "index.html") in out


def test_the_page_asks_nobody_for_anything(two):
    class Links(HTMLParser):
        found: list[str] = []

        def handle_starttag(self, tag, attributes):
            self.found += [
                value
                for name, value in attributes
                if name in ("src", "href") and value and not value.startswith(("#", "data:"))
            ]

    links = Links()
    links.feed(
        presentation.page(presentation.Run(two["small"], two["small"](), "losscope study small")).html()
    )
    assert links.found == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["smal"], "Did you mean 'small'"),
        (["small", "--all"], "A study is named and --all is given"),
        (["--quick"], "No study is named. Expected: one of small, lacking."),
    ],
)
def test_a_mistake_is_one_line_and_2(capsys, two, words, message):
    code, out, err = run(capsys, *words)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not out


@pytest.mark.parametrize(
    "words", [["small", "--rate", "fast"], ["small", "--unknown"], ["small", "--seed", "x"]]
)
def test_an_option_that_is_none_is_refused(capsys, two, words):
    with pytest.raises(SystemExit) as stopped:
        main(["study", *words])
    assert stopped.value.code == 2
    assert words[1] in capsys.readouterr().err


def test_an_unknown_option_of_a_study_is_met_with_the_nearest(capsys, two):
    with pytest.raises(SystemExit):
        main(["study", "small", "--rates", "1", "--lod"])
    error = capsys.readouterr().err
    assert error.startswith("losscope study small: unrecognized arguments")
    assert error.count("\n") == 1
    assert "did you mean --loud?" in error or "did you mean --rate --loud?" in error


def test_a_quick_page_says_no_more_than_is_true(two):
    run = presentation.Run(two["small"], two["small"](quick=True), "losscope study small --quick", quick=True)
    assert "runs may be smaller" in presentation.page(run).html()
    assert "runs may be smaller" in presentation.index([run]).html()


def test_help_names_the_options_of_the_study(capsys, two):
    with pytest.raises(SystemExit) as stopped:
        main(["study", "small", "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    for words in ("--rate", "--names", "--no-loud", "default 0.5", "Is it small?"):
        assert words in out


def test_a_package_that_is_missing_is_an_error_of_a_study_alone(two):
    from types import SimpleNamespace

    from losscope.cli import study as command

    with pytest.raises(ModuleNotFoundError):
        command.run(SimpleNamespace(words=["lacking"]))


def test_stopped_half_way_keeps_what_is_finished(capsys, monkeypatch, tmp_path):
    def stop(*, quick=False, seed=0, progress) -> Result:
        raise KeyboardInterrupt

    monkeypatch.setattr(
        studies,
        "studies",
        lambda: {
            "small": Study("small", 1, "Is it small?", lambda: small),
            "stop": Study("stop", 2, "Stop?", lambda: stop),
        },
    )
    code, _, err = run(capsys, "--all", "--out", str(tmp_path))
    assert code == 130
    assert "what finished (1)" in err
    assert (tmp_path / "index.html").exists()
    assert len(json.loads((tmp_path / "results.json").read_text())["studies"]) == 1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_page_is_in_its_language(capsys, language, tmp_path):
    code, out, _ = run(
        capsys, "saturation", "--quick", "--epochs", "5", "--lang", language, "--out", str(tmp_path)
    )
    assert code == 0
    assert ("不成立" in out) == ("不成立" in (tmp_path / "saturation.html").read_text()) == (language == "zh")


def test_a_language_that_is_none_is_one_line_and_2(capsys, two):
    code, out, err = run(capsys, "small", "--lang", "klingon")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "one of en, zh" in err


def test_a_study_becomes_a_notebook(capsys, tmp_path):
    code, _, _ = run(capsys, "saturation", "--epochs", "7", "--notebook", str(tmp_path / "s.ipynb"))
    assert code == 0
    assert "epochs=7" in (tmp_path / "s.ipynb").read_text()
    assert run(capsys, "saturation", "--notebook", str(tmp_path / "s.txt"))[0] == 2
    assert run(capsys, "--all", "--notebook", str(tmp_path / "s.ipynb"))[0] == 2
    assert run(capsys, "saturation", "--notebook", str(tmp_path / ("no" * 200) / "s.ipynb"))[0] == 2


def test_a_loss_of_ones_own_runs_beside_the_others(capsys):
    code, out, _ = run(capsys, "saturation", "--quick", "--loss", "huber@sigmoid", "--start", "3", "--json")
    assert code == 0
    runs = json.loads(out)["studies"][0]["numbers"]["runs"]
    assert [each["loss"] for each in runs][-1] == "huber@sigmoid"
    code, _, err = run(capsys, "saturation", "--loss", "cross_entropy")
    assert code == 2
    assert "not a function of the weighted input" in err
    code, _, err = run(capsys, "saturation", "--loss", "huber")
    assert code == 2
    assert "huber@sigmoid" in err


def test_a_real_study_from_the_command_line(capsys, tmp_path):
    code, out, err = run(capsys, "saturation", "--epochs", "20", "--out", str(tmp_path), "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "results.json").read_text())
    assert "does not hold" in err

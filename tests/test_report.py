"""Laws and checks of losscope.report: what is drawn, written and escaped, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from losscope.report import (
    Bars,
    Chart,
    Code,
    Fold,
    Line,
    Link,
    Looks,
    Mark,
    Page,
    Panel,
    Points,
    Prose,
    Region,
    Section,
    Table,
    Verdict,
    layout,
    write_csv,
    write_json,
)
from losscope.report.looks import DASHES, MARKERS
from losscope.report.prose import html_of
from losscope.report.spread import spread
from losscope.report.theme import DARK, LIGHT, SERIES, variable
from losscope.report.thin import line_indices, scatter_indices

X = np.linspace(-3, 3, 61)
SVG = "{http://www.w3.org/2000/svg}"


def panel(*items, title="Value", **options):
    return Panel(title, "residual (kg)", "loss", items, **options)


def svg_of(*items, **options):
    return ET.fromstring(Chart([panel(*items, **options)]).svg())


def texts(root):
    return [element.text or "" for element in root.iter(f"{SVG}text")]


# ---------------------------------------------------------------------------------------------- the package


def test_import_is_light():
    code = (
        "import sys, losscope.report; "
        "print([m for m in ('matplotlib', 'jinja2', 'rich', 'numpy', 'torch') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_drawing_leaves_no_trace_in_matplotlib():
    import matplotlib

    before = dict(matplotlib.rcParams)
    pyplot_before = "matplotlib.pyplot" in sys.modules
    Chart([panel(Line(X, X**2, "mse"))]).svg()
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == pyplot_before


# ---------------------------------------------------------------------------------------------- SVG


def test_svg_is_well_formed_scalable_and_described():
    chart = Chart([panel(Line(X, X**2, "mse"), title="Value")], caption="How steep.")
    text = chart.svg()
    root = ET.fromstring(text)
    assert text.startswith("<svg")
    assert "<metadata" not in text
    assert root.get("viewBox")
    assert root.get("width") == "100%"
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == "How steep."
    assert "mse: from 9 to 9, range 0 to 9" in root.find(f"{SVG}desc").text
    assert "prefers-color-scheme:dark" in text
    assert "DejaVu" not in text, "the page's font, not the one it was measured in"


def test_every_colour_is_a_variable_with_a_fallback():
    items = [Line(X, X + i, f"loss {i}", low=X + i - 0.1, high=X + i + 0.1) for i in range(5)]
    chart = Chart(
        [panel(*items, Points(X, X, "data"), Line(X, 0 * X, "zero", style="reference"), notes=[(1, "δ")])]
    )
    for element in ET.fromstring(chart.svg()).iter():
        for name in ("fill", "stroke"):
            value = element.get(name)
            if value and value != "none":
                assert value in LIGHT.values()
                assert f"{name}:var(--ls-" in element.get("style", ""), (element.tag, value)


def test_same_data_same_bytes(tmp_path):
    def draw():
        return Chart([panel(Line(X, X**2, "mse", low=X**2 - 1, high=X**2 + 1), Points(X, X, "data"))] * 2)

    assert draw().svg() == draw().svg()
    assert draw().inline() == draw().inline()
    for suffix in (".png", ".pdf", ".svg"):
        one, two = draw().save(tmp_path / f"one{suffix}"), draw().save(tmp_path / f"two{suffix}")
        assert one.read_bytes() == two.read_bytes()


def ids(text):
    return re.findall(r'\sid="([^"]+)"', text)


def references(text):
    found = re.findall(r'(?:href="|url\()#([\w-]+)', text)
    for group in re.findall(r'aria-labelledby="([^"]+)"', text):
        found += group.split()
    return found


def test_ids_are_unique_and_every_reference_has_its_target():
    first = Chart([panel(Line([1, 2], [1, 2], "a")), panel(Line([1, 2], [1, 2], "a"))])
    second = Chart([panel(Line([1, 2], [1, 3], "a"))])
    for text in (
        first.inline() + second.inline(),
        Page("p", "", [Section("s", [first, second, first])]).html(),
    ):
        assert len(ids(text)) == len(set(ids(text)))
        assert set(references(text)) <= set(ids(text))


@pytest.mark.parametrize(
    "label", ["<script>alert(1)</script>", "a & \"b\" 'c'", "$5 or $6", "</svg>", "x_{2}^3 \\frac"]
)
def test_labels_are_text_and_nothing_else(label):
    root = svg_of(Line(X, X, label), title=label)
    written = "".join(texts(root)).replace(" ", "")
    assert label.replace(" ", "") in written
    assert root.find(f".//{SVG}script") is None
    page = Page(
        label, label, [Section(label, [Table([label], [[label]], label), Code(label)])], command=label
    ).html()
    assert "<script>" not in page


# ---------------------------------------------------------------------------------------------- looks


def test_colours_dashes_and_markers_differ():
    assert len(set(SERIES)) == len(SERIES) == 7
    assert len(set(DASHES)) == len(DASHES)
    assert len(set(MARKERS)) == len(MARKERS)
    assert len(set(LIGHT.values())) == len(LIGHT), "svg.py tells the roles apart by their values"
    assert LIGHT.keys() == DARK.keys()
    looks = Looks(str(index) for index in range(56))
    assert len({(looks[str(i)].colour, looks[str(i)].dashes) for i in range(56)}) == 56


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_colours_have_contrast(theme):
    paper = luminance(theme["paper"])
    for name, colour in theme.items():
        if name in ("paper", "grid", "axis"):
            continue
        low, high = sorted((paper, luminance(colour)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, name


# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
SIGHT = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


def cielab(colour, sight):
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = to_xyz @ np.clip(SIGHT[sight] @ linear, 0, 1) / to_xyz.sum(axis=1)
    x, y, z = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("sight", SIGHT)
def test_series_colours_differ_for_the_colour_blind(theme, sight):
    series = [cielab(colour, sight) for name, colour in theme.items() if name.startswith("series-")]
    apart = min(np.linalg.norm(one - two) for at, one in enumerate(series) for two in series[:at])
    assert apart >= 12


def test_each_curve_has_its_own_dashes_in_the_svg():
    names = ["mse", "mae", "huber", "log-cosh", "pinball"]
    root = svg_of(*(Line(X, X + i, name) for i, name in enumerate(names)))
    drawn = {
        (path.get("stroke"), path.get("stroke-dasharray"))
        for path in root.iter(f"{SVG}path")
        if path.get("stroke") in SERIES and path.get("stroke-width") == "2"
    }
    assert len({colour for colour, _ in drawn}) == len({dash for _, dash in drawn}) == len(names)


def test_one_label_one_look_over_a_page():
    first = Chart([panel(Line(X, X, "mse"), Line(X, -X, "huber"))])
    second = Chart([panel(Line(X, X, "huber"))])
    bars = Chart([panel(Bars(["huber"], [1.0], "MAE"))])
    huber = Looks(["huber"])["huber"].colour
    assert huber in second.svg().split("</style>")[1], "a loss has its colour, whatever is beside it"
    figures = Page("p", "", [Section("s", [bars, first, second])]).html().split("<figure")[1:]
    assert all(f"stroke:{variable(huber)}" in figure for figure in figures[1:])
    assert f"fill:{variable(huber)}" in figures[0], "bars take the look of the curve of that name"
    other = Looks(["mse", "mine"])["mine"].colour
    assert Chart([panel(Line(X, X, "mine"))], looks=Looks(["mse", "mine"])).svg().count(other) > 1


def test_variants_of_a_loss_have_its_colour_and_others_have_not():
    looks = [Looks([name]) for name in ("mse", "half squared error", "squared error through sigmoid")]
    assert len({each[each.labels()[0]].colour for each in looks}) == 1
    names = ["squared error", "absolute error", "smooth L1", "Huber", "cross-entropy"]
    assert len({Looks([name])[name].colour for name in names}) == len(names)
    page = Looks()
    page.introduce_all([["data", "fit"], ["squared error"]])
    assert page["squared error"] == Looks(["squared error"])["squared error"]
    assert page["squared error"].colour not in (page["data"].colour, page["fit"].colour)


def test_a_region_is_filled_and_bounded():
    x, y = np.linspace(-1, 1, 21), np.linspace(-2, 2, 31)
    inside = x[None, :] - 0.3 * y[:, None]
    chart = Chart([panel(Region(x, y, inside, "class 1"), Points([0.5], [0], "seen"))])
    root = ET.fromstring(chart.svg())
    colour = Looks(["class 1"])["class 1"].colour
    kinds = {(path.get("fill"), path.get("stroke")) for path in root.iter(f"{SVG}path")}
    assert any(fill == colour for fill, _ in kinds)
    assert any(stroke == colour for _, stroke in kinds)
    assert "class 1: " in root.find(f"{SVG}desc").text
    assert "of the area" in root.find(f"{SVG}desc").text
    for everywhere in (1.0, -1.0, 0.0):
        Chart([panel(Region(x, y, inside * 0 + everywhere, "all or nothing"))]).svg()


def test_what_folds_away_is_on_the_page_and_cells_lead_and_judge():
    table = Table(
        ["study", "verdict", "words"], [[Link("a <b>", "a.html#x"), Mark("holds", "holds"), Prose("`c`")]]
    )
    html = Page(
        "p", "", [Section("s", [Fold("More", ["deep", table, Chart([panel(Line(X, X, "a"))])])])]
    ).html()
    inside = html[html.index("<details>") : html.index("</details>")]
    assert "<summary>More</summary>" in inside
    assert '<a href="a.html#x">a &lt;b&gt;</a>' in inside
    assert 'class="badge holds"' in inside
    assert "<code>c</code>" in inside
    assert "<svg" in inside
    assert table.records() == [{"study": "a <b>", "verdict": "holds", "words": "`c`"}]


def test_labels_of_one_panel_do_not_share_a_colour_however_late_they_come():
    looks = Looks(f"label {i}" for i in range(7))
    looks.introduce(["label 0", "label 1", "new", "newer"])
    assert len({looks[name].colour for name in ("label 0", "label 1", "new", "newer")}) == 4
    assert looks["label 0"] == Looks(["label 0"])["label 0"], "a look, once given, stays"


# ---------------------------------------------------------------------------------------------- labels


@given(
    st.lists(st.tuples(st.floats(-50, 150), st.floats(5, 30)), min_size=1, max_size=12),
)
def test_spread_never_overlaps_never_leaves_and_keeps_the_order(pairs):
    wanted, heights = [p[0] for p in pairs], [p[1] for p in pairs]
    places = spread(wanted, heights, 0.0, 100.0)
    if places is None:
        assert sum(heights) > 100
        return
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    for above, below in pairwise(order):
        assert places[below] - places[above] >= (heights[above] + heights[below]) / 2 - 1e-6
    assert all(
        place - height / 2 >= -1e-6 and place + height / 2 <= 100 + 1e-6
        for place, height in zip(places, heights)
    )


def test_spread_leaves_alone_what_does_not_overlap():
    assert spread([10.0, 90.0, 50.0], [10.0] * 3, 0.0, 100.0) == [10.0, 90.0, 50.0]


def boxes(chart):
    """(left, bottom, right, top, text) of every text of a figure, measured by matplotlib."""
    figure = chart.figure()
    renderer = figure.canvas.get_renderer()
    return [(*text.get_window_extent(renderer).extents, text.get_text()) for text in figure.texts]


def assert_apart(chart):
    found = boxes(chart)
    figure = chart.figure()
    wide, high = figure.get_size_inches() * 72
    for left, bottom, right, top, text in found:
        assert left >= -0.5, text
        assert right <= wide + 0.5, text
        assert bottom >= -0.5, text
        assert top <= high + 0.5, text
    for at, one in enumerate(found):
        for two in found[at + 1 :]:
            across = min(one[2], two[2]) - max(one[0], two[0])
            along = min(one[3], two[3]) - max(one[1], two[1])
            # a bounding box includes the room for descenders, so neighbouring lines may touch by a little
            assert across <= 0.5 or along <= 3.5, (one[4], two[4])


@pytest.mark.parametrize("count", [1, 2, 5, 8, 9, 20])
@pytest.mark.parametrize("columns", [1, 3])
def test_texts_of_a_chart_do_not_overlap(count, columns):
    lines = [Line([1, 2, 3], [1, 2, 3 + 0.001 * i], f"a loss, number {i}") for i in range(count)]
    one = panel(*lines, notes=[(2, "here"), (2.01, "there"), (3, "the end of it")])
    assert_apart(Chart([one] * columns, columns=columns))


def test_long_labels_are_broken_and_shortened():
    long = "an unreasonably long name of a loss " * 6
    chart = Chart([Panel(long, long, long, [Line(X, X, long), Line(X, X, "x" * 200)], notes=[(0.0, long)])])
    assert_apart(chart)
    assert any("…" in text for *_, text in boxes(chart))
    bars = Chart(
        [Panel("t", "x", "y", [Bars([long, "b"], [1.0, -2.0], "s"), Bars([long, "b"], [3.0, 1e9], "t")])]
    )
    assert_apart(bars)


def test_many_lines_get_a_key_below_instead():
    few = [Line(X, X + i, f"name {i}") for i in range(3)]
    many = [Line(X, X + i, f"name {i}") for i in range(12)]
    _, high_few = Chart([panel(*few)]).figure().get_size_inches()
    figure = Chart([panel(*many)]).figure()
    assert figure.get_size_inches()[1] > high_few
    bottom = figure.axes[0].get_position().y0
    places = {text.get_text(): text.get_position()[1] for text in figure.texts}
    assert all(places[f"name {i}"] < bottom for i in range(12))


def test_letters_stay_readable_at_400_pixels():
    for count, least in ((1, 9.5), (2, 6.5), (4, 6.5)):
        root = ET.fromstring(Chart([panel(Line(X, X, "mse"))] * count).svg())
        wide = float(root.get("viewBox").split()[2])
        sizes = [float(text.get("font-size")) for text in root.iter(f"{SVG}text")]
        assert min(sizes) * 400 / wide >= least
    # in a page the panels wrap, so each has the whole width
    for view in re.findall(r'viewBox="0 0 ([\d.]+)', Chart([panel(Line(X, X, "mse"))] * 3).inline()):
        assert 12 * 345 / float(view) >= 11
    for count in (1, 2, 3):
        (view, *_) = re.findall(r'viewBox="0 0 ([\d.]+)', Chart([panel(Line(X, X, "mse"))] * count).inline())
        assert 12 * 345 / float(view) >= 11, "letters of 11 pixels where a page of 400 leaves 345 to a figure"


# ---------------------------------------------------------------------------------------------- awkward data

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize(
    "item",
    [
        Line([], [], "empty"),
        Line([1, 2, 3], [NAN, INF, -INF], "nothing finite"),
        Line([1, 2, 3], [-1, 0, NAN], "nothing positive"),
        Line([1], [2], "one point"),
        Line([1, 2, 3], [1, NAN, 3], "a gap", [0, NAN, -1], [2, NAN, INF]),
        Line([1, 1], [2, 2], "no extent"),
        Line([1e-320, 1e300], [1e-310, 1.7e308], "the whole range"),
        Line([-1e308, 1e308], [-1.7e308, 1.7e308], "wider than a float"),
        Points([], [], "none"),
        Points([1, INF], [NAN, 1], "not finite"),
        Bars([], [], "no bars"),
        Bars(["a", "b", "c"], [NAN, -1.0, INF], "bars", [NAN, -2, 0], [1, 0, INF]),
        Bars(["a", "b"], [0.0, 0.0], "zero"),
    ],
    ids=lambda value: getattr(value, "label", value),
)
@pytest.mark.filterwarnings("error")
def test_awkward_data_is_drawn(item, scale):
    svg = Chart([panel(item, x_scale=scale, y_scale=scale)]).svg()
    ET.fromstring(svg)
    assert not re.search(
        r"[\s\"](nan|inf)[\s\"]", svg.split("</desc>")[1].replace(">inf<", "").replace(">n/a<", "")
    )


def test_no_data_is_said():
    assert "no data" in texts(svg_of())
    assert "no data" in texts(svg_of(Line([1, 2], [NAN, INF], "diverged")))
    assert "no data" in texts(svg_of(Line([1, 2], [-1, 0], "negative"), y_scale="log"))
    assert "no data" not in texts(svg_of(Line([1], [1], "one")))


def test_one_point_and_few_points_have_markers():
    assert svg_of(Line([1], [2.0], "one")).find(f".//{SVG}use") is not None
    assert svg_of(Line(X, X, "dense")).find(f".//{SVG}use") is None


def test_huge_lines_are_thinned_but_keep_their_peaks_and_gaps():
    y = np.sin(np.linspace(0, 200, 300_000))
    y[123_456], y[200_000], y[250_000] = 50.0, -60.0, NAN
    kept = line_indices(y)
    assert len(kept) <= 2100
    assert {0, 123_456, 200_000, 250_000, len(y) - 1} <= set(kept.tolist())
    assert len(Chart([panel(Line(np.arange(len(y)), y, "long"))]).svg()) < 100_000
    x = np.random.default_rng(0).normal(size=50_000)
    kept = scatter_indices(x, -x)
    assert len(kept) <= 3000
    assert {int(x.argmin()), int(x.argmax())} <= set(kept.tolist())
    assert any("of 50000 shown" in text for text in texts(svg_of(Points(x, -x, "points"))))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=8), st.sampled_from(["linear", "log"])
)
def test_any_numbers_can_be_drawn(values, scale):
    ET.fromstring(Chart([panel(Line(range(len(values)), values, "any"), y_scale=scale)]).svg())


# ---------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Line([1, 2], [1], "a"), "Line 'a': y has 1 values, expected 2"),
        (lambda: Line([1, 2], [1, 2], "a", low=[1, 2]), "needs both low and high"),
        (lambda: Line([1, 2], [1, 2], "a", low=[1], high=[1]), "low has 1 values"),
        (lambda: Line([[1, 2]], [[1, 2]], "a"), "one dimension"),
        (lambda: Line(["x"], [1], "a"), "expected numbers"),
        (lambda: Line([1], [1], "a", style="bold"), "unknown style 'bold'"),
        (lambda: Points([1], [1, 2], "a"), "y has 2 values"),
        (lambda: Bars(["a"], [1, 2], "a"), "1 names for 2 values"),
        (lambda: Bars(["a", "a"], [1, 2], "a"), "occurs twice"),
        (lambda: panel(y_scale="sqrt"), "unknown y_scale 'sqrt'"),
        (lambda: panel(x_limits=(2, 1)), "low < high"),
        (lambda: panel(y_scale="log", y_limits=(0, 1)), "positive on a log scale"),
        (lambda: Region([0, 1], [0, 1], [[1, 2]], "a"), "expected (2, 2)"),
        (lambda: Region([1, 0], [0, 1], [[1, 2], [3, 4]], "a"), "x must rise"),
        (lambda: Region([0, 1], [0, 1], [[1, 2], [3, NAN]], "a"), "not finite"),
        (lambda: Fold("f", [3]), "got int"),
        (lambda: panel("text"), "must be Line, Points, Region or Bars"),
        (lambda: panel(Line([1], [1], "a"), Bars(["a"], [1], "b")), "cannot share"),
        (lambda: panel(notes=["x"]), "pairs"),
        (lambda: Chart([]), "no panels"),
        (lambda: Chart([panel()], columns=7), "columns must be"),
        (lambda: Chart([panel()]).save("x.gif"), "unknown suffix"),
        (lambda: Table(["a", "b"], [[1, 2], [3]]), "row 1 has 1 cells, expected 2"),
        (lambda: Table(["a", "a"], []), "occurs twice"),
        (lambda: Table(["a"], [], best={"b": "min"}), "best names the column 'b'"),
        (lambda: Table(["a"], [], best={"a": "low"}), "'min' or 'max'"),
        (lambda: Verdict("c", "maybe", ""), "got 'maybe'"),
        (lambda: Verdict("c", "holds when ", ""), "a verdict is"),
        (lambda: Section("s", [3]), "got int"),
        (lambda: Page("p", "", ["text"]), "expected Section"),
        (lambda: Page("p", "", []).save("x.txt"), "unknown suffix"),
    ],
)
def test_bad_input_is_a_clear_error(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


# ---------------------------------------------------------------------------------------------- tables


def table():
    rows = [
        ["mse", 0.1, (0.40, 0.05), 12],
        ["huber <b>", 0.001, (0.31, 0.02), 7],
        ["mae", 12345.678, None, 0],
        ["x", NAN, (NAN, NAN), 7],
    ]
    return Table(["loss", "rate", "MAE", "n"], rows, "Errors", {"MAE": "min", "n": "max"})


def test_table_texts():
    assert table().texts() == [
        ["mse", "0.100", "0.40 +- 0.05", "12 *"],
        ["huber <b>", "0.001", "0.31 +- 0.02 *", "7"],
        ["mae", "12346", "-", "0"],
        ["x", "nan", "nan +- nan", "7"],
    ]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ((0.123, 0.004), "0.123 +- 0.004"),
        ((0.98765, 0.0), "0.9877 +- 0"),
        ((0.98765, 1e-9), "0.9877 +- 1e-09"),
        ((123.4567, 12.3), "123 +- 12"),
        ((np.float32(0.5), np.float64(0.25)), "0.50 +- 0.25"),
        (np.float32(0.1), "0.1"),
        (np.int64(3), "3"),
        (np.bool_(True), "yes"),
        (1e-9, "1e-09"),
        (-0.00012345, "-0.0001234"),
        (0.0, "0"),
        (999.96, "1000"),
        (INF, "inf"),
        ("a", "a"),
    ],
)
def test_cells(cell, text):
    assert Table(["a"], [[cell]]).texts() == [[text]]


@given(st.floats(1e-4, 1e5))
def test_four_digits_are_kept(value):
    [[text]] = Table(["a"], [[value]]).texts()
    assert float(text) == pytest.approx(value, rel=5.1e-4)


def test_table_html_is_well_formed_and_escaped():
    root = ET.fromstring(table().html())
    assert [cell.text for cell in root.iter("strong")] == ["12", "0.31 ± 0.02"]
    assert "huber <b>" in [cell.text for cell in root.iter("td")]


def test_table_in_a_terminal_of_80_columns():
    from rich.console import Console

    console = Console(width=80, force_terminal=False, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table().rich())
    lines = console.export_text().splitlines()
    console.file.close()
    assert all(len(line) <= 80 for line in lines)
    assert "huber <b>" in "".join(lines), "a cell is text, not rich's markup"
    ends = {line.index(" *") for line in lines if "0.31 +- 0.02 *" in line}
    assert ends == {next(line for line in lines if "mse" in line).index("0.40 +- 0.05") + 12}, (
        "digits line up"
    )


def printed(table, width):
    from rich.console import Console

    file = io.StringIO()
    table.print(Console(width=width, file=file, color_system=None))
    return file.getvalue()


def test_a_table_too_wide_for_the_terminal_is_printed_row_by_row():
    wide = Table(
        ["loss", "median |error|"],
        [["a_name_of_more_than_twenty_letters", (1.5, 0.25)], ["mse", None]],
        caption="Long words about it",
        best={"median |error|": "min"},
    )
    assert printed(wide, 20) == (
        "Long words about it\n\nloss:\n  a_name_of_more_than_twenty_letters\nmedian |error|: 1.50\n  +- 0.25\n\n"
        "loss: mse\nmedian |error|: -\n\n"
    )
    for width in range(1, 100):
        text = printed(wide, width)
        assert "a_name_of_more_than_twenty_letters" in text
        assert "1.50" in text
        if width >= 36:
            assert max(map(len, text.splitlines())) <= width


def test_a_caption_is_as_wide_as_the_terminal_not_as_the_table():
    text = printed(Table(["loss", "own"], [["mse", 1.25]], caption="Not to be compared between losses"), 40)
    assert text.startswith("Not to be compared between losses\n")


def test_heads_and_texts_break_between_words_to_fit():
    text = printed(Table(["the name of it", "RMSE over all"], [["one two three four", 1.25]]), 16)
    assert all(len(line) <= 16 for line in text.splitlines())
    assert {"three", "four", "name", "over", "1.25"} <= set(text.split())
    assert "name:" not in text


def test_the_list_of_losses_clips_no_name_at_any_width(capsys, monkeypatch):
    import losscope
    from losscope.cli import main
    from losscope.cli.list import lines

    for width in (20, 40, 80, 200):
        text = [line for _, line in lines(width)]
        assert set(losscope.losses()) <= set(" ".join(text).split())
        assert all(len(line) <= max(width, 40) for line in text)
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "bce, logistic, log_loss\n" in out, "no terminal: one line a loss, to be searched"
    assert not any(line.endswith(" ") for line in out.splitlines())
    assert main(["show", "huber"]) == 0
    out = capsys.readouterr().out
    assert re.search("^source .*Huber.*doi:10.1214/aoms/1177703732$", out, re.MULTILINE)
    assert not any(line.endswith(" ") for line in out.splitlines())


LOSSCOPE = [sys.executable, "-c", "import sys; from losscope.cli import main; sys.exit(main())"]


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["show", "huber", "mse"]])
def test_a_reader_who_has_seen_enough_is_no_failure(words):
    """`losscope list | head -1`: rich, too, would have made it exit code 1."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run([*LOSSCOPE, *words], stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_verb_the_help_is_shown(capsys):
    from losscope.cli import main

    assert main([]) == 2
    assert "compare" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["--what"])
    assert "unrecognized arguments: --what" in capsys.readouterr().err


def test_show_breaks_between_words_only():
    from rich.console import Console

    import losscope
    from losscope.cli.show import _print

    for width in (25, 40, 80):
        file = io.StringIO()
        console = Console(width=width, file=file, force_terminal=True, color_system=None)
        _print(console, losscope.get("huber"), False)
        assert "doi:10.1214/aoms/1177703732" in file.getvalue()
        assert all(len(line) <= width for line in file.getvalue().splitlines() if "doi:" not in line)


def test_epochs_are_ticked_at_whole_numbers():
    for last in (1, 2, 3, 5, 7, 12, 30, 1000):
        for wide in (250, 420):
            lines = [Line(np.arange(last + 1), np.arange(last + 1.0), "mse")]
            ticks, written = layout.lay_out(Panel("Learning", "epoch", "", lines), Looks(), wide, 13).x_ticks
            assert all(tick.is_integer() for tick in ticks)
            assert not any("." in text for text in written)
            assert 2 <= len(ticks) <= 9
    lines = [Line([0.0, 1.0], [0.0, 1.0], "mse")]
    fractions = layout.lay_out(Panel("Learning", "time (s)", "", lines), Looks(), 420, 13).x_ticks[0]
    assert not all(tick.is_integer() for tick in fractions)


def test_a_lone_panel_of_a_page_keeps_its_letters_on_a_narrow_screen():
    html = Chart([panel(Line(X, X, "mse"))]).inline()
    view = float(re.search(r'viewBox="0 0 ([\d.]+)', html)[1])
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)"', html)]
    assert min(sizes) * 360 / view >= 9.5
    widest = float(re.search(r"max-width:([\d.]+)rem", html)[1]) * 16
    assert widest / view <= 1.25, "nor do they outgrow the page on a wide one"


def test_a_chart_is_short_in_words():
    chart = Chart([panel(Line(X, X, "mse"), title=title) for title in ("Value", "Gradient")], name="curves")
    assert repr(chart) == "<Chart curves: Value, Gradient>"


def test_a_single_row_has_no_winner():
    assert Table(["a"], [[1.0]], best={"a": "min"}).texts() == [["1"]]
    assert Table(["a"], [[1.0], [1.0]], best={"a": "min"}).texts() == [["1 *"], ["1 *"]]


# ---------------------------------------------------------------------------------------------- pages


class Balanced(HTMLParser):
    """Checks that every element is closed in order, and collects what a browser would ask for."""

    void = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.requests, self.tags = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
                self.requests.append(value)
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.void:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page():
    chart = Chart([panel(Line(X, X**2, "<script>alert(1)</script>"))], caption="A & B")
    verdicts = [
        Verdict("c", "holds", "e"),
        Verdict("c", "holds when x < 1", "e"),
        Verdict("c", "does not hold", ""),
    ]
    sections = [
        Section("One", [r"Text **bold** `code` $\frac{1}{2} r^2$ <i>", table(), chart]),
        Section("Two", verdicts),
        Section("Three", [Code("a < b")]),
        Section("Four", [chart]),
    ]
    return Page("Title <x>", "Lead.", sections, command="losscope compare > out")


def test_page_is_closed_escaped_and_asks_nobody():
    html = page().html()
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert "script" not in parser.tags
    assert all(value.startswith(("#", "data:")) for value in parser.requests)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    without_names = html.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "http://" not in without_names
    assert "https://" not in without_names
    assert len(ids(html)) == len(set(ids(html)))
    assert set(references(html)) <= set(ids(html))
    assert html == page().html()


def test_page_contents_command_and_badges():
    html = page().html()
    assert "<nav" in html
    assert "<nav" not in Page("p", "", page().sections[:3]).html()
    assert "<pre><code>losscope compare &gt; out</code></pre>" in html
    for kind, words in (
        ("holds", "holds"),
        ("conditional", "holds when x &lt; 1"),
        ("fails", "does not hold"),
    ):
        assert re.search(rf'class="verdict {kind}".*?class="badge">.*?{re.escape(words)}</p>', html)


def test_page_saves(tmp_path):
    path = page().save(tmp_path / "deep" / "report.html")
    assert path.read_text(encoding="utf-8") == page().html()
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_prose():
    assert html_of("**a <b>** and `**x**` & $5 to $6") == (
        "<strong>a &lt;b&gt;</strong> and <code>**x**</code> &amp; $5 to $6"
    )
    assert 'aria-label="\\delta &lt; 1"' in html_of(r"$\delta < 1$")
    assert html_of(r"$\nosuchcommand{x}$") == r"<code>\nosuchcommand{x}</code>"
    cases = r"$\begin{cases} \frac{r^2}{2} & \text{for}\: |r| \le 1 \\ \frac12 & \text{else} \end{cases}$"
    assert html_of(cases).count("<svg") == 4


def test_notebooks_get_the_colours_along():
    chart = Chart([panel(Line(X, X, "a"))])
    assert "--ls-ink:" in chart._repr_html_()
    assert chart._repr_svg_() == chart.svg()


# ---------------------------------------------------------------------------------------------- files


def test_json_round_trip(tmp_path):
    data = {
        "float": np.float32(0.5),
        "array": np.array([[1.0, NAN], [INF, 2.0]]),
        "int": np.int64(3),
        "flag": np.bool_(True),
        "tuple": (1, "ä", None),
        4: {"nested": -INF},
        "empty": np.array([]),
    }
    path = write_json(tmp_path / "a" / "results.json", data, "losscope.compare/1")

    def refuse(constant):
        raise AssertionError(constant)

    read = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert next(iter(read)) == "schema"
    assert read == {
        "schema": "losscope.compare/1",
        "float": 0.5,
        "array": [[1.0, None], [None, 2.0]],
        "int": 3,
        "flag": True,
        "tuple": [1, "ä", None],
        "4": {"nested": None},
        "empty": [],
    }
    with pytest.raises(TypeError, match="cannot write a object as JSON"):
        write_json(path, {"x": object()}, "s")
    with pytest.raises(ValueError, match="schema"):
        write_json(path, {"schema": "t"}, "s")
    assert json.loads(path.read_text(encoding="utf-8"))["int"] == 3, "a failed write leaves the old file"
    assert len(list(path.parent.iterdir())) == 1


@given(
    st.lists(
        st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.floats(), min_size=1), max_size=4
    )
)
def test_csv_round_trip(tmp_path_factory, records):
    path = write_csv(tmp_path_factory.mktemp("csv") / "r.csv", records)
    with path.open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    columns = list(dict.fromkeys(key for record in records for key in record))
    assert len(read) == len(records) or columns == []
    for row, record in zip(read, records):
        for column in columns:
            value = record.get(column, "")
            assert row[column] == (value if isinstance(value, str) else repr(value))


def test_csv_of_a_table(tmp_path):
    path = write_csv(tmp_path / "t.csv", table().records())
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["loss", "rate", "MAE", "MAE spread", "n"]
    assert rows[1] == ["mse", "0.1", "0.4", "0.05", "12"]
    assert rows[3] == ["mae", "12345.678", "", "", "0"]
    assert rows[4][1:4] == ["nan", "nan", "nan"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "t.csv", [{"a": 1}])
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_csv(path, [{"a": 2}])
    assert path.read_text() == "a\n1\n"
    assert len(list(tmp_path.iterdir())) == 1

"""The look of all pages: text that is read on light and on dark paper."""

import re

import pytest

from resnet_jax.reporting import markup, plots


def luminance(colour: str) -> float:
    """Relative luminance of a colour as #rgb or #rrggbb; WCAG 2.2, definition of the term."""
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    shares = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.005)


PAPERS = [
    dict(re.findall(r"--(\w+): (#\w{3}(?:\w{3})?)\b", block))
    for block in re.findall(r":root \{(.*?)\}", markup.STYLE, re.DOTALL)
]


@pytest.mark.parametrize("paper", PAPERS, ids=["light", "dark", "print"])
def test_text_stands_out_from_the_paper(paper):
    assert {"paper", "ink", "soft", "link"} <= set(paper)
    for name in ("ink", "soft", "link"):
        assert contrast(paper[name], paper["paper"]) >= 4.5


@pytest.mark.parametrize("paper", PAPERS, ids=["light", "dark", "print"])
def test_curves_stand_out_from_the_paper(paper):
    """WCAG asks 3 of graphics; a legend names each curve beside its colour."""
    (colours,) = re.findall(r"const COLOURS = \[(.*?)\]", plots.SCRIPT)
    for colour in re.findall(r"#\w{6}", colours):
        assert contrast(colour, paper["paper"]) >= 2


@pytest.mark.parametrize(
    "active", ["<script>alert(1)</script>", "<path onclick='alert(1)' d='M0 0'/>",
               "<path d='M0 0'onclick='alert(1)'/>", "<path/onclick=alert(1) d='M0 0'/>",
               "<use href='java&#115;cript:alert(1)'/>", "<use href='https://a.org/b.svg'/>",
               "<iframe srcdoc='&lt;script>alert(1)'/>", "<path",
               "<style>path { fill: url(https://a.org/b) }</style>"],
)  # fmt: skip
def test_an_svg_that_could_run_a_script_is_a_file_inside_the_page(active):
    svg = "<svg xmlns='http://www.w3.org/2000/svg'>{}</svg>"
    image = markup.image(svg.format(active), "seen")
    source = 'src="data:image/svg+xml;base64,'
    assert image.startswith("<img") and source in image and "alert" not in image
    hidden = "<title><![CDATA[><script>alert(1)</script>]]></title><!--> <script> -->"
    assert "<script" not in markup.image(svg.format(hidden), "seen")
    drawn = "<title>more than one = two</title><use href='#a'/><path d='M0 0' opacity='1'/>"
    assert source not in markup.image(svg.format(drawn), "seen")


def test_only_a_page_with_a_plot_has_the_library():
    plot = plots.figure(plots.Plot("loss", {"train": [(1, 2.0)]}, "what is seen"))
    assert "uPlot" in markup.document("a", plot)
    assert "uPlot" not in markup.document("a", "<p>b</p>")


def test_many_points_become_means_of_neighbours():
    points = [(step, float(step)) for step in range(1, 11)]
    assert plots.thinned(points, most=10) == (points, 1)
    thin, group = plots.thinned(points, most=4)
    assert group == 3 and thin == [(3, 2.0), (6, 5.0), (9, 8.0), (10, 10.0)]


def test_curves_of_other_steps_share_an_axis():
    plot = plots.Plot("loss", {"a": [(1, 0.5), (3, float("nan"))], "b": [(2, 4.0)]}, "seen")
    assert plots.as_data(plot) == {
        "across": "updates",
        "names": ["a", "b"],
        "values": [[1, 2, 3], [0.5, None, None], [None, 4.0, None]],
    }


def test_a_name_does_not_end_the_script():
    html = plots.figure(plots.Plot("loss", {"</script><b>": [(1, 2.0)]}, 'a "b"'))
    assert html.count("</script>") == 1 and "<b>" not in html

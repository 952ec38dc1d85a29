"""The table of an experiment or a comparison for a paper: LaTeX with booktabs."""

from resnet_jax.sweeps.table import Line, cells, columns

_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
    "<": r"$<$", ">": r"$>$", "|": r"$|$",
}  # fmt: skip


def escaped(text: str) -> str:
    """Text that LaTeX sets as it stands here."""
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def as_latex(table: list[Line]) -> str:
    r"""A tabular of the columns that a reader sees; it needs \usepackage{booktabs}."""
    grid = [cells(line) for line in table]
    names = columns(grid)
    head, *rows = (
        " & ".join(map(escaped, row)) + r" \\"
        for row in [names, *([line[name] for name in names] for line in grid)]
    )
    layout = "l" + "r" * (len(names) - 1)
    lines = [rf"\begin{{tabular}}{{{layout}}}", r"\toprule", head, r"\midrule", *rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

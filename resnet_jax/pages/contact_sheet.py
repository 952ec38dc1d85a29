"""What a network says of single pictures, as one HTML page."""

from pathlib import Path

from resnet_jax.analysis.overlay import overlaid, png
from resnet_jax.assembly.prediction import Picture
from resnet_jax.reporting import markup

STYLE = """
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 1.5rem; }
.sheet h2 { font-size: .9rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
.sheet figure { display: flex; gap: .25rem; margin: 0; }
.sheet figure img { width: 100%; min-width: 0; image-rendering: auto; }
.sheet td { white-space: normal; }
"""


def sheet(pictures: list[Picture], origin: str) -> str:
    """The contact sheet as one HTML page."""
    cards = []
    for picture in pictures:
        images = [markup.image(png(picture.pixels), picture.name)]
        images += [
            markup.image(
                png(overlaid(picture.pixels, values)), f"{kind} of {picture.guesses[0].name}"
            )
            for kind, values in picture.maps.items()
        ]
        rows = [(guess.name, f"{guess.probability:.1%}") for guess in picture.guesses]
        shown = f"<figure>{''.join(images)}</figure>"
        shown += markup.table(("class", "probability"), rows)
        cards.append(markup.section(Path(picture.name).name, shown))
    about = [f"{len(pictures)} pictures, by {origin}."]
    if any(picture.maps for picture in pictures):
        about.append(
            "Two explanations of the first class stand beside each picture. In Grad-CAM, yellow"
            " speaks for the class; in occlusion, yellow is where covering the picture lowers the"
            " class's probability most."
        )
    body = markup.paragraphs(about) + f'<div class="sheet">{"".join(cards)}</div>\n'
    return markup.document("Predictions", body, style=STYLE)

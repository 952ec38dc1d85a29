"""What a step can be planned for: TPU slices and NVIDIA cards, by their names."""

from collections.abc import Sequence

from resnet_jax.planning import cards, slices
from resnet_jax.planning.cards import CARDS, Cards
from resnet_jax.planning.slices import CHIPS, Slice
from resnet_jax.tables import UserError, choose

Hardware = Slice | Cards


def parse(text: str) -> Hardware:
    """Reads 'v5e:4x4' or 'h100:8'.

    Raises:
      UserError: there is no such chip, or the text has another form.
    """
    name = text.strip().partition(":")[0]
    choose({**CHIPS, **CARDS}, name, "TPU generation or card")
    return cards.parse(text) if name in CARDS else slices.parse(text)


def parse_all(texts: Sequence[str]) -> list[Hardware]:
    """Reads several, which must be all TPUs or all cards.

    Raises:
      UserError: as `parse`, none are given, or both kinds are.
    """
    found = [parse(text) for text in texts]
    if not found:
        raise UserError("--topology is empty: give slices as v5e:4x4 or cards as h100:8")
    if len({platform(on) for on in found}) > 1:
        raise UserError(
            f"--topology={','.join(texts)} names TPUs and cards, which run programs of different"
            " compilers: plan them in two commands"
        )
    return found


def platform(on: Hardware) -> str:
    """Its name in JAX."""
    return "tpu" if isinstance(on, Slice) else "gpu"


def base(on: Hardware, text: str | None = None) -> Hardware:
    """What the step is compiled for, to predict it on `on`: chips that share a batch.

    Args:
      text: a name in place of four TPU chips, or a host full of cards.

    Raises:
      UserError: as `parse`, or it is of another kind.
    """
    if not text:
        if isinstance(on, Slice):
            return Slice(on.name, (2, 2, 1)[: on.chip.axes])
        return Cards(on.name, cards.HOST)
    found = parse(text)
    if platform(found) != platform(on):
        raise UserError(
            f"--base={text} runs other programs than {on}: name a base of the same kind,"
            f" as {base(on)}"
        )
    return found


def sizes(on: Hardware) -> list[Hardware]:
    """One chip of this make, and more and more of them."""
    if isinstance(on, Slice):
        return [slices.parse(f"{on.name}:{shape}") for shape in slices.SIZES[on.chip.axes]]
    return [Cards(on.name, count) for count in cards.SIZES]

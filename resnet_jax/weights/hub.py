"""Files of the Hugging Face hub, named hf://OWNER/REPOSITORY, as hf://timm/resnet50.a1_in1k.

@REVISION may follow the repository, and /FILE after that; without it the file is model.safetensors.
huggingface_hub (the extra `hub`) fetches them into its cache, with its tokens and its settings
HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE. What is in the cache is used without asking the hub. Before
a download a line on standard error says what, how large, from where and to where.
"""

import difflib
import hashlib
import re
import sys
from pathlib import Path
from typing import NamedTuple

from resnet_jax.tables import UserError
from resnet_jax.weights.released import TAGS

PREFIX = "hf://"
PATTERN = re.compile(
    r"hf://(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/]+))?(?:/(?P<file>.+))?"
)


class Address(NamedTuple):
    """A file of the hub.

    Attributes:
      repository: OWNER/NAME.
      revision: branch, tag or commit.
    """

    repository: str
    revision: str
    file: str

    def __str__(self) -> str:
        revision = "" if self.revision == "main" else f"@{self.revision}"
        file = "" if self.file == "model.safetensors" else f"/{self.file}"
        return f"{PREFIX}{self.repository}{revision}{file}"


def address(text: str) -> Address:
    """The address that is written hf://OWNER/REPOSITORY[@REVISION][/FILE].

    Raises:
      UserError: it is written otherwise, or the file may hold more than tensors.
    """
    found = PATTERN.fullmatch(text)
    if not found:
        raise UserError(
            f"{text} names no repository: write hf://OWNER/REPOSITORY, for example"
            " hf://timm/resnet50.a1_in1k"
        )
    file = found["file"] or "model.safetensors"
    if not file.endswith((".safetensors", ".json")):
        raise UserError(
            f"{text} is no .safetensors file, and only these are fetched, since others can hold"
            " code: name the repository alone, or a file of it that ends in .safetensors"
        )
    return Address(found["repository"], found["revision"] or "main", file)


def local(place: str | Path) -> Path:
    """The path of a file of weights: `place` itself, or the file in the cache that hf:// names.

    Raises:
      UserError: as `fetched`.
    """
    text = str(place)
    return fetched(address(text)) if text.startswith(PREFIX) else Path(place).expanduser()


def fetched(wanted: Address) -> Path:
    """The file in huggingface_hub's cache, where it is downloaded to if it is not there.

    Raises:
      UserError: huggingface_hub is not installed, there is no such file, the hub can't be asked, or
        what came is not what the hub announced, which is then removed.
    """
    try:
        import huggingface_hub as hub
    except ImportError:
        raise UserError(
            f"{wanted} lies on a hub, and to fetch it takes huggingface_hub: pip install"
            " 'resnet_jax[hub]', or give a file"
        ) from None
    repository, revision, file = wanted
    cached = hub.try_to_load_from_cache(repository, file, revision=revision)
    if isinstance(cached, str):
        return _whole(wanted, Path(cached))
    url = hub.hf_hub_url(repository, file, revision=revision)
    try:
        size = hub.get_hf_file_metadata(url).size or 0
        print(
            f"downloading {wanted}: {file}, {size / 1e6:,.1f} MB, from"
            f" {hub.constants.ENDPOINT} into {hub.constants.HF_HUB_CACHE}",
            file=sys.stderr,
        )
        path = hub.hf_hub_download(repository, file, revision=revision)
    except Exception as error:  # the library's own, and those of its HTTP client
        raise _refusal(wanted, error) from None
    return _whole(wanted, Path(path))


def _refusal(wanted: Address, error: Exception) -> UserError:
    from huggingface_hub import constants, errors

    if isinstance(error, errors.OfflineModeIsEnabled):
        return UserError(
            f"{wanted} is not in {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE forbids to fetch it:"
            " unset it, or give a file of weights"
        )
    if isinstance(error, errors.GatedRepoError):
        return UserError(
            f"{wanted} is given to people who asked for it: ask on its page, and set HF_TOKEN to a"
            " token of yours"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return UserError(
            f"{constants.ENDPOINT} has no {wanted}, or does not show it to you{_nearest(wanted)}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return UserError(f"{wanted.repository} has no revision '{wanted.revision}': leave it out")
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, OSError):
        return _without(wanted)
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return _without(wanted)
    reason = " ".join(str(error).split())[:160].rstrip(".: ") or type(error).__name__
    return UserError(
        f"{wanted} can't be fetched from {constants.ENDPOINT} ({reason}): say the same again with a"
        " network, which goes on, or give a file of weights"
    )


def _without(wanted: Address) -> UserError:
    return UserError(
        f"{wanted.repository} has no {wanted.file}: choose a repository whose weights are stored as"
        " safetensors"
    )


def _nearest(wanted: Address) -> str:
    known = [f"timm/{name}.{tag}" for name, tags in TAGS.items() for tag in tags]
    found = difflib.get_close_matches(wanted.repository, known, n=3, cutoff=0.6)
    if not found:
        return ": `resnet-jax hub '*'` lists the weights of timm that fit a network here"
    return f"; the nearest names: {', '.join(PREFIX + name for name in found)}"


def _whole(wanted: Address, path: Path) -> Path:
    """The path, whose content is what its name in the cache says.

    A cached file is a link to one that has the SHA-256 of its content as its name, or, of small
    ones, the SHA-1 of git.
    """
    blob = path.resolve()
    digest = blob.name
    if re.fullmatch(r"[0-9a-f]{64}", digest):
        with blob.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    elif re.fullmatch(r"[0-9a-f]{40}", digest):
        content = blob.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    else:
        return path
    if found != digest:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise UserError(
            f"{wanted} came with the hash {found[:12]}, and the hub announces {digest[:12]}: it was"
            " damaged and has been removed from the cache; say the same again to fetch it anew"
        )
    return path


def in_cache(text: str) -> bool:
    """Whether the file of this address is in the cache; nothing is asked of the hub."""
    wanted = address(text)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    found = try_to_load_from_cache(wanted.repository, wanted.file, revision=wanted.revision)
    return isinstance(found, str)

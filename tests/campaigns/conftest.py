"""The run that nothing stopped."""

from pathlib import Path

import pytest
from campaigns.runs import finish


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("campaigns") / "uninterrupted"
    finish(workdir)
    return workdir

import pytest
from growing import Growing, serve


@pytest.fixture(scope="session")
def model():
    with serve() as server:
        yield server


@pytest.fixture
def growing(model, tmp_path):
    return Growing(tmp_path / "state", model)

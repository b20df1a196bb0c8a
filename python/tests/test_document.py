"""doc/python.md does what it says."""

import doctest
import os
import pathlib

import pytest

SOURCE = pathlib.Path(os.environ.get("LIBATTN_SOURCE", pathlib.Path(__file__).parents[2]))


def test_examples_run():
    failed, run = doctest.testfile(str(SOURCE / "doc/python.md"), module_relative=False)
    assert run > 10 and failed == 0


def test_the_readmes_example_runs():
    for readme in ("README.md", "README.zh-CN.md"):
        path = SOURCE / readme
        if not path.exists():
            pytest.skip("no README beside an installed package's tests")
        example = path.read_text().split("```python\n")[1].split("```")[0]
        names = {}
        exec(example, names)
        assert names["out"].shape == (2, 8, 100, 64)

"""doc/python.md does what it says."""

import doctest
import importlib.util
import os
import pathlib

import pytest

SOURCE = pathlib.Path(os.environ.get("LIBATTN_SOURCE", pathlib.Path(__file__).parents[2]))


DOCUMENT = (SOURCE / "doc/python.md").read_text().split("\n## ")


def test_examples_run():
    """In one session, section by section; those about a library that is not installed are left out."""
    names, run = {}, 0
    for section in DOCUMENT:
        libraries = [name for name in ("torch", "onnx") if f">>> import {name}" in section]
        if all(importlib.util.find_spec(name) for name in libraries):
            test = doctest.DocTestParser().get_doctest(section, names, section.split("\n")[0], "doc/python.md", 0)
            result = doctest.DocTestRunner().run(test, clear_globs=False)
            assert result.failed == 0
            run += result.attempted
            names = test.globs
    assert run > 10


def test_the_readmes_example_runs():
    for readme in ("README.md", "README.zh-CN.md"):
        path = SOURCE / readme
        if not path.exists():
            pytest.skip("no README beside an installed package's tests")
        example = path.read_text().split("```python\n")[1].split("```")[0]
        names = {}
        exec(example, names)
        assert names["out"].shape == (2, 8, 100, 64)

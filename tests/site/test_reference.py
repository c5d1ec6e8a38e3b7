"""The reference page is the model's."""

from pathlib import Path

from posthouse.site import reference
from posthouse.site.model import Site

PAGE = Path(__file__).parents[2] / "docs/site-file.md"


def test_the_page_is_what_the_model_says() -> None:
    assert PAGE.read_text() == reference.markdown(), "posthouse config reference > docs/site-file.md"


def test_every_field_is_explained() -> None:
    fields = reference.fields()
    assert {field["key"].split(".")[0] for field in fields} == set(Site.model_fields)
    assert all(field["meaning"] for field in fields)

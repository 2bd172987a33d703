"""The site: every page there, its plots and outputs in it, every link leading somewhere, no warning in the build."""

import re
from pathlib import Path
from urllib.parse import unquote, urlparse

import nbformat
import pytest
from bs4 import BeautifulSoup

from tools import build_site
from tools.labs import ROOT, RUNS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site built from the notebooks as they are (labs without outputs where they have not been run)."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_site, "SOURCE", folder / "source")
        patch.setattr(build_site, "SITE", folder / "site")
        patch.setattr(build_site, "INDEX", folder / "site" / "_build" / "html" / "index.html")
        patch.setattr(build_site, "LOG", folder / "site.log")
        assert build_site.main() == 0  # a warning fails the build
    return folder / "site" / "_build" / "html"


def pages(site):
    return {path.relative_to(site).as_posix(): path for path in site.rglob("*.html")}


def test_every_chapter_of_the_contents_is_a_page(site):
    named = re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text())
    assert len(named) > 15
    assert {f"{name}.html" for name in named} <= pages(site).keys()


def test_every_notebook_is_in_the_contents():
    contents = (ROOT / "_toc.yml").read_text()
    for path in (ROOT / "nbs").rglob("*.ipynb"):
        assert path.relative_to(ROOT).with_suffix("").as_posix() in contents, path


def test_every_link_within_the_site_leads_somewhere(site):
    broken = set()
    for name, path in pages(site).items():
        if name in ("search.html", "genindex.html"):
            continue
        for tag in BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select("a[href], img[src]"):
            link = urlparse(tag.get("href") or tag.get("src"))
            if link.scheme or link.netloc or not link.path:
                continue
            if not (path.parent / unquote(link.path)).exists():
                broken.add((name, link.path))
    assert not broken


def test_pages_have_the_sites_own_style_and_one_search_field(site):
    for name, path in pages(site).items():
        if not name.startswith(("book/", "nbs/")):
            continue
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        (style,) = page.select('link[href*="lab.css"]')
        assert (path.parent / urlparse(style["href"]).path).exists(), name
        assert len(page.select(".search-button-field")) == 1, name


def test_amounts_of_money_are_no_formulas(site):
    for name, path in pages(site).items():
        assert not BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select(".math"), name


def test_amounts_of_money_are_no_formulas_in_jupyter_either():
    for path in (ROOT / "nbs").rglob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                assert not re.search(r"(?<!\\)\$\d", cell.source), f"{path}: a price needs \\$"


def test_pages_show_no_directive_of_nbdev(site):
    for name, path in pages(site).items():
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        assert not any("#| " in cell.get_text() for cell in soup.select("div.cell_input")), name


def test_the_coverage_table_is_the_codes_own(site):
    text = BeautifulSoup(
        (site / "book" / "local-aws.html").read_text(encoding="utf-8"), "html.parser"
    ).get_text()
    assert "CreateTrainingJob" in text and "InvokeEndpoint" in text and "answered by local_aws itself" in text


def test_making_the_coverage_table_leaves_moto_as_it_is():
    """Other tests of this process mock AWS with it."""
    from moto.s3.models import FakeKey

    before = FakeKey.value
    assert "CreateTrainingJob" in build_site.coverage_table()
    assert FakeKey.value is before


def test_executed_labs_show_their_plots(workshop):
    """The site that `make workshop` built."""
    html = workshop.copy / "build" / "site" / "_build" / "html"
    least = dict(zip((run.name for run in RUNS), (6, 3, 3, 4, 2, 1), strict=True))
    for run in RUNS:
        page = html / Path(run.notebook).parent / f"{run.name}.html"
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        plots = [image["src"] for image in soup.select("div.cell_output img")]
        assert len(plots) >= least[run.name], run.name
        assert all((page.parent / source).stat().st_size > 5000 for source in plots), run.name

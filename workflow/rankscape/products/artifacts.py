"""Files that belong to a whole region: its pages, and what travels with it."""

from rankscape.artifacts import Column, Document, File, Table

_PUBLISH = "publish"

README = File("README.txt", _PUBLISH, "What is what, in plain words", "collection")
CITATION = File(
    "CITATION.cff", _PUBLISH, "How to cite this run and what it is made of (Citation File Format 1.2)", "collection"
)
NOTICE = File("NOTICE.txt", _PUBLISH, "Whose data this run is made of, and the terms of its imagery", "collection")
CATALOGUE = Document("catalog.json", _PUBLISH, "Static STAC catalogue: start here with a STAC browser or pystac")
COLLECTION = Document("catalog/collection.json", _PUBLISH, "The region in the catalogue, with its tables and documents")
ITEMS = File("catalog/items", _PUBLISH, "Folder of the maps, sets of districts and changes in the catalogue")
ITEM = Document("catalog/items/{item}.json", _PUBLISH, "A map, a set of districts or a change in the catalogue")
DICTIONARY = Table(
    "data-dictionary.csv", _PUBLISH, "Every column of every table: type, unit, meaning, missing values", "collection",
    row="one column of one table, or one key of one document",
    columns=(
        Column("file", "text", "", "The file, below the region's folder"),
        Column("column", "text", "", "The column, or the key with the keys above it"),
        Column("type", "text", "", "Its type"),
        Column("unit", "text", "", "Its unit", "empty where there is none"),
        Column("meaning", "text", "", "What it means"),
        Column("missing", "text", "", "When a value is missing, and how that looks"),
    ),
)  # fmt: skip
DICTIONARY_PAGE = File("data-dictionary.md", _PUBLISH, "The same to read", "collection")
REPORT = File("report/index.html", "report", "The report: opens in any browser, without a network", "collection")
STUDY_REPORT = File("report/{study}.html", "report", "A study's page of the report", "collection")

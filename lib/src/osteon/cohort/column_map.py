"""Which column of anybody's table means what: good guesses by name and by what stands in it, and their preview.

    osteon cohort import FOLDER --table patients.xlsx                 shows the guesses and asks
    osteon cohort import FOLDER --table patients.xlsx --map site=klinik --map label=diagnos

Values are translated too: `höger`, `right` and `R` are the right side; `AP`, `frontal` and `PA` a frontal view.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from osteon.cohort.problem import Problem
from osteon.cohort.readers.found import said_yes
from osteon.cohort.table import FEMUR_LABELS
from osteon.cohort.tabular import DATES
from osteon.errors import OsteonError

__all__ = ["NAMES", "ColumnMap", "NoSuchColumn", "guess", "identifies", "mapped", "not_understood", "plain", "preview"]

NAMES: Mapping[str, tuple[str, ...]] = {  # English, Swedish, German and the standard's names, as people write them
    "path": ("path", "image path", "filepath", "file path", "file", "filename", "file name", "image", "bild", "fil",
             "filnamn", "datei", "image file", "img", "image name", "filestem", "image id"),
    "case": ("case", "case id", "fall", "row id", "id"),
    "patient": ("patient", "patient id", "patientid", "pid", "subject", "subject id", "participant id", "person",
                "personid", "lopnr", "patnr", "patient number", "patientnummer", "pat id", "patient group"),
    "study": ("study", "study id", "accession", "accession number", "exam id", "undersokning", "studieid",
              "study instance uid", "studyinstanceuid", "study number"),
    "site": ("site", "site id", "hospital", "hospital id", "clinic", "klinik", "sjukhus", "center", "centre",
             "krankenhaus", "institution", "institution name", "partition id"),
    "node": ("node", "nod"),
    "vendor": ("vendor", "manufacturer", "device manufacturer", "maker", "tillverkare", "hersteller"),
    "family": ("family", "processing family", "model", "scanner model", "manufacturer model name", "scanner", "device"),
    "label": ("label", "class", "diagnosis", "diagnos", "klass", "fracture type", "frakturtyp", "aff", "outcome",
              "target", "etikett", "diagnose", "fractured", "pathology"),
    "modality": ("modality", "modalitet", "modality tag"),
    "view": ("view", "view position", "viewposition", "projection", "projektion", "vy"),
    "side": ("side", "laterality", "sida", "seite", "image laterality"),
    "body_part": ("body part", "bodypart", "body part examined", "region", "kroppsdel", "anatomy", "region coarse"),
    "hardware": ("hardware", "metal", "implant", "metall", "implantat"),
    "exam_date": ("exam date", "study date", "date", "datum", "undersokningsdatum", "acquisition date", "visit date"),
    "days_from_index": ("days from index", "days", "dagar"),
    "spacing_y_mm": ("spacing", "pixel spacing", "spacing mm", "spacing y mm", "pixelspacing", "pixel size",
                     "pixel spacing mm", "pixelstorlek"),
    "spacing_x_mm": ("spacing x mm",),
    "height": ("height", "rows", "image rows"),
    "width": ("width", "columns", "cols", "image columns"),
    "fold": ("fold", "split", "partition", "subset", "set"),
}  # fmt: skip
SIDES = {"r": "R", "right": "R", "rt": "R", "hoger": "R", "h": "R", "rechts": "R", "dx": "R", "l": "L", "left": "L",
         "lt": "L", "vanster": "L", "v": "L", "links": "L", "sin": "L", "b": "B", "both": "B",
         "bilateral": "B"}  # fmt: skip
VIEWS = {"ap": "AP", "pa": "AP", "frontal": "AP", "front": "AP", "anteroposterior": "AP", "lat": "lateral",
         "lateral": "lateral", "ll": "lateral", "rl": "lateral", "sida": "lateral", "sidobild": "lateral",
         "seitlich": "lateral", "oblique": "oblique", "sned": "oblique", "rao": "oblique",
         "lao": "oblique"}  # fmt: skip
# Columns that name a person, in the same languages; they never enter a cohort.
IDENTIFYING = ("name", "patientname", "namn", "fornamn", "efternamn", "firstname", "lastname", "surname", "vorname",
               "nachname", "birth", "birthdate", "dateofbirth", "dob", "patientbirthdate", "fodelsedatum",
               "geburtsdatum", "personnummer", "pnr", "ssn", "socialsecuritynumber", "address", "adress", "adresse",
               "phone", "telefon", "email", "epost", "referringphysicianname", "operatorsname")  # fmt: skip
FEMUR_WORDS = {  # what the four labels are called
    "complete aff": "AFF_complete", "caff": "AFF_complete", "aff complete": "AFF_complete", "aff": "AFF_complete",
    "incomplete aff": "AFF_incomplete", "iaff": "AFF_incomplete", "aff incomplete": "AFF_incomplete",
    "tff": "typical_fracture", "typical": "typical_fracture", "typical fracture": "typical_fracture",
    "no fracture": "no_fracture", "normal": "no_fracture", "none": "no_fracture",
}  # fmt: skip
# The same words as parts of longer names; a bare `name` is none of them, for sites and devices have names too.
PERSONAL = re.compile(
    r"person(al)?(nr|nummer|number)|persnr|birth|fodelse|geburt|adress|address|telefon|phone|email|epost|socialsecurity"
    r"|(patient\w*|person\w*|full|first|last|sur|given|middle|maiden|for|efter|vor|nach|physicians?)(name|namn)$"
    r"|(name|namn)(of|pa)?(patient|person)"
)
# A Swedish personal number, with a day above 60 for a coordination number.
PERSONAL_NUMBER = r"^(19|20)?\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]|6[1-9]|[78]\d|9[01])[-+]?\d{4}$"


class NoSuchColumn(OsteonError):
    """A column map that names a column which the table, or the schema, has not."""


@dataclass(frozen=True)
class ColumnMap:
    """`columns` maps the schema's names to the table's; `labels` its values to labels, and holds all that are known."""

    columns: Mapping[str, str]
    labels: Mapping[str, str]


def guess(table: pl.DataFrame, named: Mapping[str, str] | None = None) -> ColumnMap:
    """The map that `named` states, and for the rest the best guess; each column of the table is used once.

    Raises NoSuchColumn.
    """
    named = dict(named or {})
    for ours, theirs in named.items():
        if ours not in NAMES:
            raise NoSuchColumn(f"{ours} is no column of a cohort; there are {', '.join(NAMES)}")
        if theirs and theirs not in table.columns:
            raise NoSuchColumn(f"the table has no column {theirs}; it has {', '.join(table.columns[:30])}")
    chosen = {ours: theirs for ours, theirs in named.items() if theirs}
    free = [name for name in table.columns if name not in chosen.values()]
    for ours, words in NAMES.items():
        if ours in named:
            continue
        known = [plain(word) for word in words]
        ranked = [(known.index(plain(name)), name) for name in free if plain(name) in known]
        if ranked:
            chosen[ours] = min(ranked)[1]
            free.remove(chosen[ours])
    return ColumnMap({ours: chosen[ours] for ours in NAMES if ours in chosen}, _labels(table, chosen.get("label")))


def mapped(table: pl.DataFrame, known: ColumnMap) -> pl.DataFrame:
    """The table in the schema's names and values; columns that mean nothing here follow under their own names,
    but for those that would name a person.

    A value that is not understood becomes null, for `not_understood` to tell, or in a view `other`; an unknown label
    stays as it is, for `check` to find. `None` is a label where labels stand, and elsewhere nothing.
    """
    columns = dict(known.columns)
    words = [name for name, dtype in table.schema.items() if dtype == pl.String and name != columns.get("label")]
    table = table.with_columns(pl.col(words).replace("None", None))
    made = {ours: table[theirs].alias(ours) for ours, theirs in columns.items()}
    for name in (
        "case",
        "patient",
        "study",
        "site",
        "node",
        "vendor",
        "family",
        "modality",
        "body_part",
        "fold",
        "path",
    ):
        if name in made:
            made[name] = _as_text(made[name])
    if "side" in made:
        made["side"] = _translated(made["side"], SIDES, None)
    if "view" in made:
        made["view"] = _translated(made["view"], VIEWS, "other")
    if "body_part" in made:
        made["body_part"] = made["body_part"].str.to_uppercase()
    if "hardware" in made:
        made["hardware"] = pl.Series("hardware", [said_yes(value) for value in made["hardware"]], dtype=pl.Boolean)
    if "label" in made:
        made["label"] = _as_text(made["label"]).replace(dict(known.labels))
    if "spacing_y_mm" in made:
        made["spacing_y_mm"], across = _spacing(made["spacing_y_mm"])
        made.setdefault("spacing_x_mm", across)
    if "exam_date" in made:
        made["exam_date"] = _dates(made["exam_date"])
    rest = [table[name] for name in table.columns if name not in columns.values() and name not in made]
    rest = [column for column in rest if not identifies(column)]
    return pl.DataFrame([*made.values(), *rest])


def not_understood(table: pl.DataFrame, known: ColumnMap, name: str, first_line: int) -> list[Problem]:
    """Each value of the table that `mapped` leaves out, by its line and column; the value itself is not repeated.

    `name` is the table's file, `first_line` that of its first row.
    """
    made = mapped(table, known)
    problems = []
    for ours in (one for one in ("side", "hardware", "exam_date", "spacing_y_mm") if one in known.columns):
        theirs = known.columns[ours]
        there = table[theirs].is_not_null() & ~table[theirs].cast(pl.String).is_in(["None", ""])
        for row in (there & made[ours].is_null()).arg_true():
            says = f"the value of {theirs} is not understood as {ours}, and left out"
            problems.append(Problem("not-understood", name, row + first_line, says, "write it as the other lines do"))
    return problems


def preview(table: pl.DataFrame, known: ColumnMap) -> list[tuple[str, str, str, int]]:
    """For each column that was mapped: our name, theirs, up to three values, and how many rows are empty."""
    rows = []
    for ours, theirs in known.columns.items():
        values = table[theirs].drop_nulls().unique(maintain_order=True)[:3].to_list()
        rows.append((ours, theirs, ", ".join(str(value) for value in values), table[theirs].null_count()))
    return rows


def identifies(column: pl.Series) -> bool:
    """Whether a column names persons: by its name, or since half of its values look like Swedish personal numbers."""
    if plain(column.name) in IDENTIFYING or PERSONAL.search(plain(column.name)):
        return True
    known = column.drop_nulls()
    if known.dtype not in (pl.String, pl.Int64) or not len(known):
        return False
    return 2 * int(known.cast(pl.String).str.strip_chars().str.contains(PERSONAL_NUMBER).sum()) >= len(known)


def plain(name: str) -> str:
    """Letters and digits of a name, small and without accents: `Patient_ID` is `patientid`."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[\W_]+", "", ascii_only).lower()


def _labels(table: pl.DataFrame, column: str | None) -> dict[str, str]:
    """Each value of the label column, and what it is called here: one of the four where its word is known."""
    if column is None:
        return {}
    words = {plain(word): label for word, label in FEMUR_WORDS.items()}
    values = [str(value) for value in _as_text(table[column]).drop_nulls().unique().sort()]
    ours = {value: words.get(plain(value), value) for value in values}
    # Only a table that speaks of femurs is translated: `normal` of a chest is no femur without a fracture.
    return ours if any(label in FEMUR_LABELS[:2] for label in ours.values()) else {value: value for value in values}


def _as_text(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Float64 and bool((column.drop_nulls() == column.drop_nulls().round()).all()):
        column = column.cast(pl.Int64)  # an identifier that came as 17.0
    return column.cast(pl.String).str.strip_chars()


def _dates(column: pl.Series) -> pl.Series:
    """Days, value by value: one that is none of `DATES` is null, and takes no other with it."""
    if column.dtype in (pl.Date, pl.Datetime):
        return column.cast(pl.Date)
    # A workbook's midnights become text where another cell of the column is text.
    text = _as_text(column).str.replace(r"^(\d{4}-\d\d-\d\d)[ T]00:00.*$", "$1")
    forms = [text.str.to_date(form, strict=False).alias(form) for form in DATES]
    return pl.DataFrame(forms).select(pl.coalesce(*DATES)).to_series().alias(column.name)


def _translated(column: pl.Series, words: Mapping[str, str], otherwise: str | None) -> pl.Series:
    values = [None if value is None else words.get(plain(str(value)), otherwise) for value in column]
    return pl.Series(column.name, values, dtype=pl.String)


def _spacing(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Between rows and between columns in mm, from a number or from text such as `0.14\\0.14` or `[0.14, 0.14]`."""
    down, across = [], []
    for value in column:
        numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", str(value))] if value is not None else []
        down.append(numbers[0] if numbers else None)
        across.append(numbers[-1] if numbers else None)
    return pl.Series("spacing_y_mm", down, dtype=pl.Float64), pl.Series("spacing_x_mm", across, dtype=pl.Float64)

"""The words of tables in English, Swedish and German: names of columns, and values of sides, views and labels."""

import re
import unicodedata
from collections.abc import Mapping

__all__ = ["FEMUR_WORDS", "NAMES", "SIDES", "VIEWS", "plain", "said", "speaks_of_femurs"]

NAMES: Mapping[str, tuple[str, ...]] = {  # English, Swedish, German and the standard's names, as people write them
    "path": ("path", "image path", "filepath", "file path", "file", "filename", "file name", "image", "bild", "fil",
             "filnamn", "datei", "image file", "img", "image name", "filestem", "image id"),
    "case": ("case", "case id", "fall", "row id", "id"),
    "patient": ("patient", "patient id", "patientid", "pid", "subject", "subject id", "participant id", "person",
                "personid", "lopnr", "patnr", "patient number", "patientnummer", "pat id", "patient group",
                "patientennummer", "patientennr", "patienten id", "patientenkennung"),
    "study": ("study", "study id", "accession", "accession number", "exam id", "undersokning", "studieid",
              "study instance uid", "studyinstanceuid", "study number", "untersuchungsnummer", "untersuchungsnr",
              "fallnummer", "fallnr"),
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
    "exam_date": ("exam date", "study date", "date", "datum", "undersokningsdatum", "acquisition date", "visit date",
                  "untersuchungsdatum"),
    "days_from_index": ("days from index", "days", "dagar"),
    "spacing_y_mm": ("spacing", "pixel spacing", "spacing mm", "spacing y mm", "pixelspacing", "pixel size",
                     "pixel spacing mm", "pixelstorlek", "pixelabstand", "pixelgröße"),
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
FEMUR_WORDS = {  # what the four labels are called
    "AFF_complete": (
        "aff", "aff complete", "complete aff", "caff", "komplett aff", "fullständig aff", "komplette aff",
        "vollständige aff", "atypical", "atypical fracture", "atypical femur fracture", "atypical femoral fracture",
        "atypisk", "atypisk fraktur", "atypisk femurfraktur", "atypisch", "atypische fraktur", "atypische femurfraktur",
    ),
    "AFF_incomplete": (
        "aff incomplete", "incomplete aff", "iaff", "inkomplett aff", "ofullständig aff", "inkomplette aff",
        "unvollständige aff", "incomplete atypical fracture", "inkomplett atypisk fraktur",
        "ofullständig atypisk fraktur", "inkomplette atypische fraktur", "unvollständige atypische fraktur",
    ),
    "typical_fracture": (
        "typical fracture", "tff", "typical", "typical femur fracture", "typical femoral fracture", "ordinary fracture",
        "typisk", "typisk fraktur", "typisk femurfraktur", "vanlig fraktur", "typisch", "typische fraktur",
        "typische femurfraktur", "gewöhnliche fraktur",
    ),
    "no_fracture": (
        "no fracture", "normal", "none", "not fractured", "ingen fraktur", "utan fraktur", "ej fraktur", "frisk",
        "keine fraktur", "ohne fraktur", "gesund",
    ),
}  # fmt: skip
# What no other table says than one of femurs: `normal`, `typical` and `no fracture` are said of chests and wrists, too.
FEMURS = re.compile(r"aff|tff|a?typi(cal|sk|sche)(fe|fr)")


def speaks_of_femurs(value: str) -> bool:
    """Whether a value of a label column tells that the column is about atypical femur fractures."""
    words = {plain(word) for label, known in FEMUR_WORDS.items() for word in (label, *known)}
    return plain(value) in words and bool(FEMURS.search(plain(value)))


def plain(name: str) -> str:
    """Letters and digits of a name, small and without accents: `Patient_ID` is `patientid`."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[\W_]+", "", ascii_only).lower()


def said(label: str) -> str:
    """A label as it is compared: small, without accents, its words written together. All other marks count: `AFF?` and
    `AFF-` are no `AFF`, and `-1` is no `1`.
    """
    bare = "".join(one for one in unicodedata.normalize("NFKD", label) if not unicodedata.combining(one))
    return re.sub(r"(?<=[^\W\d_])[\s_,/.(-]+(?=[^\W\d_])", "", bare.strip().rstrip(".)")).lower()

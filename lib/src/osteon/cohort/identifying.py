"""Columns that name a person, known by their names or by what stands in them, never enter a cohort; those with a
hospital's own numbers enter it only where names are kept."""

import re

import polars as pl

from osteon.cohort.table import SCHEMA
from osteon.cohort.words import NAMES, plain

__all__ = ["identifies", "is_a_number_of_a_person"]

# Columns that name a person, in the same languages.
IDENTIFYING = ("name", "patientname", "namn", "fornamn", "efternamn", "firstname", "lastname", "surname", "vorname",
               "nachname", "birth", "birthdate", "dateofbirth", "dob", "patientbirthdate", "fodelsedatum",
               "geburtsdatum", "personnummer", "pnr", "ssn", "socialsecuritynumber", "address", "adress", "adresse",
               "phone", "telefon", "email", "epost", "referringphysicianname", "operatorsname")  # fmt: skip
# Numbers that lead to a person by a hospital's own systems. DICOM files are matched by them first; and the columns
# `patient` and `study` themselves get pseudonyms.
NUMBERS = {
    "mrn", "medicalrecordnumber", "accessionnumber", "accessionno", "sopinstanceuid", "seriesinstanceuid",
    "instanceuid",
    *(plain(word) for column in ("patient", "study") for word in NAMES[column]),
}  # fmt: skip
# How other hospitals call them, as `Pat.-Nummer`, `Aufnahmenummer`, `remissnr` or `Journal no`.
NUMBER = re.compile(
    r"(pat(ient(en)?)?|person|subject|fall|case|aufnahme|auftrags?|untersuchungs?|exam(ination)?|study|undersoknings?"
    r"|vardtillfalles?|remiss|journal|accession|order|visit|admission)(nr|no|num|nummer|number|id|uid|kennung)$"
)
# The same words as parts of longer names; a bare `name` is none of them, for sites and devices have names too.
PERSONAL = re.compile(
    r"person(al)?(nr|nummer|number)|persnr|birth|fodelse|geburt|adress|address|telefon|phone|email|epost|socialsecurity"
    r"|(patient\w*|person\w*|full|first|last|sur|given|middle|maiden|for|efter|vor|nach|physicians?)(name|namn)$"
    r"|(name|namn)(of|pa)?(patient|person)"
)
# A Swedish personal number, with a day above 60 for a coordination number.
PERSONAL_NUMBER = r"^(19|20)?\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]|6[1-9]|[78]\d|9[01])[-+]?\d{4}$"


def identifies(column: pl.Series) -> bool:
    """Whether a column names persons: by its name, or since half of its values look like Swedish personal numbers."""
    if plain(column.name) in IDENTIFYING or PERSONAL.search(plain(column.name)):
        return True
    known = column.drop_nulls()
    if known.dtype not in (pl.String, pl.Int64) or not len(known):
        return False
    return 2 * int(known.cast(pl.String).str.strip_chars().str.contains(PERSONAL_NUMBER).sum()) >= len(known)


def is_a_number_of_a_person(name: str) -> bool:
    """Whether a further column of a cohort by its name holds numbers by which a hospital finds a patient or a study."""
    return name not in SCHEMA and (plain(name) in NUMBERS or bool(NUMBER.search(plain(name))))

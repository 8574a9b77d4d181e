"""The two variables that the digital register makes from the outcome are found, and no other."""

import polars as pl

from osteon.cohort.check import checked_variables
from osteon.cohort.register import Window, build, index_dates
from osteon.cohort.table import collected, conformed
from osteon.phantom.make import Design, plan_of
from osteon.phantom.register import LEAKS, register
from osteon.phantom.subject import subject_of


def test_check_finds_the_variables_that_were_made_from_the_outcome_and_no_other() -> None:
    subjects = [subject_of(row) for row in plan_of(Design(preset="federated", n_patients=800)).patients()]
    cases = pl.DataFrame(
        {
            "case": [one.patient_id for one in subjects],
            "patient": [one.patient_id for one in subjects],
            "label": ["AFF_complete" if one.is_atypical else "typical_fracture" for one in subjects],
            "site": [one.site for one in subjects],
            "exam_date": [one.index_date for one in subjects],
        }
    )
    table = collected(conformed(cases))

    built = build(register(subjects, "independent"), index_dates(table), windows=[Window("5y", 1826, 1)])

    found = {problem.says.split("_")[1] for problem in checked_variables(table, built.variables, "variables.parquet")}
    assert {code.replace(".", "") for code in LEAKS} <= found
    assert found <= {part for code in LEAKS for part in (code.replace(".", ""), code[:3])}
    assert len(built.dictionary) > 500
    assert built.n_later > 1000  # as they are in the long table, so that keeping them out is seen

"""The first femur: a shaft seen from the front, for the demo until its models are trained on `osteon.phantom.patient`.

femur.py        a patient's femur and thigh in mm
fracture.py     atypical and typical fractures, as changes of that geometry
projection.py   femur + fracture + pose → thickness maps
"""

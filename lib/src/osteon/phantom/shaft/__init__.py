"""The first femur and its six sites: a shaft seen from the front, for the demo until its models are trained anew.

femur.py        a patient's femur and thigh in mm
fracture.py     atypical and typical fractures, as changes of that geometry
projection.py   femur + fracture + pose → thickness maps
xray.py         thickness maps → detector signal
scanner.py      six sites that look different: detector signal → stored pixels
radiograph.py   one image as a DICOM object
"""

"""The classifier service.

classify.py   image.harmonized in, image.classified out
__main__.py   the process: `python -m osteon_classifier`
"""

"""The harmonizer service.

harmonize.py   image.deidentified in, image.harmonized out
__main__.py    the process: `python -m osteon_harmonizer`
"""

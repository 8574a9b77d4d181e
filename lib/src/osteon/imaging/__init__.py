"""Radiographs: from DICOM to an array with spacing, to one reference geometry, and back to DICOM.

image.py       what an image is here: axes, units, bone bright
dicom.py       any DICOM object to an `Image`, or set aside for a stated reason
parse.py       bytes to a pydicom dataset, guarded against bombs, nesting and truncation
stored.py      the decoded stored values of any transfer syntax, and their hash
codestream.py  what a compressed stream says about itself, read before it is decoded
grayscale.py   stored values to bone bright: padding, modality and VOI LUT, photometric interpretation
shutter.py     which pixels a display shutter hides
derived.py     an `Image` back to a conforming derived DICOM object
quiet.py       keeps pydicom's warnings, which repeat values of the file, from leaving
geometry.py    long axis vertical, one spacing, one size
intensity.py   foreground and the landmarks of its histogram
"""
